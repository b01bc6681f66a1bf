"""What the trail says of events: the same as what happened to them, whatever happened."""

from pathlib import Path

import msgspec
import orjson
import pytest

from tests.support.deadstack import SHARDS, event, opened
from worker.acts.importing import Imported, restore
from worker.acts.record import Doer
from worker.dead.edits import edit
from worker.dead.fates import Fates
from worker.dead.letter import encode_letter, letter_id, moved_entry, raw_of
from worker.history.find import Finder
from worker.history.room import open_history
from worker.history.scan import ALWAYS, Scan, Span
from worker.history.timeline import Timeline
from worker.ledger.figures import Ledger
from worker.mapping.operation import ulid
from worker.purchasely.event import event_about, read_event
from worker.purchasely.person import shard_of, shard_person
from worker.store.appending import append_event
from worker.store.lane import Lane
from worker.store.trail import Run, counts, decode_run, encode_record
from worker.upkeep.forget import forget


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio):
    """A relay, worked by hand, with a filter."""
    with opened(tmp_path, redis_url, customerio) as stack:
        stack.restart(('"*" = true', '"*" = true\nACTIVATE = false\nTRIAL_STARTED = "Trial"'))
        yield stack


def fate(stack, ident, **narrow):
    """The one integration's part of a trace."""
    (trace,) = [
        open_history(stack.parts).tracer.trace(f) for f in open_history(stack.parts).finder.event(ident, **narrow)
    ]
    (passed,) = trace.integrations
    return passed


def test_a_delivered_event_names_its_request(stack):
    """Name sent, status, attempts, time, and the rule with its line."""
    stack.deliver(event(1, "TRIAL_STARTED"))
    passed = fate(stack, "event-1-TRIAL_STARTED")
    assert (passed.outcome, passed.name, passed.status, passed.attempts) == ("delivered", "Trial", 200, 1)
    assert passed.rule == "integrations.production.events.TRIAL_STARTED"
    assert "TRIAL_STARTED" in stack.path.read_text().splitlines()[passed.line - 1]
    assert passed.settled_ms > 0


def test_every_event_of_a_batch_has_its_own_code(stack):
    """Delivered, filtered and dead side by side in one run, in the order of their entries."""
    stack.deliver(
        *[
            event(1, name, event_id=f"e{number}")
            for number, name in enumerate(["RENEWAL_DISABLED", "ACTIVATE", "TRIAL_STARTED", "ACTIVATE"])
        ],
        event(1, None, event_id="e9"),
    )
    assert [fate(stack, f"e{number}").outcome for number in range(4)] == [
        "delivered",
        "filtered",
        "delivered",
        "filtered",
    ]
    assert fate(stack, "e1").reason == "event_off"
    assert (fate(stack, "e9").outcome, fate(stack, "e9").reason) == ("dead", "no_event_name")


def test_what_waits_says_why(stack):
    """Its turn, or the hold and what it says."""
    stack.append(event(1))
    assert (
        fate(stack, "event-1-SUBSCRIPTION_RENEWED").outcome,
        fate(stack, "event-1-SUBSCRIPTION_RENEWED").reason,
    ) == (
        "waiting",
        "queued",
    )
    stack.parts.holds.hold("production", "operator", 1, message="new keys on Monday")
    held = fate(stack, "event-1-SUBSCRIPTION_RENEWED")
    assert (held.reason, held.message) == ("held:operator", "new keys on Monday")


def test_the_ulid_seen_in_customerio_finds_the_event(stack):
    """As it is in Customer.io, in any case."""
    stack.deliver(event(1), event(2))
    (seen,) = [one for one in stack.arrived() if one.value == "user-2"]
    for ident in (seen.id, seen.id.lower()):
        found = list(open_history(stack.parts).finder.event(ident))
        assert [one.event.key for one in found] == ["event-2-SUBSCRIPTION_RENEWED"]


def test_a_replayed_letter_reads_as_delivered_by_its_job(stack):
    """The run says dead, the change says delivered."""
    stack.faults(reject_event_names=frozenset({"BAD"}))
    stack.deliver(event(1, "BAD"))
    assert (fate(stack, "event-1-BAD").outcome, fate(stack, "event-1-BAD").reason) == ("dead", "rejected")
    stack.faults()
    job = stack.replay()
    passed = fate(stack, "event-1-BAD")
    assert (passed.outcome, passed.by, passed.name, passed.status) == ("delivered", job.id, "BAD", 200)


def test_a_discarded_letter_reads_as_given_up_and_by_whom(stack):
    """Filtered, discarded."""
    stack.deliver(event(1, None, event_id="lost"))
    list(stack.parts.dead_changes.discard(stack.letters(), "no use", "anna"))
    passed = fate(stack, "lost")
    assert (passed.outcome, passed.reason, passed.by) == ("filtered", "discarded", "anna")


def test_a_letter_that_moved_to_another_shard_is_followed(stack):
    """An edit names a person, a second edit another: the event's trace is that of the letter where it is now."""
    stack.deliver(event(1, event_id="nobodys", user_id=None))
    for turn in (1, 2):
        (letter,) = stack.letters()
        assert (fate(stack, "nobodys").outcome, fate(stack, "nobodys").letter) == ("dead", letter.id)
        shard = (letter.shard + turn) % SHARDS
        name = next(f"user-{n}" for n in range(100) if shard_of(f"user-{n}", SHARDS) == shard)
        payload = orjson.dumps({**orjson.loads(raw_of(letter)), "user_id": name})
        change, moved = stack.parts.dead_changes.move(letter, edit(letter, payload, "me", turn), shard)
        assert change == "done"
    passed = fate(stack, "nobodys")
    assert (passed.outcome, passed.reason, passed.letter) == ("dead", "no_person", moved.id)
    list(stack.parts.dead_changes.discard([moved], "no use", "anna"))
    assert (fate(stack, "nobodys").outcome, fate(stack, "nobodys").by) == ("filtered", "anna")
    stack.parts.dead_changes.restore(moved)
    job = stack.replay()
    assert (fate(stack, "nobodys").outcome, fate(stack, "nobodys").by) == ("delivered", job.id)
    stack.parts.redis.delete(Lane("app", "production", moved.shard).key("changes"))
    assert (fate(stack, "nobodys").outcome, fate(stack, "nobodys").reason) == ("unknown", "no_trail")


def test_what_no_line_of_the_file_decided_names_none(stack):
    """A suppressed person; an environment that nobody takes names the list of those that are taken."""
    stack.parts.suppressed.add("user-2")
    stack.deliver(event(1, environment="STAGING"), event(2))
    strange, suppressed = fate(stack, "event-1-SUBSCRIPTION_RENEWED"), fate(stack, "event-2-SUBSCRIPTION_RENEWED")
    assert (strange.reason, strange.rule) == ("environment_unclaimed", "integrations.production.environments")
    assert (suppressed.reason, suppressed.rule, suppressed.line) == ("suppressed", "", 0)


def test_a_discarded_letter_that_is_imported_again_reads_as_failed(stack):
    """What is true now counts, not what was done once; and a replay of it as delivered."""
    stack.faults(reject_event_names=frozenset({"BAD"}))
    stack.deliver(event(1, "BAD"))
    (letter,) = stack.letters()
    list(stack.parts.dead_changes.discard([letter], "by mistake", "anna"))
    assert stack.parts.dead_changes.restore(letter, "ben")
    passed = fate(stack, "event-1-BAD")
    assert (passed.outcome, passed.reason, passed.letter) == ("dead", "rejected", letter.id)
    stack.faults()
    stack.replay()
    assert fate(stack, "event-1-BAD").outcome == "delivered"
    assert stack.parts.dead_changes.restore(letter, "ben")
    assert fate(stack, "event-1-BAD").outcome == "delivered"
    assert stack.account().dead == 1


@pytest.mark.parametrize("meanwhile", ["nothing", "a letter of that entry", "an event of that entry"])
def test_a_discarded_letter_that_is_imported_onto_another_shard_is_followed(stack, meanwhile):
    """The identity chain has changed since: its old place says where it is now, and it is taken for no other event."""
    stack.deliver(event(1, None, event_id="comes-back", other_id="customer-1"))
    (letter,) = stack.letters()
    shard = next(n for n in range(SHARDS) if n != letter.shard)
    other = next(f"user-{n}" for n in range(100) if shard_of(f"user-{n}", SHARDS) == shard)
    line = encode_letter(letter).replace(b"user-1", other.encode())
    list(stack.parts.dead_changes.discard([letter], "by mistake", "anna"))
    if meanwhile == "an event of that entry":
        raw = orjson.dumps(event(2, event_id="another", user_id=other))
        stack.parts.redis.xadd(Lane("app", "production", shard).key("events"), {"b": raw}, id=letter.entry_id)
        stack.parts.redis.hincrby(f"relay:{{{shard}}}:intake:app", "accepted", 1)
        stack.deliver()
    if meanwhile == "a letter of that entry":
        there = letter_id("production", shard, moved_entry(letter.entry_id))
        stack.parts.dead_changes.restore(msgspec.structs.replace(letter, id=there, shard=shard, raw="{}", original=""))
    assert restore(stack.parts, [line], "a file", Doer("ben")) == Imported(restored=1)
    passed = fate(stack, "comes-back")
    assert (passed.outcome, passed.reason) == ("dead", "no_event_name")
    (mine,) = [one for one in stack.letters() if one.event_id == "comes-back" and one.raw != "{}"]
    assert (passed.letter, mine.person) == (mine.id, other)
    assert restore(stack.parts, [line], "a file", Doer("ben")) == Imported(there=1)
    list(stack.parts.dead_changes.discard([mine], "no use after all", "clara"))
    assert (fate(stack, "comes-back").outcome, fate(stack, "comes-back").by) == ("filtered", "clara")
    if meanwhile == "an event of that entry":
        assert fate(stack, "another").outcome == "delivered"
    stack.account()


def test_forgetting_leaves_the_codes_of_the_others_where_they_are(stack):
    """Deleted entries of the middle of a run do not shift what is said of the rest."""
    same = [event(number, user_id=f"u{number}") for number in range(40)]
    same[11]["event_name"] = "ACTIVATE"
    stack.deliver(*same)
    stack.append(event(50, user_id="u5", event_id="late"), event(51, user_id="u6", event_id="later"))
    forget(stack.parts, "u5")
    stack.deliver(event(52, user_id="u7", event_id="latest"))
    for number, one in enumerate(same):
        if number != 5:
            assert fate(stack, one["event_id"]).outcome == ("filtered" if number == 11 else "delivered"), number
    assert fate(stack, "later").outcome == fate(stack, "latest").outcome == "delivered"
    assert list(open_history(stack.parts).finder.event("late")) == []


def test_all_trails_add_up_to_the_ledger(stack):
    """Runs and changes together are what the books have counted."""
    stack.deliver(
        *[event(n, "ACTIVATE" if n % 3 else "RENEWAL_ENABLED") for n in range(60)], event(99, None, event_id="x")
    )
    stack.deliver(*[event(n) for n in range(60)])
    runs = []
    for shard in range(SHARDS):
        for _, fields in stack.parts.redis.xrange(Lane("app", "production", shard).key("trail")):
            runs.append(decode_run(fields[b"b"]))
    total = counts(runs)
    (account,) = Ledger(stack.parts).accounts()
    assert total.pop("delivered") == account.delivered
    assert total.pop("filtered:event_off") == account.filtered["event_off"]
    assert total == {"dead:no_event_name": account.dead}


def test_an_event_settled_before_there_was_a_trail_is_unknown_not_guessed(stack):
    """A relay of a former release wrote none."""
    stack.deliver(event(1))
    for shard in range(SHARDS):
        stack.parts.redis.delete(Lane("app", "production", shard).key("trail"))
    assert (
        fate(stack, "event-1-SUBSCRIPTION_RENEWED").outcome,
        fate(stack, "event-1-SUBSCRIPTION_RENEWED").reason,
    ) == (
        "unknown",
        "no_trail",
    )


def test_a_trimmed_run_still_speaks_for_what_is_left_of_it(stack):
    """The stream is trimmed in the middle of a batch."""
    stack.deliver(*[event(1, "ACTIVATE" if n % 2 else "RENEWAL_ENABLED", event_id=f"e{n}") for n in range(20)])
    lane = next(lane for lane in stack.parts.lanes() if stack.parts.redis.xlen(lane.key("events")))
    rows = stack.parts.redis.xrange(lane.key("events"))
    stack.parts.redis.xtrim(lane.key("events"), minid=rows[7][0].decode(), approximate=False)
    found = [Fates(stack.parts.redis).of(lane, row[0].decode()).outcome for row in rows[7:]]
    assert found == ["filtered" if n % 2 else "delivered" for n in range(7, 20)]


def test_a_run_of_a_later_release_misleads_nobody_who_looks_for_its_neighbours(stack):
    """What it covers is unknown; what was settled before and after it is found."""
    server, lane = stack.parts.redis, Lane("app", "production", 0)
    at_ms = int(server.time()[0]) * 1000 - 600_000
    later = {*range(50, 250), *range(300, 500)}  # whole stretches, as while two releases run side by side
    for number in range(520):
        place = (at_ms + number, 0)
        run = encode_record(Run(place, place, 1, 200, 1, 20, b"\x01"))
        server.xadd(lane.key("events"), {"b": orjson.dumps(event(number))}, id=f"{place[0]}-0")
        server.xadd(lane.key("trail"), {"b": b"\x92\x09\x01" if number in later else run}, id=f"{place[0] + 30}-0")
    server.xgroup_setid(lane.key("events"), "production", "$")
    found = [Fates(server).of(lane, f"{at_ms + number}-0").outcome for number in range(0, 520, 3)]
    assert found == ["unknown" if number in later else "delivered" for number in range(0, 520, 3)]


def test_how_often_an_event_came_is_counted_and_what_shares_its_id_is_shown(stack):
    """Redeliveries are counted; another event under the same id is stored, and both are found by that id."""
    raw = orjson.dumps(event(1, event_id="the-same-id-twice"))
    other = orjson.dumps(event(1, "RENEWAL_DISABLED", event_id="the-same-id-twice"))

    for body in (raw, raw, other, raw):
        found = read_event("0-0", body)
        shard = shard_of(shard_person(found.payload, stack.parts.integrations.identity("app")), SHARDS)
        append_event(
            stack.parts.redis, "app", shard, ["production"], found.key, event_about(found.payload), body, 1_814_400
        )
    room = open_history(stack.parts)
    seen = [room.tracer.seen(found) for found in room.finder.event("the-same-id-twice")]
    assert [(one.event_name, one.duplicates) for one in seen] == [("SUBSCRIPTION_RENEWED", 2), ("RENEWAL_DISABLED", 0)]


def test_an_id_that_is_remembered_is_looked_for_on_its_shard_alone(stack):
    """The other shards are not read; an id that is not remembered is found all the same, on whichever."""
    stack.append(*[event(number) for number in range(40)])
    raw = orjson.dumps(event(50))
    found = read_event("0-0", raw)
    shard = shard_of("user-50", SHARDS)
    append_event(stack.parts.redis, "app", shard, ["production"], found.key, event_about(found.payload), raw, 1_814_400)
    here = stack.parts.redis.xlen(Lane("app", "production", shard).key("events"))
    room = open_history(stack.parts)
    assert [one.shard for one in room.finder.event(found.key)] == [shard]
    assert room.scan.looked_at == here < 41
    assert len(list(room.finder.event("event-7-SUBSCRIPTION_RENEWED"))) == 1


def test_an_id_is_looked_for_no_further_once_it_is_found(stack):
    """The newest events first; but all of them where an id may have been in use for two events."""
    stack.append(*[event(number, user_id="ann", event_id=f"e{number}") for number in range(1600)])
    room = open_history(stack.parts)
    (found,) = room.finder.event("e1590", person="ann")
    assert room.scan.looked_at == 500  # the page that it is on
    stack.parts.redis.hset(f"relay:{{{found.shard}}}:intake:app", "conflicting", 1)
    room = open_history(stack.parts)
    assert list(room.finder.event("e1590", person="ann")) == [found]
    assert room.scan.looked_at == 1600


@pytest.mark.parametrize(
    "fields",
    [
        {"event_created_at_ms": 1_753_000_000_123},
        {"event_created_at_ms": "1753000000123"},
        {"event_created_at_ms": None, "event_created_at": "2025-07-20T13:56:40.123+05:30"},
        {"event_created_at_ms": 5, "event_created_at": "2025-07-20T08:26:40.123Z"},
    ],
)
def test_an_event_that_came_months_late_is_found_by_its_ulid(stack, fields):
    """However its payload writes the time, among events of other times."""
    stack.append(*[event(number) for number in range(20)], event(30, event_id="late", **fields), event(31))
    (found,) = open_history(stack.parts).finder.event(ulid(1_753_000_000_123, "late"))
    assert found.event.key == "late"


def test_an_id_that_looks_like_a_ulid_is_found_as_an_id(stack):
    """A sender may name its events so; also when the relay no longer remembers that it was received."""
    stack.append(event(1, event_id="01JZZZZZZZAAAAAAAAAAAAAAAA"), event(2))
    (found,) = open_history(stack.parts).finder.event("01JZZZZZZZAAAAAAAAAAAAAAAA")
    assert found.event.key == "01JZZZZZZZAAAAAAAAAAAAAAAA"


def test_a_scan_with_a_budget_reads_the_newest_and_says_that_it_was_cut(stack):
    """What it read is counted; without a budget, or when the time suffices, nothing is cut."""
    stack.append(*[event(number, user_id="ann", event_id=f"e{number}") for number in range(120)])
    streams = list(open_history(stack.parts).finder.streams("ann"))
    for budget_s, read, is_cut in ((2.5, 100, True), (9.0, 120, False), (None, 120, False)):
        ticks = iter(range(100))
        scan = Scan(stack.parts.redis, 50, budget_s, clock=lambda ticks=ticks: float(next(ticks)))
        found = [entry for _, (entry, _) in scan.matching(streams, (), newest_first=True)]
        newest = [row[0].decode() for row in stack.parts.redis.xrevrange(streams[0], count=read)]
        assert (found, scan.looked_at, scan.is_cut) == (newest, read, is_cut)
        assert scan.reached_ms == (int(newest[-1].partition("-")[0]) if is_cut else None)


def test_a_search_for_a_person_goes_on_where_its_time_was_up(stack):
    """Step by step, on every shard, to somebody whose only event is the oldest."""
    stack.append(event(0, user_id="ann"), *[event(number, event_id=f"e{number}") for number in range(1, 900)])
    parts, until_ms, steps = stack.parts, None, 0
    found: list[str] = []
    while not found and steps < 100:
        ticks = iter(range(1000))
        scan = Scan(parts.redis, 50, 2.5, clock=lambda ticks=ticks: float(next(ticks)))
        finder = Finder(scan, {"app": parts.integrations.identity("app")}, SHARDS, newest_first=True)
        found = [one.event.key for one in finder.person(["ann"], Span(None, until_ms), everywhere=True)]
        until_ms, steps = scan.reached_ms, steps + 1
    assert found == ["event-0-SUBSCRIPTION_RENEWED"]
    assert steps > 1


def test_a_search_for_an_event_goes_on_where_its_time_was_up(stack):
    """Step by step to the oldest one; also where its id is remembered on another shard, which is looked at first."""
    stack.append(event(0, user_id="ann"), *[event(number, event_id=f"e{number}") for number in range(1, 900)])
    parts, ident, here = stack.parts, "event-0-SUBSCRIPTION_RENEWED", shard_of("ann", SHARDS)
    for elsewhere in ((), (here,), ((here + 1) % SHARDS,), range(SHARDS)):
        until_ms, found, steps = None, [], 0
        while not found and steps < 100:
            ticks = iter(range(1000))
            scan = Scan(parts.redis, 50, 2.5, clock=lambda ticks=ticks: float(next(ticks)))
            identities = {"app": parts.integrations.identity("app")}
            finder = Finder(scan, identities, SHARDS, lambda *_, known=elsewhere: known, newest_first=True)
            span = ALWAYS if until_ms is None else Span(None, until_ms)
            found = [one.event.key for one in finder.event(ident, span=span)]
            until_ms, steps = scan.reached_ms, steps + 1
            assert found or until_ms
        assert (found, steps > 1) == ([ident], True)


def test_what_was_found_of_a_person_stays_when_the_time_is_up(stack):
    """Another of their identifiers is looked for as well, and no time is left for it: what there is, is shown."""
    both = {"user_id": "ann", "anonymous_user_id": "anon-1"}
    stack.append(*[event(number, event_id=f"e{number}", **both) for number in range(120)])
    ticks = iter(range(1000))
    scan = Scan(stack.parts.redis, 50, 2.5, clock=lambda: float(next(ticks)))
    identity = stack.parts.integrations.identity("app")
    timeline = Timeline(Finder(scan, {"app": identity}, SHARDS, newest_first=True))
    names = timeline.names("ann")
    assert scan.is_cut
    assert len(list(timeline.events(names))) == 100
