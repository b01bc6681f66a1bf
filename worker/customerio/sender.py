"""Sender: one request with its retries, until it is answered; tenacity owns the clock here, and nowhere else."""

import time
from collections.abc import Callable
from typing import Protocol

import msgspec
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_result,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from worker.customerio.answer import Answer
from worker.customerio.verdict import Verdict, verdict


class Api(Protocol):
    """What is needed of the Track API."""

    def batch(self, body: bytes) -> Answer:
        """POST one batch."""
        ...


class Attempt(msgspec.Struct, frozen=True):
    """One attempt, for the dead letter: when (Unix ms), the status, what was said, how long it took."""

    at_ms: int
    status: int
    message: str
    took_ms: int


class Sender:
    """Sends a request body with retries: exponential waits with full jitter, Retry-After honoured up to a cap.

    No attempt begins later than `longest_s` after the first: a destination that does not even answer must not keep
    workers from the other integrations for all its attempts. What outlasts this is a hold.
    """

    def __init__(
        self,
        api: Api,
        attempts: int,
        retry_max_s: float,
        longest_s: float,
        sleep: Callable[[float], None] = time.sleep,
        pace: Callable[[], None] = lambda: None,
    ) -> None:
        self._api = api
        self._pace = pace
        self._longest_s = longest_s
        self._retry_max_s = retry_max_s
        self._jitter = wait_random_exponential(multiplier=0.25, max=retry_max_s)
        self._attempts = attempts
        self._sleep = sleep
        self.unproved = 0  # events refused in a row with nobody to compare; whoever is served ends it

    def send(self, body: bytes, before: Callable[[], None], *, once: bool = False) -> tuple[Answer, list[Attempt]]:
        """The last answer and all attempts. `before` runs ahead of each attempt and may raise to give up."""
        attempts: list[Attempt] = []

        def attempt() -> Answer:
            self._pace()
            before()  # at the very last: whoever waited or was stopped until here may have lost the lease
            at_ms = time.time_ns() // 1_000_000
            answer = self._api.batch(body)
            if verdict(answer.status) is Verdict.DONE and not answer.errors:
                self.unproved = 0
            attempts.append(Attempt(at_ms, answer.status, answer.message, answer.took_ms))
            return answer

        retrying = Retrying(
            stop=stop_after_attempt(1 if once else self._attempts) | stop_before_delay(self._longest_s),
            wait=self._wait_s,
            retry=retry_if_result(_again),
            retry_error_callback=_last_answer,
            sleep=self._sleep,
        )
        return retrying(attempt), attempts

    def _wait_s(self, state: RetryCallState) -> float:
        asked_s = _last_answer(state).retry_after_s
        return max(min(asked_s, self._retry_max_s), self._jitter(state))


def _again(answer: Answer) -> bool:
    return verdict(answer.status) is Verdict.AGAIN


def _last_answer(state: RetryCallState) -> Answer:
    assert state.outcome is not None
    answer: Answer = state.outcome.result()
    return answer
