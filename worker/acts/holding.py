"""Hold and resume an integration, on an operator's word."""

import time

import msgspec

from worker.acts.copying import until_copied
from worker.acts.named import named_integration
from worker.acts.record import Doer, record
from worker.app import Relay
from worker.store.keys import hold_key
from worker.store.lane import Lane
from worker.upkeep.rounds import Rounds

_MESSAGE_LIMIT = 300


class Resumed(msgspec.Struct, frozen=True):
    """What a resume did: whether the integration was held, its shards with a backlog, how many were woken.

    `copied`: whether a replica has it, where there is one; if not, a fail-over may undo it.
    """

    was_held: bool
    backlogs: int
    woken: int
    copied: bool


def hold(parts: Relay, integration: str, doer: Doer) -> bool:
    """Hold an integration: its events wait, in order, until it is resumed. No probe ends it.

    Returns whether a replica has the hold, where there is one; if not, a fail-over may undo it.

    Raises:
        OperatorError: there is no such integration.
    """

    def act() -> None:
        parts.holds.hold(integration, "operator", time.time_ns() // 1_000_000, message=doer.why[:_MESSAGE_LIMIT])

    named_integration(parts, integration)
    copied = until_copied(parts.redis, hold_key(integration), act)
    record(parts.redis, doer, "hold", integration, "held")
    return copied


def resume(parts: Relay, integration: str, doer: Doer) -> Resumed:
    """Resume an integration, whatever holds it: its events are sent at once, in order.

    Raises:
        OperatorError: there is no such integration.
    """
    from worker.tasks import wake  # noqa: PLC0415 - makes Celery's application

    held = False

    def act() -> None:
        nonlocal held
        held = parts.holds.resume(integration, "operator") or held

    named_integration(parts, integration)
    copied = until_copied(parts.redis, hold_key(integration), act)
    record(parts.redis, doer, "resume", integration, "resumed" if held else "was not held")
    lanes = _mark_backlogs(parts, integration)
    woken = refused = 0
    for lane in lanes:
        if wake(lane.integration, lane.shard):
            woken += 1
        else:
            refused += 1
        if refused > 1:  # once may be a connection that had ended; more would be a line in the log for each shard
            break
    return Resumed(held, len(lanes), woken, copied)


def _mark_backlogs(parts: Relay, integration: str) -> list[Lane]:
    """The lanes to wake, marked as woken. A mark that a hold left on an empty one would cost the next event its own."""
    found = [
        backlog
        for backlog in Rounds(parts).backlogs()
        if backlog.lane.integration == integration and not backlog.leased
    ]
    for backlog in found:
        if not backlog.waiting:
            parts.redis.delete(backlog.lane.key("wake"))
    lanes = [backlog.lane for backlog in found if backlog.waiting]
    parts.streams.mark_woken(lanes)
    return lanes
