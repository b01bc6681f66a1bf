"""Request bodies: bytes in, events or a clear refusal out."""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, TypedDict

import msgspec

from config.integrations import Identity, default_identity
from worker.errors import SenderError
from worker.ingest.arguments import Incoming
from worker.ingest.arrays import read_flat
from worker.ingest.depth import MOST_DEPTH, first_too_deep, is_too_deep
from worker.purchasely.documented import Payload
from worker.purchasely.event import CONFLICT_MARK, event_about, event_key
from worker.purchasely.payload import NotAnObjectError, read_object
from worker.purchasely.person import event_shard
from worker.purchasely.surrogates import replace_lone_surrogates

# A request is parsed in one go, which blocks the event loop.
MOST_EVENTS = 10_000

# The fields that identify an event, besides those of its person.
_ABOUT = ("event_id", "event_name", "environment")

_NOTHING = "nothing of this request was stored"
_BLANK = b" \t\r\n"
_BACKSLASH, _BRACKET, _BRACE = b"\\[{"
_BOM = b"\xef\xbb\xbf"
# A line from its first character that is not blank.
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")
_POSITION = re.compile(r"\$\[(\d+)\]")
# The elements as the bytes they came in: decoded and encoded again, long numbers would lose digits.
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])


_DEFAULT_IDENTITY = default_identity()


def _kind(fields: tuple[str, ...]) -> Any:
    """The fields that identify an event and its person, where they are text; all else is skipped."""
    kind: Any = TypedDict("Named", dict.fromkeys((*_ABOUT, *fields), str | None), total=False)  # type: ignore[misc]
    return kind


@functools.cache
def _named(fields: tuple[str, ...]) -> Callable[[bytes], Payload]:
    """Decodes these fields of an event."""
    return msgspec.json.Decoder(_kind(fields)).decode


@functools.cache
def _all_named(fields: tuple[str, ...]) -> Callable[[bytes], list[Payload]]:
    """Decodes these fields of each event of an array."""
    return msgspec.json.Decoder(list[_kind(fields)]).decode  # type: ignore[misc]


class _TooManyError(Exception):
    """An array has more elements than a request may have events."""


class _Counted(msgspec.Struct, gc=False):
    """An element that is skipped and counted."""

    def __post_init__(self) -> None:
        _count[0] += 1
        if _count[0] > MOST_EVENTS:
            raise _TooManyError


_count = [0]
_COUNTED = msgspec.json.Decoder(list[_Counted])


def read_one(
    source: str, body: bytes, shards: int, limit_bytes: int, identity: Identity = _DEFAULT_IDENTITY
) -> list[Incoming]:
    """The one event of a webhook request, kept as the bytes received; `identity` decides its shard.

    Raises:
        SenderError: 400 not JSON, 422 not an object or nested too deep, 413 too large.
    """
    return [_incoming(source, body, shards, limit_bytes, identity, "the body")]


def read_many(
    source: str,
    body: bytes,
    shards: int,
    limit_bytes: int,
    identity: Identity = _DEFAULT_IDENTITY,
    *,
    lines: bool,
) -> list[Incoming]:
    """The events of an upstream request: one object, an array, or (`lines`) NDJSON; each kept as its bytes.

    Raises:
        SenderError: 400, 422 or 413, with the position (from 0) of the first event that is wrong; then none is taken.
    """
    body = body.removeprefix(_BOM)
    if lines:
        rows = list(_lines(body))
        if not rows:
            raise SenderError(400, "Not JSON", "the body holds no line of NDJSON")
        where = "the line at position"
    elif body.lstrip(_BLANK)[:1] == b"[":
        flat = read_flat(body, _all_named(identity.shard_fields), MOST_EVENTS)
        if flat and max(len(raw) for raw, _ in flat) <= limit_bytes:
            return [_event(source, raw, value, shards, identity) for raw, value in flat]
        rows = list(enumerate(_elements(body)))
        where = "the event at position"
        if len(rows) > MOST_EVENTS:
            raise _too_many()
    else:
        return read_one(source, body, shards, limit_bytes, identity)
    return [_incoming(source, raw, shards, limit_bytes, identity, where, n) for n, raw in rows]


def _lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, each with its number."""
    number = at = 0
    for count, found in enumerate(_LINE.finditer(body)):
        if count == MOST_EVENTS:
            raise _too_many()
        number += body.count(b"\n", at, found.start())
        at = found.start()
        yield number, found[0].rstrip(_BLANK)


def _elements(body: bytes) -> list[bytes]:
    try:
        return _split(body)
    except _TooManyError:
        raise _too_many() from None
    except RecursionError:
        where = f"the event at position {first_too_deep(body) or 0}"
        raise _too_deep(where) from None
    except msgspec.ValidationError as error:
        found = _POSITION.search(str(error))
        raise _no_object(f"the event at position {found[1]}" if found else "an event") from None
    except msgspec.DecodeError:
        raise _not_json("the body") from None


def _split(body: bytes) -> list[bytes]:
    """The elements of an array, as the bytes they came in."""
    try:
        return [bytes(raw) for raw in _decoded(body)]
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        readable = replace_lone_surrogates(body)
        if readable == body:
            raise
    elements, at = [], body.index(b"[") + 1
    for size in [len(bytes(raw)) for raw in _decoded(readable)]:
        while body[at] in b" \t\r\n,":
            at += 1
        elements.append(body[at : at + size])
        at += size
    return elements


def _decoded(body: bytes) -> list[msgspec.Raw]:
    if body.count(b",") >= MOST_EVENTS:
        # a list of millions of elements would block the event loop before it could be refused
        _count[0] = 0
        _COUNTED.decode(body)
    return _ELEMENTS.decode(body)


def _incoming(
    source: str,
    raw: bytes,
    shards: int,
    limit_bytes: int,
    identity: Identity,
    where: str,
    position: int | None = None,
) -> Incoming:
    if len(raw) > limit_bytes:
        message = f"{_at(where, position)} is {len(raw)} bytes; the limit is {limit_bytes}; {_NOTHING}"
        raise SenderError(413, "Too large", message)
    if raw.startswith(_BOM):
        raw = raw.removeprefix(_BOM)  # a byte order mark is not JSON (RFC 8259, section 8.1), and no decoder accepts it
    if raw.endswith(CONFLICT_MARK):
        raw = raw.rstrip(_BLANK)  # only the relay itself may set it
    return _event(source, raw, _read(raw, identity, where, position), shards, identity)


def _event(source: str, raw: bytes, value: Payload, shards: int, identity: Identity) -> Incoming:
    key = event_key(value, raw)
    # an event that names nobody is stored too: the worker says why it cannot be delivered
    return Incoming(source, event_shard(value, identity, key, shards), key, event_about(value), raw)


def _read(raw: bytes, identity: Identity, where: str, position: int | None) -> Payload:
    """The fields that identify an event; the rest is only checked to be JSON.

    The fast decoder accepts the same JSON as the strict one, as long as it is plain ASCII and flat (as Purchasely's
    is; their depth limits differ).
    """
    # compared by character code: half the time of a search for bytes
    if raw.isascii() and _BACKSLASH not in raw and _BRACKET not in raw and raw.find(_BRACE, 1) < 0:
        try:
            return _named(identity.shard_fields)(raw)
        except msgspec.DecodeError:
            pass  # the strict decoder decides, or says what is wrong
    if is_too_deep(raw):
        raise _too_deep(_at(where, position))
    try:
        return read_object(raw)
    except NotAnObjectError:
        raise _no_object(_at(where, position)) from None
    except ValueError:
        # the parser's own message may quote the body
        raise _not_json(_at(where, position)) from None


def _at(where: str, position: int | None) -> str:
    return where if position is None else f"{where} {position}"


def _not_json(where: str) -> SenderError:
    return SenderError(400, "Not JSON", f"{where} is not JSON in UTF-8; {_NOTHING}")


def _no_object(where: str) -> SenderError:
    return SenderError(422, "Not an event", f"{where} is not a JSON object; {_NOTHING}")


def _too_deep(where: str) -> SenderError:
    return SenderError(422, "Nested too deep", f"{where} is nested more than {MOST_DEPTH} deep; {_NOTHING}")


def _too_many() -> SenderError:
    return SenderError(413, "Too large", f"more than {MOST_EVENTS} events in one request; {_NOTHING}")
