"""`relay explain` for kept events, former revisions, drafts, and files with an event a line."""

import json
from pathlib import Path

import orjson
import pytest

from tests.integration.history.test_commands import relay
from tests.support.deadstack import event, opened


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio):
    """A relay, worked by hand."""
    with opened(tmp_path, redis_url, customerio) as stack:
        yield stack


def outcome(stack, *arguments):
    """What the one integration would do."""
    ran = relay(stack, "explain", "--json", *arguments)
    assert ran.returncode == 0, ran.stderr
    (one,) = json.loads(ran.stdout)["integrations"]
    return one


def test_an_event_is_found_by_its_id(stack):
    """Purchasely's id, as relay trace takes it."""
    stack.deliver(event(1))
    assert outcome(stack, "event-1-SUBSCRIPTION_RENEWED")["outcome"] == "sent"


def test_a_draft_decides_instead_of_the_file_in_force(stack, tmp_path):
    """Without changing anything."""
    stack.deliver(event(1))
    draft = tmp_path / "draft.toml"
    draft.write_text(stack.path.read_text().replace('"*" = true', '"*" = true\nSUBSCRIPTION_RENEWED = false'))
    one = outcome(stack, "event-1-SUBSCRIPTION_RENEWED", "--file", str(draft))
    assert (one["outcome"], one["reason"]) == ("filtered", "event_off")
    assert outcome(stack, "event-1-SUBSCRIPTION_RENEWED")["outcome"] == "sent"


def test_a_draft_with_an_error_says_its_line(stack, tmp_path):
    """Exit 2, nothing else."""
    draft = tmp_path / "draft.toml"
    draft.write_text(stack.path.read_text().replace("plan = true", "plna = true\nplan = 3"))
    ran = relay(stack, "explain", "-", "--file", str(draft))
    assert ran.returncode == 2
    assert f"{draft}:" in ran.stderr


def test_a_former_revision_decides_when_it_is_asked(stack):
    """As it did then."""
    stack.deliver(event(1))
    relay(stack, "status")
    stack.parts.begin()
    stack.restart(('"*" = true', '"*" = true\nSUBSCRIPTION_RENEWED = "Renewed"'))
    stack.parts.begin()
    assert stack.parts.live.loaded.number == 2
    names = [
        outcome(stack, "event-1-SUBSCRIPTION_RENEWED", "--revision", number)["operations"][-1]["name"]
        for number in ("1", "2")
    ]
    assert names == ["SUBSCRIPTION_RENEWED", "Renewed"]


def test_a_file_of_many_events_says_how_to_take_one(stack, tmp_path):
    """And takes it."""
    lines = tmp_path / "events.ndjson"
    lines.write_bytes(b"\n".join(orjson.dumps(event(number)) for number in range(5)))
    ran = relay(stack, "explain", str(lines))
    assert ran.returncode == 2
    assert "holds 5 events; --line 1 takes one" in ran.stderr
    assert outcome(stack, str(lines), "--line", "3")["operations"][0]["identifiers"] == {"id": "user-2"}
    assert "--line takes 1 to 5" in relay(stack, "explain", str(lines), "--line", "9").stderr


def test_only_properties_that_change_are_shown(stack):
    """With dates as dates."""
    stack.deliver(event(1))
    again = relay(stack, "explain", "event-1-SUBSCRIPTION_RENEWED").stdout
    assert "the person's properties stay as they are" in again
    new = relay(stack, "explain", "event-1-SUBSCRIPTION_RENEWED", "--offline").stdout
    assert "plan  " in new
    assert "monthly" in new
