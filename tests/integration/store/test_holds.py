"""Holds on a real server: waits that grow, probes that one sweep claims, marks that heal."""

import msgspec
import pytest

from tests.support.parts import append, make_parts
from worker.store.holds import Hold, IntegrationHold
from worker.upkeep.rounds import Rounds

NOW_MS = 1_800_000_000_000


@pytest.fixture
def parts(tmp_path, redis_url):
    made = make_parts(tmp_path, redis_url, "production", "second")
    made.join()
    yield made
    made.redis.close()


def lanes_of(parts, name):
    return [lane for lane in parts.lanes() if lane.integration == name]


def marks(parts, name):
    return [bool(parts.redis.exists(lane.key("hold"))) for lane in lanes_of(parts, name)]


def hold(parts, kind="unauthorized", now_ms=NOW_MS, **facts):
    parts.holds.hold("production", kind, now_ms, **facts)
    return parts.holds.get(["production"])["production"]


def test_a_hold_says_why_and_marks_every_shard(parts):
    """The whole record; other integrations are untouched."""
    found = hold(parts, status=401, message="Unauthorized")
    assert msgspec.structs.replace(found, next_probe_ms=0) == Hold(
        "unauthorized", "relay", NOW_MS, 1, 0, 401, "Unauthorized"
    )
    assert NOW_MS + 500 <= found.next_probe_ms <= NOW_MS + 1000
    assert (marks(parts, "production"), marks(parts, "second")) == ([True, True], [False, False])
    assert parts.holds.get(["production", "second"]) == {"production": found}


def test_failed_probes_wait_longer_and_longer(parts):
    """Doubling up to the bound, each within the upper half of its wait."""
    waits_ms = [hold(parts).next_probe_ms - NOW_MS]
    waits_ms += [hold(parts, probe=True).next_probe_ms - NOW_MS for _ in range(7)]
    for failures, wait_ms in enumerate(waits_ms, 1):
        longest_ms = min(8000, 1000 * 2 ** (failures - 1))
        assert longest_ms / 2 <= wait_ms <= longest_ms
    assert hold(parts, probe=True).failures == 9


def test_workers_that_fail_at_the_same_time_are_one_failure(parts):
    """Only a probe puts the next one off; the latest words are kept."""
    first = hold(parts, status=401, message="first")
    second = hold(parts, now_ms=NOW_MS + 9, status=403, message="second")
    assert second == msgspec.structs.replace(first, status=403, message="second")


def test_what_an_operator_holds_only_an_operator_resumes(parts):
    """A failing worker changes nothing, and no probe is ever due."""
    held = hold(parts, "operator", message="maintenance")
    assert held == Hold("operator", "operator", NOW_MS, 0, 0, 0, "maintenance")
    assert hold(parts, "unreachable", status=500, probe=True) == held
    assert not parts.holds.claim_probe("production", NOW_MS * 2, 1000)


def test_an_operators_word_counts_more_than_a_hold_that_was_there(parts):
    """The reason is replaced, and the probes end."""
    hold(parts, status=401)
    assert hold(parts, "operator").by == "operator"
    assert not parts.holds.claim_probe("production", NOW_MS * 2, 1000)


def test_resuming_leaves_nothing(parts):
    """Record and marks go; a second time there is nothing to resume."""
    hold(parts)
    assert parts.holds.resume("production") is True
    assert parts.holds.resume("production") is False
    assert (parts.holds.get(["production"]), marks(parts, "production")) == ({}, [False, False])


def test_a_probe_is_claimed_once(parts):
    """Not before it is due; then by one sweep only, until the claim is over."""
    due_ms = hold(parts).next_probe_ms
    assert not parts.holds.claim_probe("production", due_ms - 1, 5000)
    assert parts.holds.claim_probe("production", due_ms, 5000)
    assert not parts.holds.claim_probe("production", due_ms + 4999, 5000)
    assert parts.holds.claim_probe("production", due_ms + 5000, 5000)
    assert not parts.holds.claim_probe("second", due_ms, 5000)


def test_a_clock_that_was_wrong_does_not_hold_for_hours(parts):
    """A probe that is due later than any wait can be was noted by a clock that ran ahead."""
    hold(parts, now_ms=NOW_MS + 3_600_000)
    assert parts.holds.claim_probe("production", NOW_MS, 5000)


def test_a_held_integration_gets_one_probe_and_nothing_else(parts):
    """Backlogs on both shards: one probe when it is due, on either of them; then none until the next one."""
    for lane in lanes_of(parts, "production"):
        append(parts, lane, b"{}")
    hold(parts, now_ms=1)
    probed = Rounds(parts).sweep()
    held = [(lane.integration, probe) for lane, probe in probed if lane.integration == "production"]
    assert held == [("production", True)]
    assert {(lane.integration, probe) for lane, probe in probed} == {("production", True), ("second", False)}
    assert [lane for lane, _ in Rounds(parts).sweep()] == []


def test_probes_take_turns_among_the_shards(parts):
    """An event that is poison must not be the only one that is ever tried."""
    for lane in lanes_of(parts, "production"):
        append(parts, lane, b"{}")
    tried = set()
    for _ in range(60):
        hold(parts, now_ms=1)
        tried |= {lane.shard for lane, probe in Rounds(parts).sweep() if probe}
        parts.holds.resume("production")
    assert tried == {0, 1}


@pytest.mark.parametrize(("kind", "probes"), [("operator", []), ("unreachable", [True])])
def test_marks_that_a_fail_over_lost_are_set_again(parts, kind, probes):
    """A node of a cluster had them, the hold is on another one: its shards were served meanwhile."""
    lanes = lanes_of(parts, "production")
    append(parts, lanes[0], b"{}")
    hold(parts, kind, now_ms=1)
    parts.redis.delete(*[lane.key("hold") for lane in lanes])
    assert [probe for lane, probe in Rounds(parts).sweep() if lane.integration == "production"] == probes
    assert marks(parts, "production") == [True, True]


def test_a_probe_that_was_under_way_leaves_an_operators_hold(parts):
    """It succeeds after the operator's word; the hold was gone, and what should wait was sent."""
    hold(parts, "unreachable")
    by_worker = IntegrationHold(parts.holds, "production", "")
    held = hold(parts, "operator", message="maintenance")
    by_worker.resume()
    assert (parts.holds.get(["production"]), marks(parts, "production")) == ({"production": held}, [True, True])
    assert parts.holds.resume("production", "operator")


def test_a_resume_that_was_cut_short_is_finished(parts):
    """A shard whose mark is there without a record delivers again after one sweep."""
    (lane, _) = lanes_of(parts, "production")
    append(parts, lane, b"{}")
    hold(parts)
    parts.redis.delete("relay:hold:production")
    assert (lane, False) in Rounds(parts).sweep()
    assert not parts.redis.exists(lane.key("hold"))


@pytest.mark.parametrize(
    ("kind", "change", "over"),
    [
        ("unauthorized", {"api_key": "another"}, True),
        ("unauthorized", {"base_url": "http://127.0.0.1:8"}, True),
        ("unauthorized", {}, False),
        ("misdirected", {"base_url": "http://127.0.0.1:8"}, True),
        ("misdirected", {"api_key": "another"}, False),
        ("unreachable", {"api_key": "another", "base_url": "http://127.0.0.1:8"}, False),
    ],
)
def test_what_a_hold_was_for_is_gone(parts, kind, change, over):
    """Another key ends an `unauthorized` hold with the next sweep, another address a `misdirected` one."""
    integration = parts.integrations.integrations["production"]
    for lane in lanes_of(parts, "production"):
        append(parts, lane, b"{}")
    hold(parts, kind, now_ms=NOW_MS * 2, fingerprint=integration.fingerprint)
    parts.integrations.integrations["production"] = msgspec.structs.replace(integration, **change)
    woken = [lane for lane, probe in Rounds(parts).sweep() if lane.integration == "production" and not probe]
    assert bool(parts.holds.get(["production"])) is not over
    assert len(woken) == (2 if over else 0)


def test_an_operators_hold_outlives_another_key(parts):
    """Who was held by hand is resumed by hand."""
    integration = parts.integrations.integrations["production"]
    append(parts, lanes_of(parts, "production")[0], b"{}")
    hold(parts, "operator", fingerprint="other/other")
    Rounds(parts).sweep()
    assert parts.holds.get(["production"])
    assert integration.api_key not in integration.fingerprint
