"""Faults of Redis and the broker in words: why a server does not serve, and what to do about it."""

import re
import ssl

import redis
from redis import exceptions

from worker.process.broker_link import word_of
from worker.process.sentinels import (
    NoPrimaryError,
    PrimaryDownError,
    SentinelsAwayError,
    SentinelsRefuseError,
    ServiceUnknownError,
)

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
_BY_SENTINELS: dict[type[NoPrimaryError], tuple[str, str]] = {
    SentinelsAwayError: (
        "no Sentinel answers",
        "start them, or correct their addresses in {variable}; rediss+sentinel:// is for Sentinels with TLS",
    ),
    SentinelsRefuseError: (
        "no Sentinel says where the primary is",
        "correct sentinel_username and sentinel_password in {variable}; docs/redis.md has the rules of their user",
    ),
    ServiceUnknownError: (
        "the Sentinels know no service of this name",
        "write the name behind `sentinel monitor` in {variable}, as in redis+sentinel://HOST:PORT,HOST:PORT/NAME",
    ),
    PrimaryDownError: (
        "the Sentinels see the primary down",
        "a fail-over ends by itself; it needs a replica, and more than half of the Sentinels",
    ),
}
# By what OpenSSL says of it.
_BY_CERTIFICATE = {
    "has expired": ("it has ended", "renew it, or set the clock of this machine"),
    "not yet valid": ("its time has not begun", "set the clock of this machine, or wait until it has"),
    "ismatch": ("it is of another host", "write the host that is in the certificate in {variable}"),
}
_UNSIGNED = (
    "no authority that is known here has signed it",
    "name the authority that signed it in RELAY_REDIS_CA",
)
_BY_WORD = {
    "MISCONF": ("it cannot save to its disk", "make room on its disk, or see in its log what fails"),
    "NOREPLICAS": ("too few of its replicas are connected", "start them: it asks for min-replicas-to-write"),
    "BUSY": ("a script in it does not end", "end it with `redis-cli script kill`"),
}


def reason(fault: Exception) -> str:
    """Why a server does not serve, without what the client library adds (it may hold the address with its password)."""
    fault = _refusal(fault) or fault
    if isinstance(fault, NoPrimaryError) and type(fault) in _BY_SENTINELS:
        said = _BY_SENTINELS[type(fault)][0]
        cause = fault.__cause__  # of one that another process raised, Python's own with the traceback
        return f"{said}: {reason(cause)}" if isinstance(cause, (redis.RedisError, OSError)) else said
    if isinstance(fault, exceptions.NoPermissionError):
        return f"this user may not: {_forbidden(str(fault))}"
    if isinstance(fault, redis.AuthenticationError):
        return "it refuses the user or password"
    if wrong := of_certificate(fault):
        whose = "the Sentinels' certificate" if isinstance(fault, NoPrimaryError) else "its certificate"
        return f"{whose} cannot be verified: {wrong[0]}"
    if isinstance(fault, redis.TimeoutError):
        return "no answer in time"
    if found := _state(fault):
        return found[0]
    if isinstance(fault, redis.ResponseError):
        return "it has no database of this number" if "DB index" in str(fault) else word_of(fault)[:30]
    cause = fault if isinstance(fault, OSError) else fault.__cause__ or fault.__context__
    return getattr(cause, "strerror", None) or type(fault).__name__


def remedy(fault: BaseException, variable: str, *, moves: bool = False) -> str:
    """What to do about it. `moves`: another server takes over for one that is killed, which takes seconds."""
    fault = _refusal(fault) or fault
    if isinstance(fault, NoPrimaryError) and type(fault) in _BY_SENTINELS:
        return _BY_SENTINELS[type(fault)][1].format(variable=variable)
    if isinstance(fault, exceptions.NoPermissionError):
        return "docs/redis.md has the rules that its user needs"
    if isinstance(fault, redis.AuthenticationError):
        return f"correct the user and password in {variable} (%3F is written for ?, %25 for %)"
    if wrong := of_certificate(fault):
        return wrong[1].format(variable=variable)
    if found := _state(fault):
        return found[1].format(variable=variable)
    if moves and isinstance(fault, (redis.ConnectionError, redis.TimeoutError, OSError)):
        return f"a fail-over ends by itself, so try again in some seconds; else start it, or correct {variable}"
    return f"start it, or correct {variable}"


def of_certificate(fault: BaseException | None) -> tuple[str, str] | None:
    """What is wrong with a server's certificate, and the remedy; None: it is something else."""
    while fault is not None:
        if isinstance(fault, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(fault):
            said = str(fault)
            return next((wrong for words, wrong in _BY_CERTIFICATE.items() if words in said), _UNSIGNED)
        fault = fault.__cause__ or fault.__context__
    return None


def _refusal(fault: BaseException) -> redis.ResponseError | None:
    """What a server has refused, where Celery's connection takes that for a lost one."""
    cause = fault.__cause__
    return cause if isinstance(cause, redis.ResponseError) and not isinstance(fault, NoPrimaryError) else None


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
