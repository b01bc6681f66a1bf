"""Decisions on single events: whatever fails on the way is that event's own, and stops no other."""

import traceback
from collections.abc import Callable
from pathlib import PurePath

from worker.errors import RelayError
from worker.mapping.decision import Decision
from worker.mapping.mapper import Mapper
from worker.mapping.outcome import Dead
from worker.purchasely.event import Event

NOBODY: frozenset[str] = frozenset()


def decide(mapper: Mapper, read: Callable[[], Event], now_ms: int, suppressed: frozenset[str] = NOBODY) -> Decision:
    """The decision on the event that `read` gives; whatever fails on the way is that event's dead letter."""
    try:
        try:
            event = read()
        except ValueError:
            return Dead("not_json", "read", message="the stored bytes are not a JSON object")
        except RecursionError:
            return Dead("not_json", "read", message="the stored JSON is nested too deep")
        return mapper.decide(event, now_ms, suppressed)
    except (RelayError, MemoryError):
        raise  # not about the event
    except Exception as fault:  # noqa: BLE001 - no fault may stop other events
        return crashed(fault)


def crashed(fault: Exception) -> Dead:
    """The outcome of an event that the mapping fails at; without the exception's text, which may quote the event."""
    frame = traceback.extract_tb(fault.__traceback__)[-1]
    where = f"{PurePath(frame.filename).name}:{frame.lineno}"
    return Dead("crashed_mapping", "map", message=f"the relay failed at it: {type(fault).__name__} in {where}")
