"""`relay trace` and `relay person`, as processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.support.deadstack import SHARDS, event, opened
from tests.support.stack import ROOT
from worker.history.room import open_history
from worker.purchasely.person import shard_of
from worker.store.appending import append_event
from worker.store.keys import shard_key as stream_key


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio):
    """A relay, worked by hand."""
    with opened(tmp_path, redis_url, customerio) as stack:
        yield stack


def relay(stack, *arguments):
    """Run a command against the stack's server."""
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(stack.path.parent),
        **stack.environ,
        "TZ": "UTC",
    }
    command = [sys.executable, "-c", "from worker.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_trace_prints_the_event_and_a_line_an_integration(stack):
    """What it was, who, where; what became of it."""
    stack.deliver(event(1))
    ran = relay(stack, "trace", "event-1-SUBSCRIPTION_RENEWED")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "person user-1" in ran.stdout
    assert "production  ✓ sent as SUBSCRIPTION_RENEWED, Customer.io 200" in ran.stdout


def test_trace_as_json_has_the_contracts_keys(stack):
    """`{"event": …, "integrations": […]}`."""
    stack.deliver(event(1))
    told = json.loads(relay(stack, "trace", "event-1-SUBSCRIPTION_RENEWED", "--json").stdout)
    assert {"event_id", "event_name", "person", "received_ms", "entry", "duplicates"} <= told["event"].keys()
    (passed,) = told["integrations"]
    wanted = ["integration", "outcome", "reason", "name", "revision", "rule", "line", "status", "attempts", "took_ms"]
    assert {*wanted, "settled_ms"} <= passed.keys()
    assert (passed["integration"], passed["outcome"], passed["status"]) == ("production", "delivered", 200)


def test_an_event_that_is_not_kept_is_exit_1_and_says_how_far_the_past_reaches(stack):
    """Never received, or gone: it cannot know which."""
    stack.deliver(event(1))
    ran = relay(stack, "trace", "never-seen")
    assert ran.returncode == 1
    assert "no event never-seen is kept: gone since 20" in ran.stderr


def test_an_event_that_is_gone_says_what_is_still_known_of_it(stack):
    """An id is remembered longer than the event, and a place holds its time; a narrow look says that it was one."""
    stack.deliver(event(1), event(2))
    (found,) = open_history(stack.parts).finder.event("event-1-SUBSCRIPTION_RENEWED")
    raw = orjson.dumps(event(1, event_id="remembered"))
    append_event(stack.parts.redis, "app", found.shard, ["production"], "remembered", "about", raw, 1_814_400)
    place = f"{found.shard}/{found.entry_id}"
    stack.parts.redis.xtrim(stream_key(found.shard, "events", "app"), maxlen=0)
    for ident, why in (
        (place, "gone since"),
        ("remembered", "it was received, and is gone: older than 20"),
        ("event-1-SUBSCRIPTION_RENEWED", "or never received"),
        ("7/8", "or never received"),
        (f"{found.shard}/1-", "or never received"),
    ):
        ran = relay(stack, "trace", ident)
        assert (ran.returncode, why in ran.stderr) == (1, True), ran.stderr
    assert "ask without --person" in relay(stack, "trace", "remembered", "--person", "user-2").stderr


def test_person_shows_the_timeline_newest_first_and_where_each_property_comes_from(stack):
    """By user id; a property names the event that gave it the value it has."""
    stack.deliver(
        event(1, "SUBSCRIPTION_STARTED", plan="monthly"),
        event(2, "SUBSCRIPTION_RENEWED", user_id="user-1", purchasely_subscription_id="sub-1", plan="yearly"),
    )
    told = json.loads(relay(stack, "person", "user-1", "--json").stdout)
    assert [one["event"]["event_name"] for one in told["items"]] == ["SUBSCRIPTION_RENEWED", "SUBSCRIPTION_STARTED"]
    assert told["properties"]["production"]["plan"] == {
        "value": "yearly",
        "property": "plan",
        "event_id": "event-2-SUBSCRIPTION_RENEWED",
        "at_ms": 1_760_000_002_000,
        "event_name": "SUBSCRIPTION_RENEWED",
    }
    assert told["next"] is None
    text = relay(stack, "person", "user-1").stdout
    assert text.splitlines()[1].startswith("Subscribed, plan yearly")
    assert text.splitlines()[1].endswith(" · not suppressed")
    assert text.index("SUBSCRIPTION_RENEWED") < text.index("SUBSCRIPTION_STARTED")
    assert "plan" in text


def test_person_says_what_a_draft_would_make_of_each_event(stack, tmp_path):
    """With --file: beside what became of an event, what the file would make of it; nothing is sent."""
    stack.deliver(event(1, "SUBSCRIPTION_STARTED"), event(2, "SUBSCRIPTION_RENEWED", user_id="user-1"))
    draft = tmp_path / "draft.toml"
    draft.write_text(stack.path.read_text().replace('"*" = true', '"*" = true\nSUBSCRIPTION_STARTED = "Started"'))
    text = relay(stack, "person", "user-1", "--file", str(draft)).stdout
    assert "production  ≠ would be sent as Started" in text
    assert "production  = would be sent as SUBSCRIPTION_RENEWED" in text
    drafted = json.loads(relay(stack, "person", "user-1", "--file", str(draft), "--json").stdout)["drafted"]
    assert [one["differs"] for found in drafted.values() for one in found] == [False, True]
    assert len(stack.arrived()) == 2


def test_one_event_is_sent_again_by_its_id(stack):
    """`relay replay --id`: what it would do, and that it is off; then a job of this one event."""
    stack.restart(('"*" = true', '"*" = true\nSUBSCRIPTION_RENEWED = false'))
    stack.deliver(event(1), event(2))
    asked = ("replay", "--integration", "production", "--id", "event-1-SUBSCRIPTION_RENEWED")
    shown = relay(stack, *asked, "--dry-run").stdout
    assert "It is SUBSCRIPTION_RENEWED, which is off in production: under its code." in shown
    assert "would be sent, to 1 person" in shown
    assert relay(stack, *asked, "--since", "2d").returncode == 2
    assert "no event of the id nothing is kept" in relay(stack, *asked[:-1], "nothing").stderr
    assert relay(stack, *asked, "--yes", "--no-wait").returncode == 0
    (job,) = stack.parts.jobs.page(2)
    assert (job.kind, job.matched, job.off_too) == ("events", 1, 1)


def test_person_is_found_by_every_identifier_and_transfers_are_followed(stack):
    """Customer.io id, e-mail in any case, anonymous id, the user they became."""
    stack.deliver(
        event(1, user_id=None, anonymous_user_id="anon-1", event_id="before"),
        event(2, customerio_user_id="cio-1", customerio_user_email="Ann@X.io", user_id="u-1", event_id="named"),
        event(
            3,
            "SUBSCRIPTION_TRANSFERRED",
            user_id="u-1",
            customerio_user_id="cio-1",
            transferred_from_anonymous_user_id="anon-1",
            event_id="moved",
        ),
    )
    for ident in ("cio-1", "ann@x.io", "ANN@X.IO", "u-1"):
        told = json.loads(relay(stack, "person", ident, "--json").stdout)
        assert [one["event"]["event_id"] for one in told["items"]] == ["moved", "named", "before"], ident


def next_on(person, kind):
    """Another identifier, on the same shard as a person."""
    return next(name for n in range(100, 200) if shard_of(name := f"{kind}-{n}", SHARDS) == shard_of(person, SHARDS))


def test_an_identifier_leads_to_those_that_came_later(stack):
    """A login, or Customer.io's id: it decides another shard. Nobody else's events are shown."""
    anon, user, cio = (
        next(name for n in range(100) if shard_of(name := f"{kind}-{n}", SHARDS) == shard)
        for shard, kind in enumerate(("anon", "user", "cio"))
    )
    other = next_on(anon, "other")
    stack.deliver(
        event(1, user_id=None, anonymous_user_id=anon, event_id="before"),
        event(2, user_id=user, anonymous_user_id=anon, event_id="login"),
        event(3, user_id=user, event_id="after"),
        event(4, user_id=other, event_id="another"),
        event(5, user_id=user, customerio_user_id=cio, event_id="known"),
        event(6, user_id=f"x{user}", customerio_user_id=next_on(user, "cio"), event_id="stranger"),
    )
    for ident, seen in ((anon, {"after", "login", "before"}), (user, {"known", "after", "login", "before"})):
        told = json.loads(relay(stack, "person", ident, "--json").stdout)
        assert {one["event"]["event_id"] for one in told["items"]} == seen, ident


def test_person_pages(stack):
    """A cursor leads to the next page, without gap or repetition."""
    stack.deliver(*[event(1, event_id=f"e{number}") for number in range(7)])
    seen, cursor = [], None
    for _ in range(4):
        arguments = ["--next", cursor] if cursor else []
        told = json.loads(relay(stack, "person", "user-1", "--limit", "2", "--json", *arguments).stdout)
        seen += [one["event"]["event_id"] for one in told["items"]]
        cursor = told["next"]
    assert seen == [f"e{number}" for number in reversed(range(7))]
    assert cursor is None


@pytest.mark.parametrize("words", [("trace", "event-1-SUBSCRIPTION_RENEWED"), ("person", "user-1")])
def test_an_integration_that_is_none_is_said_to_be_none(stack, words):
    """A mistyped name is no answer."""
    stack.deliver(event(1))
    ran = relay(stack, *words, "--integration", "producton")
    assert (ran.returncode, "did you mean" in ran.stderr, "production" in ran.stderr) == (2, True, True)


def test_a_cursor_that_is_none_is_said_to_be_none(stack):
    """Exit 2."""
    stack.deliver(event(1))
    ran = relay(stack, "person", "user-1", "--next", "abc")
    assert ran.returncode == 2
    assert "is no cursor" in ran.stderr


def test_nobody_is_exit_1(stack):
    """And says how far back it looked."""
    ran = relay(stack, "person", "nobody")
    assert ran.returncode == 1
    assert "nothing of 'nobody' is kept" in ran.stderr
