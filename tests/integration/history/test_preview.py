"""A draft's preview: what the plan says, newest first, for as long as the budget lasts."""

from types import SimpleNamespace

import msgspec
import orjson
import pytest

from config.integrations import ConfigError
from tests.support.parts import make_parts
from tests.support.payloads import history, payload
from worker.history import preview
from worker.history.friction import Friction
from worker.history.plan import make_plan
from worker.history.preview import make_preview
from worker.purchasely.event import read_event
from worker.purchasely.person import shard_of, shard_person
from worker.store.keys import shard_key as stream_key

KINDS = ("renewing", "ended", "trial_converted", "refunded", "paused", "code_lapsed")
CHANGED = (
    ('"*" = true', '"*" = true\nACTIVATE = "Access Granted"\nSUBSCRIPTION_RENEWED = false'),
    ("plan = true", "plan = true\nsubscription_status = true\nhas_active_subscription = true"),
)


@pytest.fixture
def parts(tmp_path, redis_url):
    made = make_parts(tmp_path, redis_url)
    made.join()
    return made


def store(parts, events):
    """Store events where their people are, in order."""
    identity = parts.integrations.identity("app")
    for event in events:
        raw = orjson.dumps(event)
        read = read_event("1-1", raw)
        shard = shard_of(shard_person(read.payload, identity) or read.key, parts.settings.shards)
        parts.redis.xadd(stream_key(shard, "events", "app"), {"b": raw})


def lives(people):
    """Histories of people, as they happened, and some events that are too large."""
    events = [event for n in range(people) for event in history(KINDS[n % len(KINDS)], user_id=f"user-{n}")]
    events += [payload("ACTIVATE", user_id=f"large-{n}", event_id=f"large-{n}", blob="x" * 40_000) for n in range(3)]
    return sorted(events, key=lambda event: event["event_created_at_ms"])


def text_of(parts, *changes):
    text = parts.live.loaded.revision.text
    for old, new in changes:
        text = text.replace(old, new)
    return text


def figures(plan):
    """What a plan says, without its examples."""
    found = msgspec.json.decode(msgspec.json.encode(plan.changes))
    for change in found:
        tallies = [*change["found"]["effects"].values(), change["found"]["people"]]
        for tally in tallies:
            del tally["samples"]
            for detail in tally["details"].values():
                del detail["samples"]
    return plan.revision, plan.coverage.events, plan.removed_sources, found


def test_without_a_bound_it_says_what_the_plan_says(parts, monkeypatch):
    """Each number, whichever way the events are read: what is known of a person is a join."""
    store(parts, lives(40))
    text = text_of(parts, *CHANGED)
    plan = make_plan(parts, text, "draft", 0)
    monkeypatch.setattr(preview, "_PAGE", 7)
    made = make_preview(parts, text, 60)
    assert figures(made.plan) == figures(plan)
    assert (made.complete, made.since_ms, made.covered_events) == (True, 0, plan.coverage.events)
    (found,) = [change.found for change in made.plan.changes]
    assert (
        found.sent.before
        - found.effects["no_longer_sent"].events
        + found.effects.get("newly_sent", preview.Found()).events
        == found.sent.after
    )
    detail = found.effects["no_longer_sent"].details["SUBSCRIPTION_RENEWED"]
    assert (detail.events, detail.people > 1) == (found.effects["no_longer_sent"].events, True)
    assert detail.last_ms <= made.plan.coverage.last_ms
    assert any("SUBSCRIPTION_RENEWED" in line for line in made.difference)


def test_a_spent_budget_says_how_far_back_it_goes(parts, monkeypatch):
    """The newest events of every stream, and all of them since the time that is named."""
    store(parts, lives(60))
    monkeypatch.setattr(preview, "_PAGE", 10)
    ticks = iter(range(10_000))
    monkeypatch.setattr(preview, "time", SimpleNamespace(monotonic=lambda: next(ticks)))  # nobody else's clock
    made = make_preview(parts, text_of(parts, *CHANGED), 8)
    assert not made.complete
    kept = [
        int(entry.split(b"-")[0])
        for shard in range(2)
        for entry, _ in parts.redis.xrange(stream_key(shard, "events", "app"))
    ]
    assert 0 < made.covered_events < len(kept)
    assert made.covered_events >= sum(at_ms > made.since_ms for at_ms in kept)
    assert made.plan.coverage.first_ms <= made.since_ms
    assert made.plan.coverage.last_ms == max(kept)


def test_many_events_are_looked_at_in_processes_of_their_own(parts, monkeypatch):
    """The same numbers as in this one."""
    store(parts, lives(20))
    text = text_of(parts, *CHANGED)
    here = make_preview(parts, text, 60)
    monkeypatch.setattr(preview, "_FEW", 10)
    apart = make_preview(parts, text, 60)
    assert figures(apart.plan) == figures(here.plan)
    assert apart.complete


def test_what_was_seen_has_a_hash_of_its_own(parts):
    """The same text on the same traffic again is the same; another text, or more traffic, is not."""
    store(parts, lives(5))
    text = text_of(parts, *CHANGED)
    first = make_preview(parts, text, 60)
    assert first.hash == make_preview(parts, text, 60).hash
    assert first.hash != make_preview(parts, text + "# a comment\n", 60).hash
    store(parts, [payload("ACTIVATE", user_id="new", event_id="new")])
    assert first.hash != make_preview(parts, text, 60).hash


def test_a_text_with_errors_has_no_preview(parts):
    """The errors are named, a line each."""
    with pytest.raises(ConfigError, match="region"):
        make_preview(parts, text_of(parts, ('region = "eu"', 'region = "mars"')), 1)


def test_a_draft_that_changes_nothing_needs_one_click(parts):
    """Nor does a comment."""
    store(parts, lives(3))
    made = make_preview(parts, text_of(parts) + "# why\n", 60)
    assert (made.plan.changes, made.friction, made.difference) == ([], Friction("click"), [])


def test_the_friction_grows_with_the_effect(parts):
    """One click below a hundredth of the events, a confirmation, then the name to type."""
    store(parts, [payload("ACTIVATE", user_id=f"u{n}", event_id=f"e{n}") for n in range(190)])
    store(parts, [payload("RENEWAL_DISABLED", user_id=f"u{n}", event_id=f"r{n}") for n in range(9)])
    store(parts, [payload("RENEWAL_ENABLED", user_id="u1", event_id="r")])

    def friction(*changes):
        return make_preview(parts, text_of(parts, *changes), 60).friction

    small = friction(('"*" = true', '"*" = true\nRENEWAL_ENABLED = "On"'))
    some = friction(('"*" = true', '"*" = true\nRENEWAL_DISABLED = "Off"'))
    large = friction(('"*" = true', '"*" = true\nACTIVATE = false'))
    assert (small.level, some.level, large.level) == ("click", "confirm", "type")
    assert some.reasons == ("production: 9 of 200 events would differ",)
    assert large.names == ("production",)
    assert large.reasons == ("production: 190 of 200 events would no longer be sent",)
    assert large.is_met((" production ",))
    assert not large.is_met(("sandbox",))
    identity = friction(('region = "eu"', 'region = "eu"\nidentity.id = ["crm_id"]'))
    assert (identity.level, identity.names) == ("type", ("production",))
    key = friction(('api_key = "env:PATH"', 'api_key = "env:HOME"'))
    assert key.reasons == ("production: another key, or another start",)
    off = friction(('region = "eu"', 'region = "eu"\nenabled = false'))
    assert off.level == "type"


def test_a_removed_integration_asks_for_its_name(parts):
    """It says what would be given up."""
    store(parts, [payload("ACTIVATE", user_id="u", event_id="e")])
    text = parts.live.loaded.revision.text
    gone = make_preview(parts, text[: text.index("[integrations.production]")], 60).friction
    assert gone == Friction(
        "type", ("production",), ("production: removed; 1 event that waits and 0 failed ones are given up",)
    )


def test_without_traffic_nobody_is_sure(parts):
    """No event is kept that would show what a change does: a confirmation is asked for."""
    made = make_preview(parts, text_of(parts, ('"*" = true', '"*" = false')), 1)
    assert (made.friction.level, made.covered_events, made.complete) == ("confirm", 0, True)
