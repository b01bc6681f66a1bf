"""Sentinels: asked in turn where the primary is, once each, and where none names one, why that is so.

All who ask begin with the same one for as long as it answers: for seconds after a fail-over another may name the
former primary, and a process that believed both in turn would write to either.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.sentinel import MasterNotFoundError, Sentinel

_ASKING: Final = "a Sentinel was asked"
_UNSETTLED = frozenset({"s_down", "o_down", "failover_in_progress"})


class NoPrimaryError(MasterNotFoundError):
    """No Sentinel names a primary; the fault of the one that says most about why is its cause."""


class SentinelsAwayError(NoPrimaryError):
    """None of them answers."""


class SentinelsRefuseError(NoPrimaryError):
    """One that answers refuses the user, the password, or the question."""


class SentinelsUnverifiedError(NoPrimaryError):
    """The certificate of one cannot be verified."""


class ServiceUnknownError(NoPrimaryError):
    """They answer, and none knows a service of this name."""


class PrimaryDownError(NoPrimaryError):
    """They answer, and see the primary down."""


class BriefSentinel(Sentinel):
    """The Sentinels of one service, for commands, workers and Celery; connections to them are closed again."""

    @classmethod
    def over(cls, other: Any) -> "BriefSentinel":
        """The same Sentinels as another client's."""
        make: Any = cls  # redis-py has no types for it
        made: BriefSentinel = make([], sentinel_kwargs=other.sentinel_kwargs, **other.connection_kwargs)
        made.sentinels = other.sentinels
        return made

    def discover_master(self, service_name: str) -> Any:
        """Host and port of the primary.

        Raises:
            NoPrimaryError: no Sentinel names one.
        """
        answers: list[object] = []
        for one in list(self.sentinels):
            answer: object = None
            try:
                answer = one.sentinel_masters()
            except (RedisError, OSError) as fault:
                answers.append(fault)
            finally:
                if answer is None:  # nor did it for who would not wait: the next one is asked first
                    self.sentinels = _last(self.sentinels, one)
                one.connection_pool.disconnect(inuse_connections=False)
            if found := _named(answer, service_name):
                return found
            if answer is not None:
                answers.append(answer)
        raise _why(answers, service_name)

    def are_settled_on(self, service_name: str, run_id: str, *, alone: bool) -> bool:
        """Whether this server is the primary and stays it: all who answer name it, and none is replacing it.

        One that is `alone`, without a replica where they know of some, may just have been replaced, or may be before
        others have followed it.
        """
        states = [found[service_name] for one in list(self.sentinels) if service_name in (found := _states(one))]
        return bool(states) and all(
            state["runid"] == run_id
            and not _UNSETTLED & set(state["flags"].split(","))
            and not (alone and state["num-slaves"])
            for state in states
        )


class AsyncBriefSentinel(AsyncSentinel):
    """The same, for the web door."""

    async def discover_master(self, service_name: str) -> Any:
        """Host and port of the primary.

        Raises:
            NoPrimaryError: no Sentinel names one.
        """
        answers: list[object] = []
        for one in list(self.sentinels):
            answer: object = None
            try:
                answer = await one.sentinel_masters()
            except (RedisError, OSError) as fault:
                answers.append(fault)
            except asyncio.CancelledError as leaving:
                leaving.args = (_ASKING,)
                raise
            finally:
                if answer is None:  # nor did it for who would not wait: the next one is asked first
                    self.sentinels = _last(self.sentinels, one)
                await one.connection_pool.disconnect(inuse_connections=False)
            if found := _named(answer, service_name):
                return found
            if answer is not None:
                answers.append(answer)
        raise _why(answers, service_name)


def is_of_sentinels(fault: BaseException) -> bool:
    """Whether there is no primary for want of Sentinels: they name none, or a time ended while one was asked."""
    behind = fault.__cause__ if isinstance(fault, TimeoutError) else None
    return isinstance(fault, NoPrimaryError) or (
        isinstance(behind, asyncio.CancelledError) and behind.args == (_ASKING,)
    )


def _last(all_of_them: Iterable[Any], one: Any) -> list[Any]:
    """Them with this one at the end; a new list, since other threads may be going through the former one."""
    return [*(each for each in all_of_them if each is not one), one]


def _states(sentinel: Any) -> dict[str, dict[str, Any]]:
    """What one says of each service; nothing, where it does not answer."""
    try:
        found: dict[str, dict[str, Any]] = sentinel.sentinel_masters()
    except (RedisError, OSError):
        return {}
    finally:
        sentinel.connection_pool.disconnect(inuse_connections=False)
    return found


def _named(answer: object, service: str) -> tuple[str, int] | None:
    """The primary, where a Sentinel has answered and sees it up."""
    state = answer.get(service) if isinstance(answer, dict) else None
    if not state or not state["is_master"] or state["is_sdown"] or state["is_odown"]:
        return None
    return state["ip"], state["port"]


def _why(answers: Iterable[object], service: str) -> NoPrimaryError:
    """The error that says most: what only a person can fix before what may pass."""
    faults = [one for one in answers if isinstance(one, Exception)]
    seen: list[dict[str, object]] = [one for one in answers if isinstance(one, dict)]
    refusals = [one for one in faults if isinstance(one, (AuthenticationError, ResponseError))]
    unverified = [one for one in faults if "CERTIFICATE_VERIFY_FAILED" in str(one)]
    if any(service in one for one in seen):
        return PrimaryDownError(f"the Sentinels see no primary of {service!r} up")
    if seen:
        return ServiceUnknownError(f"the Sentinels know no service {service!r}")
    if refusals:
        return _caused(SentinelsRefuseError("the Sentinels refuse"), refusals[0])
    if unverified:
        return _caused(SentinelsUnverifiedError("the Sentinels' certificates cannot be verified"), unverified[0])
    return _caused(SentinelsAwayError("no Sentinel answers"), *faults[-1:])


def _caused(error: NoPrimaryError, *cause: Exception) -> NoPrimaryError:
    error.__cause__ = next(iter(cause), None)
    return error
