"""A replay job: who asked for what, how far it is, and which states may follow one another."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

JobState = Literal["running", "paused", "aborted", "done"]

JobKind = Literal["letters", "events", "people", "edits"]
"""What a job sends again: dead letters, retained events whatever became of them, or people's properties; one of edits
sends nothing, it changes dead letters."""

# Which states may follow which.
NEXT: Mapping[JobState, frozenset[JobState]] = {
    "running": frozenset({"paused"}),
    "paused": frozenset({"running"}),
    "aborted": frozenset({"running", "paused"}),
    "done": frozenset({"running"}),
}


class Job(msgspec.Struct):
    """A job. Times in Unix ms; `rate` is letters a second (0: no limit); `matched` letters at the start, `left` now.

    `due_ms` is when the rate allows the next letter, `behind_since_ms` since when live events leave it no turn (0: they
    do); `message` says what it waits for. `counts` has delivered, filtered:<reason>, dead (failed again), and gone (no
    dead letter any more when its turn came); of edits: edited, unchanged, unfit, gone. `edit` is what a job of edits
    changes (JSON), until it ends: it may name people. `off_too` 1: an event that the filter has off is sent as well, as
    somebody chose just this one. `closed` jobs are summed up: nothing is left on the lanes.
    """

    id: str
    by: str
    filter: str
    integrations: list[str]
    created_ms: int
    rate: float
    matched: int
    state: JobState = "running"
    ended_ms: int = 0
    due_ms: int = 0
    behind_since_ms: int = 0
    message: str = ""
    closed: bool = False
    counts: dict[str, int] = {}
    left: int = 0
    kind: JobKind = "letters"
    edit: str = ""
    off_too: int = 0


def write_job(job: Job) -> dict[str, Any]:
    """A new job as the fields of a hash, without the counts that are kept on the lanes."""
    row: dict[str, Any] = msgspec.to_builtins(job)
    del row["left"], row["closed"]
    return row | {"integrations": " ".join(job.integrations), "counts": "{}"}


def read_job(row: Mapping[bytes, bytes]) -> Job:
    """The job that a hash describes."""
    facts: dict[str, Any] = {key.decode(): value.decode("utf-8", "replace") for key, value in row.items()}
    facts["integrations"] = facts["integrations"].split()
    facts["counts"] = msgspec.json.decode(facts["counts"], type=dict[str, int])
    return msgspec.convert(facts, Job, strict=False)
