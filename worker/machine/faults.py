"""Faults of Redis and the broker in words: why a server does not serve, and what to do about it."""

import re
import ssl

import redis
from redis import exceptions

from worker.process.broker_link import word_of

# By the class of the refusal, or by the word that it begins with: what the server says of itself, and the remedy.
_BY_CLASS: tuple[tuple[type[Exception], str, str], ...] = (
    (
        exceptions.ReadOnlyError,
        "it is a replica and takes no writes",
        "name the primary in {variable}; a fail-over ends by itself",
    ),
    (
        exceptions.MasterDownError,
        "it is a replica that has lost its primary",
        "start the primary, or name it in {variable}; a fail-over ends by itself",
    ),
    (
        exceptions.ClusterDownError,
        "a part of the cluster is away",
        "start its nodes; a fail-over ends by itself",
    ),
    (
        exceptions.OutOfMemoryError,
        "its memory is full",
        "raise its maxmemory; docs/scaling.md says how much is needed",
    ),
    (
        exceptions.BusyLoadingError,
        "it reads its files after a start",
        "wait until it has; its log says how far it is",
    ),
)
_BY_WORD = {
    "MISCONF": ("it cannot save to its disk", "make room on its disk, or see in its log what fails"),
    "NOREPLICAS": ("too few of its replicas are connected", "start them: it asks for min-replicas-to-write"),
    "BUSY": ("a script in it does not end", "end it with `redis-cli script kill`"),
}


def reason(fault: Exception) -> str:
    """Why a server does not serve, without what the client library adds (it may hold the address with its password)."""
    if isinstance(fault, exceptions.NoPermissionError):
        return f"this user may not: {_forbidden(str(fault))}"
    if isinstance(fault, redis.AuthenticationError):
        return "it refuses the user or password"
    if is_certificate(fault):
        return "its certificate cannot be verified"
    if isinstance(fault, redis.TimeoutError):
        return "no answer in time"
    if found := _state(fault):
        return found[0]
    if isinstance(fault, redis.ResponseError):
        return "it has no database of this number" if "DB index" in str(fault) else word_of(fault)[:30]
    cause = fault.__cause__ or fault.__context__
    return getattr(cause, "strerror", None) or type(fault).__name__


def remedy(fault: BaseException, variable: str) -> str:
    """What to do about it."""
    if isinstance(fault, exceptions.NoPermissionError):
        return "docs/redis.md has the rules that its user needs"
    if isinstance(fault, redis.AuthenticationError):
        return f"correct the user and password in {variable} (%23 is written for #, %40 for @)"
    if is_certificate(fault):
        return f"name the authority that signed it in RELAY_REDIS_CA; the host of {variable} must be in the certificate"
    if found := _state(fault):
        return found[1].format(variable=variable)
    return f"start it, or correct {variable}"


def is_certificate(fault: BaseException | None) -> bool:
    """Whether the server's certificate is what is wrong."""
    while fault is not None:
        if isinstance(fault, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(fault):
            return True
        fault = fault.__cause__ or fault.__context__
    return False


def _state(fault: BaseException) -> tuple[str, str] | None:
    """What a server that answers says of itself, and the remedy."""
    for kind, *said in _BY_CLASS:
        if isinstance(fault, kind):
            return said[0], said[1]
    return _BY_WORD.get(word_of(fault)) if isinstance(fault, redis.ResponseError) else None


def _forbidden(text: str) -> str:
    """What the server refuses: `the 'info' command`, or `its keys` (their names are left out)."""
    found = re.search(r"'([a-z|]{1,30})' command", text)
    return f"the command {found[1].upper()}" if found else "these keys or channels"
