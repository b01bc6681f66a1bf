"""Preview of a draft: its plan on retained traffic, newest first, within a budget of seconds.

`relay config plan` looks at all of a span of time; a page cannot wait so long. What the budget leaves is said, not
guessed. Where there is much to look at, it is done in processes of their own that yield to everything else.
"""

import hashlib
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import msgspec

from config.difference import difference
from config.integrations import Integrations, parse
from config.settings import Settings
from worker.app import Relay
from worker.errors import OperatorError
from worker.history.comparison import reader
from worker.history.effects import Found
from worker.history.friction import Friction, friction_of
from worker.history.plan import KILLED, compare_names, cores, count_left
from worker.history.planned import Change, Coverage, Plan
from worker.history.shard_plan import comparisons_of, read_sides
from worker.process import offspring
from worker.revisions.store import digest_of
from worker.store.entries import read_range
from worker.store.keys import shard_key

_PAGE = 500
_RUN = 400
# So few events are compared at once, in the thread that asks.
_FEW = 2_000
# Below whatever serves events.
_NICE = 10

_Stream = tuple[str, int]


class Preview(msgspec.Struct, frozen=True):
    """The plan of a text, and how far back it goes.

    `plan.coverage.events` were looked at; every event since `since_ms` (Unix ms) is among them, and `complete` says
    that these are all that are kept. `hash` is of what was seen: base, text and result; whoever publishes carries it.
    """

    text_digest: str
    plan: Plan
    since_ms: int
    complete: bool
    difference: list[str]
    friction: Friction
    took_s: float
    hash: str

    @property
    def base(self) -> int:
        """The revision that it was compared with."""
        return self.plan.revision

    @property
    def covered_events(self) -> int:
        """How many events were looked at."""
        return self.plan.coverage.events


class _Job(msgspec.Struct, frozen=True):
    """Some streams, for one process."""

    chosen: Settings
    before: str
    after: str
    streams: list[_Stream]
    names: list[str]
    silent: frozenset[str]
    since_ms: int
    until_ms: int
    budget_s: float


class _Answer(msgspec.Struct):
    """What was found by integration, and how far back each stream was looked at (None: to its end)."""

    found: dict[str, Found]
    coverage: Coverage
    reached_ms: list[int]


def make_preview(parts: Relay, text: str, budget_s: float, *, since_ms: int = 0, path: str = "the draft") -> Preview:
    """Compare a text with what is in force on the newest events; may be called in any thread.

    Raises:
        ConfigError: the text has errors, a line each.
    """
    began_s, now = time.monotonic(), parts.live.loaded
    before, after = now.integrations, parse(text, path, parts.secrets, lenient=True)
    changes = [Change(name, kind, Found()) for name, kind in compare_names(before, after)]
    gone = sorted(before.sources.keys() - after.sources.keys())
    plan = Plan(now.number, Coverage(asked_since_ms=since_ms), changes, gone)
    count_left(parts, plan, before)
    reached = _look_at_all(parts, plan, text, (before, after), budget_s)
    friction = friction_of(plan, before, after)
    return Preview(
        text_digest=digest_of(text),
        plan=plan,
        since_ms=max([since_ms, *reached]),
        complete=not reached,
        difference=difference(before, after),
        friction=friction,
        took_s=round(time.monotonic() - began_s, 3),
        hash=_hash(plan, digest_of(text), friction),
    )


def _look_at_all(
    parts: Relay, plan: Plan, text: str, both: tuple[Integrations, Integrations], budget_s: float
) -> list[int]:
    """Look at the streams that the changes are about, and add up what is found.

    How far back those go that the budget left unfinished (Unix ms).
    """
    names = [one.integration for one in plan.changes if one.change != "key"]  # another key sends the same
    sources = sorted({one.source for side in both for name in names if (one := side.integrations.get(name))})
    streams = [(source, shard) for source in sources for shard in range(parts.settings.shards)]
    if not streams:
        return []
    pipe = parts.redis.pipeline(transaction=False)
    for source, shard in streams:
        pipe.xlen(shard_key(shard, "events", source))
    few = sum(pipe.execute()) <= _FEW
    seconds, _ = parts.redis.time()
    until_ms = int(seconds) * 1000 + 999
    job = _Job(
        parts.settings,
        parts.live.loaded.revision.text,
        text,
        streams,
        names,
        parts.suppressed.people(),
        plan.coverage.asked_since_ms,
        until_ms,
        budget_s,
    )
    answers = [_look(parts, job)] if few else _look_apart(job)
    _add_up(plan, answers)
    return [reached_ms for answer in answers for reached_ms in answer.reached_ms]


def _look_apart(job: _Job) -> list[_Answer]:
    """Look in processes of their own, each at a part of the streams."""
    processes = min(cores(), len(job.streams))
    jobs = [msgspec.structs.replace(job, streams=job.streams[n::processes]) for n in range(processes)]
    try:
        with ProcessPoolExecutor(processes, offspring.spawning(), offspring.begin, (_NICE,)) as pool:
            return list(pool.map(_look_alone, jobs))
    except BrokenProcessPool:
        raise OperatorError(KILLED) from None


def _add_up(plan: Plan, answers: list[_Answer]) -> None:
    changes = {one.integration: one.found for one in plan.changes}
    covered = plan.coverage
    for answer in answers:
        for name, found in answer.found.items():
            changes[name].add(found)
        covered.add(answer.coverage)


def _look_alone(job: _Job) -> _Answer:
    """Look with parts of its own; runs in a process of its own."""
    parts = Relay(job.chosen)
    try:
        return _look(parts, job)
    finally:
        parts.redis.close()


def _look(parts: Relay, job: _Job) -> _Answer:
    """Compare the streams' pages, always the newest one of all that are left, until the budget is spent."""
    ends_s = time.monotonic() + job.budget_s
    both = read_sides(job.before, job.after)
    comparisons = {stream: comparisons_of(parts, both, job.names, stream, job.silent) for stream in job.streams}
    at = dict.fromkeys(job.streams, f"{job.until_ms}-18446744073709551615")
    reached = dict.fromkeys(job.streams, job.until_ms)
    coverage = Coverage()
    while at and time.monotonic() < ends_s:
        stream = max(at, key=reached.__getitem__)
        source, shard = stream
        key = shard_key(shard, "events", source)
        page = read_range(parts.redis, key, f"{job.since_ms}-0", at[stream], count=_PAGE, newest=True)
        if len(page) < _PAGE:
            del at[stream]
        if not page:
            continue
        page.reverse()
        for start in range(0, len(page), _RUN):
            run = [(entry, reader(entry)) for entry in page[start : start + _RUN]]
            for comparison in comparisons[stream].values():
                comparison.take(run)
        first_ms, last_ms = (int(entry[0].partition("-")[0]) for entry in (page[0], page[-1]))
        coverage.add(Coverage(len(page), first_ms, last_ms))
        if stream in at:
            at[stream], reached[stream] = f"({page[0][0]}", first_ms
    found: dict[str, Found] = {}
    for mine in comparisons.values():
        for name, comparison in mine.items():
            found.setdefault(name, Found()).add(comparison.end())
    return _Answer(found, coverage, [reached[stream] for stream in at])


def _hash(plan: Plan, text_digest: str, friction: Friction) -> str:
    """What was seen, in 32 hex digits: the base, the text, and the result."""
    seen = (plan.revision, text_digest, plan.coverage.events, plan.changes, plan.removed_sources, friction)
    return hashlib.sha256(msgspec.json.encode(seen, order="deterministic")).hexdigest()[:32]
