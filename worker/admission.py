"""Who may enqueue, and what a request body holds: bytes in, events or a clear refusal out."""

import hashlib
import hmac

import orjson

from config.integrations import Source
from worker.append import Incoming
from worker.errors import SenderError
from worker.event import event_key, shard_key, shard_of

_FORM = "send one JSON object"
_FORMS = "send one JSON object, a JSON array of objects, or NDJSON"


def check_signature(source: Source, signature: str | None, timestamp: str | None, body: bytes, now_s: float) -> None:
    """Check Purchasely's signature: hex HMAC-SHA256(secret, timestamp + raw body), constant time, any of the secrets.

    The age of the timestamp is only looked at when the source asks for it: whether a retry renews it is not known.

    Raises:
        SenderError: 401.
    """
    if not signature or not timestamp:
        raise _unauthorized("X-PURCHASELY-REQUEST-SIGNATURE and X-PURCHASELY-TIMESTAMP are both needed")
    given = signature.strip().lower().encode("utf-8", "replace")
    signed = timestamp.encode("utf-8", "replace") + body
    good = False
    for secret in source.webhook_secrets:
        # every secret is tried, so the time taken does not tell which one fitted
        good |= hmac.compare_digest(hmac.new(secret, signed, hashlib.sha256).hexdigest().encode(), given)
    if not good:
        raise _unauthorized("the signature does not fit this body and timestamp; is the shared secret right?")
    if source.signature_tolerance_s and not _fresh(timestamp, source.signature_tolerance_s, now_s):
        raise _unauthorized(f"the timestamp is not within {source.signature_tolerance_s} s of now")


def _fresh(timestamp: str, tolerance_s: int, now_s: float) -> bool:
    text = timestamp.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 17):
        return False
    signed_s = int(text)
    # seconds in the documentation's vector; milliseconds are understood too
    return abs(now_s - (signed_s / 1000 if signed_s > 100_000_000_000 else signed_s)) <= tolerance_s


def check_token(source: Source, authorization: str | None) -> None:
    """Check an upstream service's bearer token, in constant time, any of the tokens.

    Raises:
        SenderError: 401.
    """
    scheme, _, token = (authorization or "").partition(" ")
    given = hashlib.sha256(token.strip().encode("utf-8", "replace")).digest()
    good = False
    for known in source.tokens:
        good |= hmac.compare_digest(hashlib.sha256(known).digest(), given)
    if scheme.lower() != "bearer" or not good:
        raise _unauthorized("Authorization: Bearer with one of the source's tokens is needed")


def read_one(source: str, body: bytes, shards: int, limit_bytes: int) -> list[Incoming]:
    """The one event of a webhook request, kept as the bytes received.

    Raises:
        SenderError: 400 not JSON, 422 not an object, 413 too large.
    """
    return [_incoming(source, _load(body, _FORM), body, shards, limit_bytes, None)]


def read_many(source: str, body: bytes, shards: int, limit_bytes: int, *, lines: bool) -> list[Incoming]:
    """The events of an upstream request: one object, an array, or (`lines`) NDJSON.

    Raises:
        SenderError: 400, 422 or 413, with the position of the first event at fault; then none is taken.
    """
    if lines:
        rows = [row.strip() for row in body.split(b"\n")]
        numbered = [(number, row) for number, row in enumerate(rows) if row]
        if not numbered:
            raise SenderError(400, "Not JSON", "the body holds no line of NDJSON")
        return [_incoming(source, _load(row, _FORMS, n), row, shards, limit_bytes, n) for n, row in numbered]
    value = _load(body, _FORMS)
    if not isinstance(value, list):
        return [_incoming(source, value, body, shards, limit_bytes, None)]
    return [
        _incoming(source, item, _encode(item, position), shards, limit_bytes, position)
        for position, item in enumerate(value)
    ]


def _incoming(source: str, value: object, raw: bytes, shards: int, limit_bytes: int, position: int | None) -> Incoming:
    where = "the body" if position is None else f"the event at position {position}"
    if not isinstance(value, dict):
        raise SenderError(422, "Not an event", f"{where} is not a JSON object; nothing of this request was stored")
    if len(raw) > limit_bytes:
        words = f"{where} is {len(raw)} bytes; the limit is {limit_bytes}; nothing of this request was stored"
        raise SenderError(413, "Too large", words)
    key = event_key(value, raw)
    # an event that names nobody is stored too: the worker says why it cannot be delivered
    return Incoming(source, shard_of(shard_key(value) or key, shards), key, raw)


def _load(body: bytes, form: str, position: int | None = None) -> object:
    try:
        return orjson.loads(body)
    except ValueError:
        # the parser's own message may quote the body
        where = "the body" if position is None else f"the line at position {position}"
        raise SenderError(400, "Not JSON", f"{where} is not JSON; {form}") from None


def _encode(item: object, position: int) -> bytes:
    try:
        return orjson.dumps(item)
    except (TypeError, ValueError):  # nested too deep to be written again
        raise SenderError(422, "Not an event", f"the event at position {position} is nested too deep") from None


def _unauthorized(detail: str) -> SenderError:
    return SenderError(401, "Unauthorized", detail)
