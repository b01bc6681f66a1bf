"""Hold and resume an integration, on an operator's word."""

import time

import msgspec

from worker.acts.named import named_integration
from worker.acts.record import Doer, record
from worker.app import Relay
from worker.store.lane import Lane
from worker.store.stream import WAKE_MS
from worker.upkeep.rounds import Rounds

_MESSAGE_LIMIT = 300


class Resumed(msgspec.Struct, frozen=True):
    """What a resume did: whether the integration was held, its shards with a backlog, how many were woken."""

    was_held: bool
    backlogs: int
    woken: int


def hold(parts: Relay, integration: str, doer: Doer) -> None:
    """Hold an integration: its events wait, in order, until it is resumed. No probe ends it.

    Raises:
        OperatorError: there is no such integration.
    """
    named_integration(parts, integration)
    parts.holds.hold(integration, "operator", time.time_ns() // 1_000_000, message=doer.why[:_MESSAGE_LIMIT])
    record(parts.redis, doer, "hold", integration, "held")


def resume(parts: Relay, integration: str, doer: Doer) -> Resumed:
    """Resume an integration, whatever holds it: its events are sent at once, in order.

    Raises:
        OperatorError: there is no such integration.
    """
    from worker.tasks import wake  # noqa: PLC0415 - makes Celery's application

    named_integration(parts, integration)
    held = parts.holds.resume(integration)
    record(parts.redis, doer, "resume", integration, "resumed" if held else "was not held")
    lanes = _mark_backlogs(parts, integration)
    return Resumed(held, len(lanes), sum(wake(lane.integration, lane.shard) for lane in lanes))


def _mark_backlogs(parts: Relay, integration: str) -> list[Lane]:
    """The lanes to wake, marked as woken. A mark that a hold left on an empty one would cost the next event its own."""
    found = [
        backlog
        for backlog in Rounds(parts).backlogs()
        if backlog.lane.integration == integration and not backlog.leased
    ]
    for backlog in found:
        if backlog.waiting:
            parts.redis.set(backlog.lane.key("wake"), "1", px=WAKE_MS)
        else:
            parts.redis.delete(backlog.lane.key("wake"))
    return [backlog.lane for backlog in found if backlog.waiting]
