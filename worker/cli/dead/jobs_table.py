"""Jobs as they are printed: a line each, all facts of one, and what failed in it again."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from worker.cli.columns import columns, fitted
from worker.cli.dead.follow import outcome
from worker.cli.printing import count, span
from worker.process.wording import per_s

if TYPE_CHECKING:
    from worker.dead.letter import Letter
    from worker.replay.job import Job

_COUNTS = frozenset({"done", "of", "failed again"})
_MESSAGE = 60


def table(found: "list[Job]", now_ms: int, width: int, rates: Mapping[str, Sequence[float]]) -> list[str]:
    """A line a job; with rates, how fast those are that run, and how long they take from now."""
    if not found:
        return ["no job was ever started"]
    rows = [["job", "state", "by", "started", "done", "of", "failed again", "now", "filter"]]
    rows += [
        [
            job.id,
            job.state,
            job.by,
            f"{span(now_ms - job.created_ms)} ago",
            count(job.matched - job.left),
            count(job.matched),
            count(job.counts.get("dead", 0)),
            _pace(job, rates.get(job.id, (0.0,))[0]),
            job.filter or "-",
        ]
        for job in found
    ]
    if not rates:
        rows = [[*row[:7], row[8]] for row in rows]
    last = len(rows[0]) - 1
    narrow = fitted(rows, width, [2, last, 3], [(last, 20)])
    return columns(narrow, right=[place for place, name in enumerate(narrow[0]) if name in _COUNTS])


def _pace(job: "Job", rate: float) -> str:
    if job.state != "running":
        return ""
    return f"{per_s(rate)}, {span(job.left / rate * 1000)} left" if rate > 0 else job.message or per_s(0)


def job_row(job: "Job") -> dict[str, Any]:
    """A job as JSON."""
    import msgspec

    row: dict[str, Any] = msgspec.to_builtins(job)
    for inner in ("due_ms", "behind_since_ms", "closed"):
        del row[inner]
    return row


def facts(job: "Job") -> list[tuple[str, str]]:
    """What is known of a job, by name."""
    from worker.mapping.attributes import iso_time

    found = [
        ("job", job.id),
        ("state", job.state + (f", waiting: {job.message}" if job.message and job.state == "running" else "")),
        ("by", job.by),
        ("filter", job.filter or "-"),
        ("integrations", ", ".join(job.integrations)),
        ("started", iso_time(job.created_ms)),
        ("rate", f"{job.rate:g} letters/s" if job.rate else "no limit"),
        ("matched", count(job.matched)),
        ("left", count(job.left)),
        ("outcome", outcome(job)),
    ]
    if job.ended_ms:
        found.insert(6, ("ended", f"{iso_time(job.ended_ms)}, after {span(job.ended_ms - job.created_ms)}"))
    return found


def failed_again(letters: "Sequence[Letter]", width: int) -> list[str]:
    """A line for each letter that failed in a job again, with what was said of it."""
    rows = [[letter.id, letter.reason, letter.event, " ".join(letter.message.split())[:_MESSAGE]] for letter in letters]
    return columns(fitted(rows, width, [2], [(3, 20), (2, 12)]))
