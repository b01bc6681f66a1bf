"""A plan's part on one shard: both configurations over its retained events, in a process of its own."""

from collections.abc import Iterable, Iterator

import msgspec

from config.integrations import Integration, Integrations, parse
from config.secrets import Secrets
from config.settings import Settings
from worker.app import Relay
from worker.history.archive import ArchivedScan
from worker.history.comparison import Comparison, reader
from worker.history.effects import Found
from worker.history.planned import Coverage
from worker.history.scan import Span
from worker.store.entries import Entry, entries, read_range
from worker.store.keys import shard_key

PAGE = 2000
_RUN = 400


class ShardJob(msgspec.Struct, frozen=True):
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


class ShardAnswer(msgspec.Struct):
    """What was found by integration, and on which traffic."""

    found: dict[str, Found]
    coverage: Coverage


def look(job: ShardJob) -> ShardAnswer:
    """Compare one shard; runs in a process of its own."""
    parts, both = Relay(job.chosen), read_sides(job.before, job.after)
    comparisons = comparisons_of(parts, both, job.names, (job.source, job.shard), job.silent)
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
    return ShardAnswer({name: comparison.end() for name, comparison in comparisons.items()}, covered)


def _pages(parts: Relay, job: ShardJob) -> Iterator[list[Entry]]:
    key, after = shard_key(job.shard, "events", job.source), job.since
    if job.archive and parts.archive is not None:
        scan = ArchivedScan(parts.redis, parts.archive, PAGE)
        yield from (entries(rows) for _, rows in scan.pages([key], Span(int(job.since), int(job.until))))
        return
    while True:
        page = read_range(parts.redis, key, after, job.until, count=PAGE)
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = f"({page[-1][0]}"


def read_sides(before: str, after: str) -> tuple[Integrations, Integrations]:
    """The configurations of two texts, of which the first may be none; whether their secrets are here is no matter."""
    old, new = (
        parse(text, "", Secrets({}), lenient=True) if text else Integrations({}, {}, (), "") for text in (before, after)
    )
    return old, new


def comparisons_of(
    parts: Relay,
    both: tuple[Integrations, Integrations],
    names: Iterable[str],
    stream: tuple[str, int],
    silent: frozenset[str],
) -> dict[str, Comparison]:
    """A comparison for each of these integrations that either configuration has of a stream's source."""
    source, shard = stream
    found = {}
    for name in names:
        sides = [side_of(side, name, source) for side in both]
        if any(sides):
            old, new = (parts.mapper(side) if side else None for side in sides)
            found[name] = Comparison(old, new, source, shard, silent)
    return found


def side_of(integrations: Integrations, name: str, source: str) -> Integration | None:
    """An integration of a source under one of the two configurations; None where it is not there."""
    found = integrations.integrations.get(name)
    return found if found is not None and found.source == source else None
