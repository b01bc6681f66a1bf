"""A dead letter to begin with."""

from typing import Any

import msgspec
import orjson

from config.integrations import default_identity
from tests.support.deadstack import event
from worker.dead.burying import bury
from worker.dead.letter import Letter, decode_letter
from worker.mapping.outcome import Dead
from worker.purchasely.event import read_event
from worker.store.lane import Lane

REFUSED = Dead("rejected", "send", "name", 207, "invalid: no such name")
ENTRY = "1760000000500-0"


def letter(payload: dict[str, Any] | bytes | None = None, dead: Dead = REFUSED, **facts: Any) -> Letter:
    """The letter of an event; `facts` replace fields of it."""
    raw = payload if isinstance(payload, bytes) else orjson.dumps(event(1) if payload is None else payload)
    try:
        read = read_event(ENTRY, raw)
    except ValueError:
        read = None
    record = bury(
        Lane("app", "production", 2),
        ENTRY,
        raw,
        read,
        dead,
        identity=default_identity(),
        operations=[],
        attempts=[],
        revision="0123456789ab",
        failed_ms=1_760_000_001_000,
    ).record
    return msgspec.structs.replace(decode_letter(record), **facts)
