"""The effect of a configuration before it is in force: both revisions over the retained traffic, a process a core."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import msgspec

from config.integrations import Integration, Integrations, parse
from config.secrets import Secrets
from config.settings import Settings
from worker.app import Relay
from worker.dead.filters import read_time_ms
from worker.errors import OperatorError
from worker.history.archive import ArchivedScan
from worker.history.comparison import Comparison, reader
from worker.history.effects import Found, Tally
from worker.history.scan import Span
from worker.process import offspring
from worker.store.entries import Entry, entries, read_range
from worker.store.keys import shard_key

KILLED = "a process that compared events was killed, for want of memory perhaps; try again"
_PAGE = 2000
_RUN = 400


class Change(msgspec.Struct):
    """An integration that is added, removed or changed: what the plan found about it, what waits, what is dead."""

    integration: str
    change: str
    found: Found
    waiting: int = 0
    dead: int = 0


class Coverage(msgspec.Struct):
    """The traffic that was looked at: how many events, from when to when (Unix ms), and whether older ones are gone."""

    events: int = 0
    first_ms: int = 0
    last_ms: int = 0
    asked_since_ms: int = 0


class Plan(msgspec.Struct):
    """The effect of a text: against which revision, on which traffic, integration by integration; sources that go."""

    revision: int
    coverage: Coverage
    changes: list[Change]
    removed_sources: list[str]

    @property
    def removed(self) -> list[str]:
        """The integrations whose waiting events would be given up."""
        return [one.integration for one in self.changes if one.change == "removed"]


class _Job(msgspec.Struct, frozen=True):
    """One shard of one source, for a process of its own."""

    chosen: Settings
    before: str
    after: str
    source: str
    shard: int
    since: str
    until: str
    names: list[str]
    silent: frozenset[str]
    archive: bool = False


class _Answer(msgspec.Struct):
    found: dict[str, Found]
    coverage: Coverage


def make_plan(
    parts: Relay,
    text: str,
    path: str,
    since_ms: int,
    progress: Callable[[int, int, int], None] = lambda *_: None,
    *,
    archive: bool = False,
) -> Plan:
    """Compare a text (of a file `path`) with what is in force.

    With `archive` also on what was trimmed. `progress` gets shards done, shards in all, events so far.

    Raises:
        ConfigError: the text has errors, a line each.
        OperatorError: a process that compared events was killed.
    """
    now = parts.live.loaded
    before, after = now.integrations, parse(text, path, parts.secrets, lenient=True)
    changes = [Change(name, kind, Found()) for name, kind in compare_names(before, after)]
    plan = Plan(now.number, Coverage(asked_since_ms=since_ms), changes, sorted(before.sources.keys() - after.sources))
    count_left(parts, plan, before)
    _run(
        parts,
        plan,
        [
            msgspec.structs.replace(job, archive=archive)
            for job in _jobs(parts, plan, now.revision.text, text, (before, after))
        ],
        progress,
    )
    return plan


def compare_names(before: Integrations, after: Integrations) -> Iterator[tuple[str, str]]:
    """Every integration that is not the same in both, and how it changes."""
    for name in sorted(before.integrations.keys() | after.integrations.keys()):
        old, new = before.integrations.get(name), after.integrations.get(name)
        if old is None or new is None:
            yield name, "added" if old is None else "removed"
        elif old.source != new.source or old.digest != new.digest:
            yield name, "changed"
        elif (old.fingerprint, old.start) != (new.fingerprint, new.start):
            yield name, "key"


def _jobs(parts: Relay, plan: Plan, before: str, after: str, both: tuple[Integrations, Integrations]) -> Iterator[_Job]:
    names = [one.integration for one in plan.changes if one.change != "key"]  # another key sends the same
    silent = parts.suppressed.people()
    seconds, _ = parts.redis.time()
    until = f"{int(seconds) * 1000 + 999}"
    for source in sorted(both[0].sources.keys() | both[1].sources.keys()):
        mine = [name for name in names if any(side_of(side, name, source) for side in both)]
        for shard in range(parts.settings.shards) if mine else ():
            since = str(plan.coverage.asked_since_ms)
            yield _Job(parts.settings, before, after, source, shard, since, until, mine, silent)


def side_of(integrations: Integrations, name: str, source: str) -> Integration | None:
    """An integration of a source under one of the two configurations; None where it is not there."""
    found = integrations.integrations.get(name)
    return found if found is not None and found.source == source else None


def _run(parts: Relay, plan: Plan, jobs: list[_Job], progress: Callable[[int, int, int], None]) -> None:
    changes = {one.integration: one.found for one in plan.changes}
    processes = min(len(jobs), cores())
    if processes > 1 and (jobs[0].archive or _size(parts, jobs) > _PAGE):
        try:
            with ProcessPoolExecutor(processes, offspring.spawning(), offspring.begin) as pool:
                waiting = [pool.submit(_look, job) for job in jobs]
                answers: Iterator[_Answer] = (future.result() for future in as_completed(waiting))
                _gather(plan, changes, answers, len(jobs), progress)
        except BrokenProcessPool:
            raise OperatorError(KILLED) from None
    else:
        _gather(plan, changes, map(_look, jobs), len(jobs), progress)


def _gather(
    plan: Plan,
    changes: dict[str, Found],
    answers: Iterator[_Answer],
    jobs: int,
    progress: Callable[[int, int, int], None],
) -> None:
    covered = plan.coverage
    for done, answer in enumerate(answers, 1):
        for name, found in answer.found.items():
            changes[name].add(found)
        covered.events += answer.coverage.events
        if answer.coverage.events:
            covered.first_ms = min(covered.first_ms or answer.coverage.first_ms, answer.coverage.first_ms)
            covered.last_ms = max(covered.last_ms, answer.coverage.last_ms)
        progress(done, jobs, covered.events)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _size(parts: Relay, jobs: list[_Job]) -> int:
    pipe = parts.redis.pipeline(transaction=False)
    for job in jobs:
        pipe.xlen(shard_key(job.shard, "events", job.source))
    return sum(pipe.execute())


def _look(job: _Job) -> _Answer:
    """Compare one shard; runs in a process of its own."""
    before, after = (
        parse(text, "", Secrets({}), lenient=True) if text else Integrations({}, {}, (), "")
        for text in (job.before, job.after)
    )
    parts = Relay(job.chosen)
    comparisons = {}
    for name in job.names:
        sides = [side_of(side, name, job.source) for side in (before, after)]
        old, new = (parts.mapper(side) if side else None for side in sides)
        comparisons[name] = Comparison(old, new, job.source, job.shard, job.silent)
    covered = Coverage()
    for page in _pages(parts, job):
        for at in range(0, len(page), _RUN):
            run = [(entry, reader(entry)) for entry in page[at : at + _RUN]]
            for comparison in comparisons.values():
                comparison.take(run)
        covered.events += len(page)
        covered.first_ms = covered.first_ms or int(page[0][0].partition("-")[0])
        covered.last_ms = int(page[-1][0].partition("-")[0])
    parts.redis.close()
    return _Answer({name: comparison.end() for name, comparison in comparisons.items()}, covered)


def _pages(parts: Relay, job: _Job) -> Iterator[list[Entry]]:
    key, after = shard_key(job.shard, "events", job.source), job.since
    if job.archive and parts.archive is not None:
        scan = ArchivedScan(parts.redis, parts.archive, _PAGE)
        yield from (entries(rows) for _, rows in scan.pages([key], Span(int(job.since), int(job.until))))
        return
    while True:
        page = read_range(parts.redis, key, after, job.until, count=_PAGE)
        if page:
            yield page
        if len(page) < _PAGE:
            return
        after = f"({page[-1][0]}"


def count_left(parts: Relay, plan: Plan, before: Integrations) -> None:
    """What waits, and what is dead, of the integrations that are removed."""
    for one in plan.changes:
        if one.change != "removed":
            continue
        source = before.integrations[one.integration].source
        for shard in range(parts.settings.shards):
            pipe = parts.redis.pipeline(transaction=False)
            pipe.xinfo_stream(shard_key(shard, "events", source))
            pipe.hget(shard_key(shard, "ledger", one.integration), "position")
            pipe.hlen(shard_key(shard, "dead", one.integration))
            info, position, dead = pipe.execute(raise_on_error=False)
            one.dead += dead if isinstance(dead, int) else 0
            if not isinstance(info, Exception):
                one.waiting += int(info["entries-added"]) - int(position or 0)


def plan_dict(plan: Plan) -> dict[str, Any]:
    """The plan as `--json` prints it."""
    names = ("newly_sent", "no_longer_sent", "renamed", "changed", "newly_dead", "no_longer_dead")
    items = []
    for one in plan.changes:
        effects = {name: _plain(one.found.effects.get(name, Tally())) for name in names}
        items.append(
            {
                "integration": one.integration,
                "change": one.change,
                "events": one.found.events,
                **effects,
                "people_differ": _plain(one.found.people),
                "waiting": one.waiting,
                "dead": one.dead,
            }
        )
    return {
        "revision": plan.revision,
        "coverage": plan.coverage,
        "items": items,
        "removed_sources": plan.removed_sources,
        "next": None,
    }


def _plain(tally: Tally) -> dict[str, Any]:
    return {name: getattr(tally, name) for name in ("events", "people", "kinds", "samples")}


def since_of(text: str) -> int:
    """The Unix ms that a length of time as `24h` or `3d` goes back to.

    Raises:
        OperatorError: it cannot be read.
    """
    try:
        return read_time_ms(text, time.time_ns() // 1_000_000)
    except ValueError as error:
        raise OperatorError(str(error)) from None
