"""`--archive`: what was trimmed is answered as if it were still there."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.deadstack import SHARDS, event, opened
from tests.support.stack import ROOT
from worker.history.archive import ArchivedFates, ArchivedScan
from worker.history.backfill import Backfill, Wanted
from worker.history.plan import make_plan
from worker.history.room import open_history
from worker.replay.job import Job
from worker.store.archive import HOUR_MS
from worker.upkeep.forget import forget
from worker.upkeep.trim import trim

pytest.importorskip("obstore")


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio):
    """A relay with an archive, worked by hand, that takes no ACTIVATE."""
    with opened(tmp_path, redis_url, customerio, archive_url=f"file://{tmp_path}/archive") as stack:
        stack.restart(('"*" = true', '"*" = true\nACTIVATE = false'))
        yield stack


def trim_all(stack):
    """As when the retention and the hour are over: each group's own place stays."""
    parts = stack.parts
    later_ms = int(parts.redis.time()[0]) * 1000 + 2 * HOUR_MS
    return trim(parts.redis, ["app"], ["production"], SHARDS, later_ms, parts.archive)


def filled(stack):
    """Events of three people, some switched off; all but the last of each shard are archived then."""
    ids = []
    for number in range(12):
        one = event(number % 3, "ACTIVATE" if number % 4 == 3 else "SUBSCRIPTION_RENEWED", event_id=f"e{number}")
        ids.append(one["event_id"])
        stack.deliver(one)
    before = {ident: traced(stack, ident) for ident in ids}
    assert trim_all(stack) > 5
    return before


def traced(stack, ident, *, archive=False):
    """A trace, if the event is found."""
    room = open_history(stack.parts, stack.parts.archive if archive else None)
    return [room.tracer.trace(found) for found in room.finder.event(ident)]


def relay(stack, *arguments):
    """Run a command against the stack's server."""
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(stack.path.parent),
        **stack.environ,
        "RELAY_ARCHIVE_URL": stack.settings.archive_url,
        "TZ": "UTC",
    }
    command = [sys.executable, "-c", "from worker.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_a_trace_of_an_archived_event_is_the_trace_from_before(stack):
    """By id, by place; delivered and filtered, with revision, status, attempts and times."""
    before = filled(stack)
    gone = 0
    for ident, told in before.items():
        gone += traced(stack, ident) == []
        assert traced(stack, ident, archive=True) == told, ident
        assert traced(stack, told[0].event.entry, archive=True) == told
    assert gone > 5


def test_a_person_has_the_same_timeline(stack):
    """Newest first, each once, by pages; the properties say which archived event gave them."""
    for number in range(9):
        stack.deliver(event(1, event_id=f"e{number}", plan=f"p{number // 4}"))
    parts = stack.parts
    before = open_history(parts).person("user-1", 50, None)
    assert trim_all(stack) == 8
    assert len(open_history(parts).person("user-1", 50, None).items) == 1
    assert open_history(parts, parts.archive).person("user-1", 50, None) == before
    items, cursor = [], None
    while True:
        page = open_history(parts, parts.archive).person("user-1", 2, cursor)
        items += page.items
        cursor = page.next
        if cursor is None:
            break
    assert items == before.items


def test_a_plan_counts_archived_events(stack):
    """As many as before they were trimmed, with the same effects."""
    text = stack.path.read_text().replace("ACTIVATE = false", "")
    path = str(stack.path)
    for number in range(12):
        stack.deliver(
            event(number % 3, "ACTIVATE" if number % 4 == 3 else "SUBSCRIPTION_RENEWED", event_id=f"e{number}")
        )
    before = make_plan(stack.parts, text, path, 0)
    trim_all(stack)
    assert make_plan(stack.parts, text, path, 0).coverage.events < 12
    after = make_plan(stack.parts, text, path, 0, archive=True)
    assert after.coverage == before.coverage
    assert after.coverage.events == 12
    assert [
        (effect, tally.events, tally.people, tally.kinds) for effect, tally in after.changes[0].found.effects.items()
    ] == [
        (effect, tally.events, tally.people, tally.kinds) for effect, tally in before.changes[0].found.effects.items()
    ]


def test_a_failed_event_follows_its_dead_letter(stack):
    """Dead while the letter is there; once it is gone, nothing is guessed."""
    stack.faults(reject_event_names=frozenset({"BAD"}))
    stack.deliver(event(1, "BAD", event_id="bad"), event(1, event_id="good"))
    assert trim_all(stack) == 1
    (told,) = traced(stack, "bad", archive=True)
    assert (told.integrations[0].outcome, told.integrations[0].reason) == ("dead", "rejected")
    list(stack.parts.dead_changes.discard(stack.letters(), "no use", "anna"))
    trim_all(stack)
    (told,) = traced(stack, "bad", archive=True)
    assert told.integrations[0].outcome in {"filtered", "unknown"}


def test_forgetting_a_person_covers_the_archive(stack):
    """Their events are in no file any more; everybody else's are, with their fates."""
    before = filled(stack)
    removed = forget(stack.parts, "user-1")
    assert removed.archived > 0
    assert removed.entries + removed.archived == 4
    assert "user-1" not in "".join(
        line.raw for file in stack.parts.archive.all() for line in stack.parts.archive.read(file)
    )
    for ident, told in before.items():
        mine = told[0].event.person == "user-1"
        assert traced(stack, ident, archive=True) == ([] if mine else told), ident


def test_forgetting_says_which_archive_it_did_not_look_at(stack):
    """Where the address is not set."""
    filled(stack)
    stack.settings = stack.settings.model_copy(update={"archive_url": ""})
    stack.restart()
    (left,) = forget(stack.parts, "user-1").left
    assert "RELAY_ARCHIVE_URL" in left.why


def test_the_commands_take_the_option(stack):
    """As processes of their own; without an archive they say what is missing."""
    before = filled(stack)
    gone = next(ident for ident in before if not traced(stack, ident))
    assert relay(stack, "trace", gone).returncode == 1
    ran = relay(stack, "trace", gone, "--archive", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["event"]["event_id"] == gone
    ran = relay(stack, "person", "user-1", "--archive", "--json")
    assert len(json.loads(ran.stdout)["items"]) == 4
    ran = relay(stack, "config", "plan", str(stack.path), "--archive", "--offline")
    assert (ran.returncode, ran.stderr) == (0, "")


def replay_archived(stack, **wanted):
    """A replay that reads on into the archive, worked off: its plan and its job."""
    parts = stack.parts
    scan = ArchivedScan(parts.redis, parts.archive)
    mapper = parts.mapper(parts.integrations.integrations["production"])
    work = Backfill(scan, ArchivedFates(parts.redis, scan), mapper, frozenset(), Wanted(**wanted))
    ids = list(work.chosen(parts.lanes()))
    now_ms = time.time_ns() // 1_000_000
    job = Job("replay-archive", "test", "", ["production"], now_ms, 0, len(ids), kind="events")
    parts.jobs.start(job, ids, work.carried)
    return work, job


def test_archived_events_are_sent_again_and_the_books_stay(stack):
    """What was filtered is sent when the filter is repaired, archived or not."""
    filled(stack)
    before = stack.account()
    stack.restart(("ACTIVATE = false", "ACTIVATE = true"))
    work, job = replay_archived(stack)
    assert (work.plan.matched, work.plan.would_send, work.plan.already) == (12, 3, 9)
    assert len(work.carried) >= 1
    stack.work()
    assert stack.job(job.id).counts == {"delivered": 3}
    assert sorted(one.name for one in stack.arrived()).count("ACTIVATE") == 3
    after = stack.account()
    moved = 3 - len(work.carried)  # those that are still in their stream
    assert (after.delivered - before.delivered, after.accepted) == (moved, before.accepted)
    assert stack.parts.redis.keys("relay:*:carried:*") == []


def test_archived_events_replayed_whole_have_no_second_effect(stack):
    """Every event again: the ULIDs are those of the first time, and the properties do not go backwards."""
    filled(stack)
    arrived = len(stack.arrived())
    work, job = replay_archived(stack, only="all")
    assert work.plan.delivered == 9
    stack.work()
    assert stack.job(job.id).counts == {"delivered": 9}
    assert len(stack.arrived()) == arrived
    stack.account()


def test_what_is_refused_of_the_archive_is_counted_and_no_dead_letter(stack):
    """Its trail is gone: the books could not say where it came from."""
    filled(stack)
    stack.restart(("ACTIVATE = false", "ACTIVATE = true"))
    work, job = replay_archived(stack)
    stack.faults(reject_event_names=frozenset({"ACTIVATE"}))
    stack.work()
    counts = stack.job(job.id).counts
    assert counts["refused"] == len(work.carried)
    assert stack.account().dead == 3 - len(work.carried)


def test_an_aborted_replay_leaves_nothing_of_what_it_carried(stack):
    """The archived events leave Redis with the job."""
    filled(stack)
    _, job = replay_archived(stack, only="all")
    stack.parts.jobs.move(job.id, "aborted")
    stack.work()
    assert stack.parts.redis.keys("relay:*:carried:*") == []


def test_forgetting_takes_a_person_out_of_what_a_job_carries(stack):
    """Nothing of them is sent afterwards."""
    filled(stack)
    _, job = replay_archived(stack, only="all")
    forget(stack.parts, "user-1")
    arrived = len(stack.arrived())
    stack.simulator.reset()
    stack.work()
    assert arrived
    assert {one.value for one in stack.arrived()} <= {"user-0", "user-2"}
    assert stack.job(job.id).state == "done"


def test_the_replay_command_reads_on_into_the_archive(stack):
    """As a plan; without the option only what is retained is seen."""
    filled(stack)
    asked = ["replay", "--integration", "production", "--only", "all", "--dry-run", "--json"]
    matched = [json.loads(relay(stack, *asked, *more).stdout)["plan"]["matched"] for more in (["--archive"], [])]
    assert matched[0] == 12 > matched[1]
