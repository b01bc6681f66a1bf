"""Answers of the Track API: classified, or not understood."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import msgspec
import orjson

# What Customer.io says is kept to a line: answers are for people to read, and may echo a value.
MESSAGE_LIMIT = 300
_FIELD_LIMIT = 100
_REFUSALS = frozenset({400, 413, 422})  # of what is in the request


class ItemError(NamedTuple):
    """One refused item of a batch: its position (-1 when the answer does not say), field, reason and message."""

    position: int
    field: str
    message: str


class Answer(msgspec.Struct, frozen=True):
    """What one request came to.

    `status` is the HTTP status, 0 for a network fault or an answer that is not understood; `message` says what happened
    in Customer.io's words or ours; `retry_after_s` is how long it asks to wait (0: it does not); `took_ms` the time it
    took. `foreign`: it refuses what was sent in a form that the Track API does not have, or is a page for JSON, so
    something else may have answered.
    """

    status: int
    message: str = ""
    errors: tuple[ItemError, ...] = ()
    retry_after_s: float = 0.0
    took_ms: int = 0
    foreign: bool = False


class _NotUnderstoodError(Exception):
    """An answer says something of the items, and not in any documented way."""


class _Unreadable:
    """A body that is no JSON."""


_UNREADABLE = _Unreadable()


def classify(status: int, headers: Mapping[str, str], content: bytes, took_ms: int, phrase: str = "") -> Answer:
    """The meaning of an answer to a batch; never raises.

    A 200 may carry errors and a 207 an empty list (seen by other clients): the errors listed are what counts. A 200 or
    207 that says it in another way than documented says nothing of the items: it counts as a fault (status 0), is sent
    again, with the same ULIDs, and never buries an event. An empty body with 200 is a success if it was meant to be
    empty, and not cut off.
    """
    try:
        found = read_json(content)
        message = message_of(status, found, headers, phrase)
        retry_after_s = _retry_after_s(headers.get("Retry-After"))
        errors = _item_errors(status, found, headers, content) if status in {200, 207} else ()
    except _NotUnderstoodError as odd:
        return Answer(0, f"{status} {odd}", took_ms=took_ms, foreign=bool(content.strip()) and found is _UNREADABLE)
    except Exception as fault:  # noqa: BLE001 - whatever a stranger answers must not end a batch
        return Answer(0, f"{status} with an answer that cannot be read ({type(fault).__name__})", took_ms=took_ms)
    return Answer(status, message, errors, retry_after_s, took_ms, _is_foreign(status, found))


def _is_foreign(status: int, found: Any) -> bool:
    """Whether a refusal has none of the documented shapes (reference: Track API, v2 errors)."""
    if status not in _REFUSALS:
        return False
    return not isinstance(found, dict) or not (found.get("errors") or any(_meta_errors(found)))


def read_json(content: bytes) -> Any:
    """The value of a JSON body; something that is no JSON value otherwise."""
    try:
        return orjson.loads(content)
    except ValueError:
        return _UNREADABLE


def message_of(status: int, found: Any, headers: Mapping[str, str], phrase: str = "") -> str:
    """Customer.io's message, whichever of its shapes it has; else the status line."""
    if 300 <= status < 400:
        host = headers.get("Location", "").split("/api/")[0][:100]
        return f"{status}: redirected to {host or 'nowhere'} (is the region right?)"
    if isinstance(found, dict):
        for said in [*_meta_errors(found), found.get("errors"), found.get("error")]:
            if isinstance(said, str) and said:
                return said[:MESSAGE_LIMIT]
            if isinstance(said, list | dict) and said:
                return _first(said if isinstance(said, dict) else said[0])
    return f"{status} {phrase}".strip()[:MESSAGE_LIMIT]


def _item_errors(status: int, found: Any, headers: Mapping[str, str], content: bytes) -> tuple[ItemError, ...]:
    if not content.strip() and status == 200:
        if not content and "Content-Length" not in headers and "Transfer-Encoding" not in headers:
            raise _NotUnderstoodError("and no word on whether a body was to follow")
        return ()
    if found is _UNREADABLE:
        raise _NotUnderstoodError("with a body that is not JSON")
    if not isinstance(found, dict):
        raise _NotUnderstoodError("with JSON that is not an object")
    if any(_meta_errors(found)) or found.get("error") or found.get("success") is False:
        raise _NotUnderstoodError(f"with an error of the request: {message_of(status, found, headers)}"[:MESSAGE_LIMIT])
    listed = found.get("errors")
    if listed is None and status == 200:
        return ()
    if not isinstance(listed, list):
        raise _NotUnderstoodError("whose `errors` is not a list")
    return tuple(_item_error(error) for error in listed)


def _item_error(error: Any) -> ItemError:
    if not isinstance(error, dict):
        raise _NotUnderstoodError("with an error that is not an object")
    position = error.get("batch_index", -1)
    if type(position) is not int or (position < 0 and "batch_index" in error):
        raise _NotUnderstoodError("with an error whose `batch_index` is not a position")
    field = error.get("field")
    said = [text for key in ("reason", "message") if (text := _text(error.get(key)))]
    return ItemError(position, field[:_FIELD_LIMIT] if isinstance(field, str) else "", ": ".join(said)[:MESSAGE_LIMIT])


def _meta_errors(found: dict[Any, Any]) -> list[Any]:
    meta = found.get("meta")
    return [meta.get("error"), meta.get("errors")] if isinstance(meta, dict) else []


def _first(first: Any) -> str:
    if isinstance(first, dict):
        parts = [text for key in ("field", "reason", "message", "detail") if (text := _text(first.get(key)))]
        return ": ".join(parts)[:MESSAGE_LIMIT]
    return _text(first)


def _text(value: Any) -> str:
    """A text or a number as it is; of anything with an inside, only that it has one: it may be nested without end."""
    if isinstance(value, str):
        return value[:MESSAGE_LIMIT]
    if value is None or isinstance(value, (bool, int, float)):
        return str(value) if value else ""
    return "(not a text)" if value else ""


def _retry_after_s(value: str | None) -> float:
    """Retry-After in seconds, given as a number or an HTTP date; 0 when absent or unreadable."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0
