"""The effect of a configuration before it is in force: both revisions over the retained traffic, a process a core."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import msgspec

from config.integrations import Integrations, parse
from worker.app import Relay
from worker.dead.filters import read_time_ms
from worker.errors import OperatorError
from worker.history.effects import Found
from worker.history.planned import Change, Coverage, Plan
from worker.history.shard_plan import PAGE, ShardAnswer, ShardJob, look, side_of
from worker.process import offspring
from worker.store.keys import shard_key

KILLED = "a process that compared events was killed, for want of memory perhaps; try again"


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


def _jobs(
    parts: Relay, plan: Plan, before: str, after: str, both: tuple[Integrations, Integrations]
) -> Iterator[ShardJob]:
    names = [one.integration for one in plan.changes if one.change != "key"]  # another key sends the same
    silent = parts.suppressed.people()
    seconds, _ = parts.redis.time()
    until = f"{int(seconds) * 1000 + 999}"
    for source in sorted(both[0].sources.keys() | both[1].sources.keys()):
        mine = [name for name in names if any(side_of(side, name, source) for side in both)]
        for shard in range(parts.settings.shards) if mine else ():
            since = str(plan.coverage.asked_since_ms)
            yield ShardJob(parts.settings, before, after, source, shard, since, until, mine, silent)


def _run(parts: Relay, plan: Plan, jobs: list[ShardJob], progress: Callable[[int, int, int], None]) -> None:
    changes = {one.integration: one.found for one in plan.changes}
    processes = min(len(jobs), cores())
    if processes > 1 and (jobs[0].archive or _size(parts, jobs) > PAGE):
        try:
            with ProcessPoolExecutor(processes, offspring.spawning(), offspring.begin) as pool:
                waiting = [pool.submit(look, job) for job in jobs]
                answers: Iterator[ShardAnswer] = (future.result() for future in as_completed(waiting))
                _gather(plan, changes, answers, len(jobs), progress)
        except BrokenProcessPool:
            raise OperatorError(KILLED) from None
    else:
        _gather(plan, changes, map(look, jobs), len(jobs), progress)


def _gather(
    plan: Plan,
    changes: dict[str, Found],
    answers: Iterator[ShardAnswer],
    jobs: int,
    progress: Callable[[int, int, int], None],
) -> None:
    covered = plan.coverage
    for done, answer in enumerate(answers, 1):
        for name, found in answer.found.items():
            changes[name].add(found)
        covered.add(answer.coverage)
        progress(done, jobs, covered.events)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _size(parts: Relay, jobs: list[ShardJob]) -> int:
    pipe = parts.redis.pipeline(transaction=False)
    for job in jobs:
        pipe.xlen(shard_key(job.shard, "events", job.source))
    return sum(pipe.execute())


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


def since_of(text: str) -> int:
    """The Unix ms that a length of time as `24h` or `3d` goes back to.

    Raises:
        OperatorError: it cannot be read.
    """
    try:
        return read_time_ms(text, time.time_ns() // 1_000_000)
    except ValueError as error:
        raise OperatorError(str(error)) from None
