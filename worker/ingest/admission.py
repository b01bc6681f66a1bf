"""Authentication of senders: signatures of webhooks, tokens of upstream services."""

import functools
import hashlib
import hmac
from collections.abc import Iterable

from config.integrations import Source
from worker.errors import SenderError

# Purchasely retries 25 times within 20 days and 10 hours, 20 days and 12 hours with the least luck (reference: webhook
# contract, retries). Whether a retry renews its timestamp is not known.
RETRIES_S = 21 * 86_400


def check_signature(
    source: Source,
    signature: bytes | None,
    timestamp: bytes | None,
    body: bytes,
    now_s: float,
    default_tolerance_s: int = RETRIES_S,
) -> None:
    """Check Purchasely's signature: hex HMAC-SHA256(secret, timestamp + raw body), constant time, any of the secrets.

    A request that was captured stays a duplicate for as long as its event id is remembered; after that it must be too
    old. So `default_tolerance_s`, for a source that says nothing, is the dedup window. A timestamp that is no number is
    refused only where the source asks for fresh ones: it is signed, so nobody else can have written it.

    Raises:
        SenderError: 401.
    """
    if not signature or not timestamp:
        raise unsigned()
    given, signed = signature.strip().lower(), timestamp + body
    good = False
    for secret in source.webhook_secrets:
        # every secret is tried, so the time taken does not tell which one fitted
        ours = _keyed(secret).copy()
        ours.update(signed)
        good |= hmac.compare_digest(ours.hexdigest().encode(), given)
    if not good:
        raise _unauthorized("the signature does not fit this body and timestamp; is the shared secret right?")
    asked_s = source.signature_tolerance_s
    tolerance_s = default_tolerance_s if asked_s is None else asked_s
    if tolerance_s:
        signed_s = _signed_s(timestamp)
        if abs(now_s - signed_s) > tolerance_s if signed_s is not None else asked_s is not None:
            raise _unauthorized(f"the timestamp is not within {tolerance_s} s of now")


@functools.cache
def _keyed(secret: bytes) -> hmac.HMAC:
    """An HMAC that has taken its key in: half of the work for a short body."""
    return hmac.new(secret, digestmod="sha256")


def unsigned() -> SenderError:
    """The refusal of a webhook without a signature."""
    return _unauthorized("X-PURCHASELY-REQUEST-SIGNATURE and X-PURCHASELY-TIMESTAMP are both needed")


@functools.lru_cache(maxsize=64)
def _signed_s(timestamp: bytes) -> float | None:
    """A timestamp in Unix seconds; None when it is no number. Many requests of one second have the same."""
    text = timestamp.strip()
    if not text.isdigit() or len(text) > 17:
        return None
    signed_s = int(text)
    # seconds in the documentation's vector; milliseconds are understood too
    return signed_s / 1000 if signed_s > 100_000_000_000 else signed_s


def check_token(source: Source, authorization: bytes | None) -> None:
    """Check an upstream service's bearer token, in constant time, any of the tokens.

    Raises:
        SenderError: 401.
    """
    if not is_bearer(source.tokens, authorization):
        raise _unauthorized("Authorization: Bearer with one of the source's tokens is needed")


def is_bearer(tokens: Iterable[bytes], authorization: bytes | None) -> bool:
    """Whether a header is a bearer token that is one of these; looked at in constant time."""
    scheme, _, token = (authorization or b"").partition(b" ")
    # digests: comparing texts of different lengths would tell the length
    given = hashlib.sha256(token.strip()).digest()
    good = False
    for known in tokens:
        good |= hmac.compare_digest(hashlib.sha256(known).digest(), given)
    return good and scheme.lower() == b"bearer"


def _unauthorized(detail: str) -> SenderError:
    return SenderError(401, "Unauthorized", detail)
