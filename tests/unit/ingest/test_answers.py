"""Answers that are not a 200."""

import asyncio
import json
import logging

import falcon.asgi
import pytest
import redis

from worker.answers import Faults, place, problem, send_problem
from worker.errors import NotStoredError
from worker.roundtrip import refusal

SECRETIVE = 'ERR unknown: {"user_id": "jeff"}'


class Clock:
    """A clock that a test sets."""

    now_s = 100.0

    def __call__(self):
        return self.now_s


def answer(handle, fault):
    resp = falcon.asgi.Response()
    asyncio.run(handle(None, resp, fault, {}))
    return resp


def raised(fault):
    try:
        raise fault
    except type(fault) as caught:
        return caught


def test_a_problem_has_the_members_of_rfc_9457():
    """A detail only when there is one."""
    assert json.loads(problem(404, "Not found")) == {"type": "about:blank", "title": "Not found", "status": 404}
    assert json.loads(problem(413, "Too large", "cut it"))["detail"] == "cut it"


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


@pytest.mark.parametrize("fault", [redis.exceptions.ResponseError(SECRETIVE), ConnectionRefusedError(SECRETIVE)])
def test_a_fault_of_redis_asks_the_sender_to_come_again(fault, caplog):
    """503 with Retry-After, and not a word of what the fault says."""
    resp = answer(Faults().not_stored, raised(fault))
    assert resp.status_code == 503
    assert resp.get_header("Retry-After") == "5"
    assert json.loads(resp.data)["title"] == "Not stored"
    assert "jeff" not in caplog.text + resp.data.decode()


def test_our_own_fault_is_logged_by_kind_and_place(caplog):
    """The sender comes again; whoever is on call finds the line, and no content."""
    resp = answer(Faults().unexpected, raised(ValueError(SECRETIVE)))
    assert resp.status_code == 503
    assert resp.get_header("Retry-After") == "5"
    assert "jeff" not in caplog.text + resp.data.decode()
    [line] = caplog.messages
    assert line.startswith("unexpected fault=ValueError at=test_answers.py:")
    assert line.endswith(":raised times=1")


def test_the_same_fault_is_logged_once_a_second(caplog):
    """A dead server must not fill the disk; what was not said is counted."""
    clock = Clock()
    faults = Faults(clock)
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        answer(faults.not_stored, NotStoredError("memory"))
    answer(faults.not_stored, NotStoredError("timeout"))
    clock.now_s += 1
    answer(faults.not_stored, NotStoredError("memory"))
    answer(faults.not_stored, NotStoredError("memory"))
    assert caplog.messages == [
        "not_stored reason=memory times=1",
        "not_stored reason=timeout times=1",
        "not_stored reason=memory times=3",
    ]


def test_a_fault_that_was_never_raised_has_no_place():
    """Nothing breaks on it."""
    assert place(ValueError()) == "unknown"


def test_a_problem_from_outside_of_falcon_closes_the_connection():
    """It is the last answer there."""
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(send_problem(send, 503, "Unavailable", "send again"))
    start, body = sent
    headers = dict(start["headers"])
    assert start["status"] == 503
    assert headers[b"connection"] == b"close"
    assert headers[b"retry-after"] == b"5"
    assert headers[b"content-length"] == str(len(body["body"])).encode()
