"""Holds that jobs wait for: since when, why, and what ends each."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from worker.app import Relay
from worker.replay.job import Job
from worker.replay.jobrun import waits_for
from worker.store.holds import Hold, HoldKind


class Wait(msgspec.Struct, frozen=True):
    """An integration that is held: since when (Unix ms), why, and what ends it."""

    integration: str
    since_ms: int
    why: str
    ends: str


_WHY: Final[Mapping[HoldKind, str]] = {
    "unauthorized": "Customer.io refuses the key",
    "unreachable": "Customer.io does not answer",
    "misdirected": "something else answers at its address",
    "dead_limit": "it has as many failed events as it may have",
    "unknown_state": "what is stored of a person cannot be read",
    "operator": "somebody paused it",
}
_ENDS: Final[Mapping[HoldKind, str]] = {
    "unauthorized": "Put another key in its place: the job goes on by itself.",
    "unreachable": "The job goes on by itself once Customer.io answers.",
    "misdirected": "Correct the region or the address: the job goes on by itself.",
    "dead_limit": "Replay or discard failed events: the job goes on by itself once there is room.",
    "unknown_state": "Open the integration: it says which state it is, and what to do.",
    "operator": "It goes on when the integration is resumed.",
}
_WHY_BY_NAME: Final[dict[str, str]] = {str(kind): text for kind, text in _WHY.items()}
_ENDS_BY_NAME: Final[dict[str, str]] = {str(kind): text for kind, text in _ENDS.items()}


def wait_of(integration: str, hold: Hold) -> Wait:
    """What is said of a hold; one of another release has its kind for a reason."""
    why = _WHY_BY_NAME.get(hold.kind, hold.kind.replace("_", " "))
    return Wait(integration, hold.since_ms, why, _ENDS_BY_NAME.get(hold.kind, "Open the integration: it says more."))


def waits(parts: Relay, jobs: Iterable[Job]) -> dict[str, list[Wait]]:
    """What each job that runs waits for, by the job's id; of one that waits for nothing, nothing."""
    running = [job for job in jobs if job.state == "running"]
    names = sorted({name for job in running for name in job.integrations})
    holds = parts.holds.get(names) if names else {}
    return {
        job.id: found
        for job in running
        if (found := [wait_of(n, holds[n]) for n in job.integrations if n in holds and waits_for(holds[n], job)])
    }
