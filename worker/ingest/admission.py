"""Who may enqueue, and what a request body holds: bytes in, events or a clear refusal out."""

import functools
import hashlib
import hmac

import msgspec
import orjson

from config.integrations import Source
from worker.errors import SenderError
from worker.ingest.store_events import Incoming
from worker.purchasely.documented import Payload
from worker.purchasely.event import event_key, shard_key, shard_of

# One request is parsed in one go, and nobody else is served meanwhile.
MOST_EVENTS = 10_000

_NOTHING = "nothing of this request was stored"
_BLANK = b" \t\r\n"
# The elements as the bytes they came in: decoded and encoded again, long numbers would lose digits.
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])


class _Named(msgspec.Struct, gc=False):
    """What tells an event and its person apart, where it is text; whatever else a body holds is passed over."""

    event_id: str | None = None
    user_id: str | None = None
    anonymous_user_id: str | None = None
    customerio_user_id: str | None = None
    customerio_user_email: str | None = None
    device_id: str | None = None

    def get(self, field: str, /) -> str | None:
        """The value of a field, as of a dictionary."""
        value: str | None = getattr(self, field)
        return value


_NAMED = msgspec.json.Decoder(_Named)


def check_signature(
    source: Source, signature: bytes | None, timestamp: bytes | None, body: bytes, now_s: float
) -> None:
    """Check Purchasely's signature: hex HMAC-SHA256(secret, timestamp + raw body), constant time, any of the secrets.

    The age of the timestamp is only looked at when the source asks for it: whether a retry renews it is not known.

    Raises:
        SenderError: 401.
    """
    if not signature or not timestamp:
        raise unsigned()
    given = signature.strip().lower()
    good = False
    for secret in source.webhook_secrets:
        # every secret is tried, so the time taken does not tell which one fitted
        ours = _keyed(secret).copy()
        ours.update(timestamp)
        ours.update(body)
        good |= hmac.compare_digest(ours.hexdigest().encode(), given)
    if not good:
        raise _unauthorized("the signature does not fit this body and timestamp; is the shared secret right?")
    if source.signature_tolerance_s and not _fresh(timestamp, source.signature_tolerance_s, now_s):
        raise _unauthorized(f"the timestamp is not within {source.signature_tolerance_s} s of now")


@functools.cache
def _keyed(secret: bytes) -> hmac.HMAC:
    """An HMAC that has taken its key in: half of the work for a short body."""
    return hmac.new(secret, digestmod="sha256")


def unsigned() -> SenderError:
    """The refusal of a webhook without a signature."""
    return _unauthorized("X-PURCHASELY-REQUEST-SIGNATURE and X-PURCHASELY-TIMESTAMP are both needed")


def _fresh(timestamp: bytes, tolerance_s: int, now_s: float) -> bool:
    text = timestamp.strip()
    if not text.isdigit() or len(text) > 17:
        return False
    signed_s = int(text)
    # seconds in the documentation's vector; milliseconds are understood too
    return abs(now_s - (signed_s / 1000 if signed_s > 100_000_000_000 else signed_s)) <= tolerance_s


def check_token(source: Source, authorization: bytes | None) -> None:
    """Check an upstream service's bearer token, in constant time, any of the tokens.

    Raises:
        SenderError: 401.
    """
    scheme, _, token = (authorization or b"").partition(b" ")
    # digests: comparing texts of different lengths would tell the length
    given = hashlib.sha256(token.strip()).digest()
    good = False
    for known in source.tokens:
        good |= hmac.compare_digest(hashlib.sha256(known).digest(), given)
    if scheme.lower() != b"bearer" or not good:
        raise _unauthorized("Authorization: Bearer with one of the source's tokens is needed")


def read_one(source: str, body: bytes, shards: int, limit_bytes: int) -> list[Incoming]:
    """The one event of a webhook request, kept as the bytes received.

    Raises:
        SenderError: 400 not JSON, 422 not an object, 413 too large.
    """
    return [_incoming(source, body, shards, limit_bytes, "the body")]


def read_many(source: str, body: bytes, shards: int, limit_bytes: int, *, lines: bool) -> list[Incoming]:
    """The events of an upstream request: one object, an array, or (`lines`) NDJSON; each kept as its bytes.

    Raises:
        SenderError: 400, 422 or 413, with the position (from 0) of the first event at fault; then none is taken.
    """
    if lines:
        rows = [(n, row) for n, line in enumerate(body.split(b"\n")) if (row := line.strip(_BLANK))]
        if not rows:
            raise SenderError(400, "Not JSON", "the body holds no line of NDJSON")
        where = "the line at position"
    elif body.lstrip(_BLANK)[:1] == b"[":
        rows = [(n, bytes(raw)) for n, raw in enumerate(_elements(body))]
        where = "the event at position"
    else:
        return read_one(source, body, shards, limit_bytes)
    if len(rows) > MOST_EVENTS:
        message = f"{len(rows)} events in one request; the limit is {MOST_EVENTS}; {_NOTHING}"
        raise SenderError(413, "Too large", message)
    return [_incoming(source, raw, shards, limit_bytes, where, n) for n, raw in rows]


def _elements(body: bytes) -> list[msgspec.Raw]:
    try:
        return _ELEMENTS.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise _not_json("the body") from None


def _incoming(
    source: str, raw: bytes, shards: int, limit_bytes: int, where: str, position: int | None = None
) -> Incoming:
    if len(raw) > limit_bytes:
        message = f"{_at(where, position)} is {len(raw)} bytes; the limit is {limit_bytes}; {_NOTHING}"
        raise SenderError(413, "Too large", message)
    value = _read(raw, where, position)
    key = event_key(value, raw)
    # an event that names nobody is stored too: the worker says why it cannot be delivered
    return Incoming(source, shard_of(shard_key(value) or key, shards), key, raw)


def _read(raw: bytes, where: str, position: int | None) -> Payload:
    """What tells an event apart; the rest is only looked at as far as to be sure that it is JSON.

    What the first decoder passes over it takes for JSON as the second one does, as long as it is plain ASCII and flat
    (as Purchasely's are; each follows another depth), but for a number that no machine holds (1e999): such an event is
    the worker's to refuse.
    """
    if raw.isascii() and b"\\" not in raw and b"[" not in raw and raw.find(b"{", 1) < 0:
        try:
            return _NAMED.decode(raw)
        except msgspec.DecodeError:
            pass  # the other one knows better, or says what is wrong
    try:
        value = orjson.loads(raw)
    except ValueError:
        # the parser's own message may quote the body
        raise _not_json(_at(where, position)) from None
    if not isinstance(value, dict):
        raise SenderError(422, "Not an event", f"{_at(where, position)} is not a JSON object; {_NOTHING}")
    return value


def _at(where: str, position: int | None) -> str:
    return where if position is None else f"{where} {position}"


def _not_json(where: str) -> SenderError:
    return SenderError(400, "Not JSON", f"{where} is not JSON in UTF-8; {_NOTHING}")


def _unauthorized(detail: str) -> SenderError:
    return SenderError(401, "Unauthorized", detail)
