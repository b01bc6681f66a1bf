"""Publish: put a text in force as a new revision on every host, and see who runs it."""

import time
from collections.abc import Sequence

import msgspec
import redis

from worker.acts.record import Doer, record
from worker.app import Relay
from worker.errors import OperatorError
from worker.ledger.fleet import fleet
from worker.process.fault_names import fault_name
from worker.revisions.store import Origin, Revision, digest_of
from worker.store.clock import server_ms
from worker.store.processes import Process
from worker.upkeep.rounds import Rounds

TAKEN_UP_WITHIN_S = 10.0
# Everyone says once a second that it is alive: who was killed a moment ago is not waited for.
_SILENT_MS = 3_000


class Uptake(msgspec.Struct, frozen=True):
    """Which live processes run a revision and which do not yet."""

    alive: list[Process]
    behind: list[Process]


def refuse_if_owned_by_file(parts: Relay) -> None:
    """Nothing is published where a file owns the configuration.

    Raises:
        OperatorError: it does, here or in a process that runs.
    """
    if parts.settings.integrations is not None:
        raise OperatorError(
            f"the file {parts.settings.integrations} owns the configuration (RELAY_INTEGRATIONS): change that file and "
            "restart one process that has it (beat, say): it publishes it for all. To apply from here instead, unset "
            "RELAY_INTEGRATIONS on every host"
        )
    owners = [one for one in parts.processes.all() if one.alive and one.owner == "file"]
    if owners:
        one = owners[0]
        raise OperatorError(
            f"{one.role} {one.host}/{one.pid} takes its configuration from a file (RELAY_INTEGRATIONS): deploy that "
            "file, or unset RELAY_INTEGRATIONS there first"
        )


def publish(parts: Relay, text: str, origin: Origin, expected: int, removed: Sequence[str], doer: Doer) -> int:
    """Put a text in force if revision `expected` still is (0: none); the new number.

    Raises:
        MovedError: another revision came into force meanwhile.
    """
    revision = Revision(
        text, digest_of(text), doer.by, server_ms(parts.redis), doer.why, origin, removed=tuple(removed)
    )
    number = parts.revisions.publish(revision, expected)
    what = "config rollback" if origin == "rollback" else "config apply"
    record(parts.redis, doer, what, f"revision {number}", f"in force, after revision {expected}")
    return number


def uptake(parts: Relay, number: int) -> Uptake:
    """Who runs the revision by now."""
    found = fleet(parts.redis, parts.processes, parts.revisions).processes
    alive = [one for one in found if one.silent_ms < _SILENT_MS]
    return Uptake(alive, [one for one in alive if one.revision < number])


def wait_for_uptake(parts: Relay, number: int, within_s: float = TAKEN_UP_WITHIN_S) -> Uptake:
    """Wait until every live process runs it, so long at most; a fail-over in the meantime is waited for as well.

    Raises:
        OperatorError: Redis does not answer, so nobody knows who runs it; or has lost it.
    """
    ends = time.monotonic() + within_s
    while True:
        seen, fault = _uptake(parts, number)
        if (seen is not None and not seen.behind) or time.monotonic() >= ends:
            break
        time.sleep(0.1)
    if seen is None:
        raise OperatorError(
            f"revision {number} was published, but Redis does not answer since ({fault}): when it does, "
            "`relay config log` says whether it is in force, and `relay status` who runs it"
        )
    if seen.behind and parts.revisions.head() < number:
        raise OperatorError(
            f"Redis has lost revision {number} in a fail-over, before any process ran it: publish it again"
        )
    parts.live.look(force=True)
    return seen


def _uptake(parts: Relay, number: int) -> tuple[Uptake | None, str]:
    """Who runs it; or None, and why that is not known just now."""
    try:
        return uptake(parts, number), ""
    except (redis.RedisError, OSError) as fault:
        return None, fault_name(fault)


def retire(parts: Relay) -> list[str]:
    """Give up what waits for the integrations that the revision in force has removed; everyone runs it."""
    return Rounds(parts).retirement.retire(at_once=True)
