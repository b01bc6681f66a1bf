"""Answers that are not a 200."""

import asyncio
import json
import logging

import pytest
import redis

from worker.errors import NotStoredError, SenderError
from worker.ingest.problems import Answers, place, problem
from worker.ingest.roundtrip import refusal

SECRETIVE = 'ERR unknown: {"user_id": "jeff"}'


class Clock:
    """A clock that a test sets."""

    now_s = 100.0

    def __call__(self):
        return self.now_s


def raised(fault):
    try:
        raise fault
    except type(fault) as caught:
        return caught


def test_a_problem_has_the_members_of_rfc_9457():
    """A detail only when there is one."""
    answer = problem(405, "Not allowed", www_authenticate="x")
    assert json.loads(answer.body) == {"type": "about:blank", "title": "Not allowed", "status": 405}
    assert answer.headers == ((b"content-type", b"application/problem+json"), (b"www-authenticate", b"x"))
    assert json.loads(problem(413, "Too large", "cut it").body)["detail"] == "cut it"


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (NotStoredError("memory"), "memory"),
        (redis.exceptions.OutOfMemoryError("command not allowed"), "memory"),
        (redis.exceptions.ReadOnlyError("You can't write against a read only replica."), "readonly"),
        (redis.exceptions.BusyLoadingError("Redis is loading the dataset in memory"), "loading"),
        (redis.exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left"), "disk"),
        (redis.exceptions.AuthenticationError("invalid username-password pair"), "password"),
        (redis.exceptions.ConnectionError("Connection refused"), "connection"),
        (redis.exceptions.TimeoutError("Timeout reading"), "timeout"),
        (TimeoutError(), "timeout"),
        (ConnectionResetError(), "connection"),
        (asyncio.CancelledError(), "stopping"),
        (redis.exceptions.ResponseError(SECRETIVE), "refused"),
        (ValueError(SECRETIVE), "refused"),
    ],
)
def test_what_kept_redis_from_storing_is_one_fixed_word(fault, word):
    """For the log, for the answer; never the server's own text."""
    assert refusal(fault) == word


@pytest.mark.parametrize(
    ("fault", "title"),
    [
        (redis.exceptions.ResponseError(SECRETIVE), "Not stored"),
        (ConnectionRefusedError(SECRETIVE), "Not stored"),
        (asyncio.CancelledError(SECRETIVE), "Stopping"),
        (ValueError(SECRETIVE), "Unavailable"),
    ],
)
def test_what_is_not_the_senders_fault_asks_it_to_come_again(fault, title, caplog):
    """503 with Retry-After, and not a word of what the fault says."""
    answer = Answers().to(raised(fault), "/v1/events/app")
    assert answer.status == 503
    assert (b"retry-after", b"5") in answer.headers
    assert json.loads(answer.body)["title"] == title
    assert "jeff" not in caplog.text + answer.body.decode()
    assert len(caplog.messages) == 1


def test_our_own_fault_is_logged_by_kind_and_place(caplog):
    """Whoever is on call finds the line."""
    Answers().to(raised(ValueError(SECRETIVE)), "/")
    [line] = caplog.messages
    assert line.startswith("unexpected fault=ValueError at=test_problems.py:")
    assert line.endswith(":raised times=1")


@pytest.mark.parametrize(("path", "scheme"), [("/v1/events/app", "Bearer"), ("/webhooks/x", "Purchasely-Signature")])
def test_who_is_not_known_hears_how_to_say_it(path, scheme):
    """RFC 9110 demands it of a 401."""
    answer = Answers().to(SenderError(401, "Unauthorized", "a token"), path)
    assert answer.status == 401
    assert (b"www-authenticate", scheme.encode()) in answer.headers


def test_the_same_fault_is_logged_once_a_second(caplog):
    """A dead server must not fill the disk; what was not said is counted."""
    clock = Clock()
    answers = Answers(clock)
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        answers.to(NotStoredError("memory"), "/")
    answers.to(NotStoredError("timeout"), "/")
    clock.now_s += 1
    answers.to(NotStoredError("memory"), "/")
    answers.to(NotStoredError("memory"), "/")
    assert caplog.messages == [
        "not_stored reason=memory times=1",
        "not_stored reason=timeout times=1",
        "not_stored reason=memory times=3",
    ]


def test_a_sender_that_is_set_up_wrongly_is_seen_in_the_log(caplog):
    """By the kind of route and the status, never by what it sent; a scanner fills no disk."""
    clock = Clock()
    answers = Answers(clock)
    caplog.set_level(logging.WARNING)
    for path in ("/webhooks/purchasely/app", "/webhooks/purchasely/x\nforged", "/v1/events/app", "/metrics"):
        answers.to(SenderError(401, "Unauthorized", "no"), path)
    clock.now_s += 61
    answers.to(SenderError(401, "Unauthorized", "no"), "/webhooks/purchasely/app")
    assert caplog.messages == [
        "sender_refused route=webhook status=401 times=1",
        "sender_refused route=events status=401 times=1",
        "sender_refused route=other status=401 times=1",
        "sender_refused route=webhook status=401 times=2",
    ]


def test_a_fault_that_was_never_raised_has_no_place():
    """Nothing breaks on it."""
    assert place(ValueError()) == "unknown"
