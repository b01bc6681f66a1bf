"""The Track API's client against a server that breaks every rule: always an answer, never an exception, in time."""

import gzip
import json
import socket
import threading
import time

import msgspec
import pytest

from tests.support.fakes import integration
from tests.support.hostile import Hostile, answer
from tests.support.servers import free_port
from worker.customerio.answer import Answer, ItemError
from worker.customerio.track_api import TrackApi

TIMEOUT_S = 1.0
OK = answer(200, b"{}\n", "Content-Type: application/json")


def api(url):
    return TrackApi(msgspec.structs.replace(integration(), base_url=url), TIMEOUT_S)


def say(data):
    return lambda caller: caller.say(data)


def say_and_close(data):
    def behaviour(caller):
        caller.say(data)
        caller.close()

    return behaviour


def exchange(*behaviours):
    with Hostile(*behaviours) as server:
        started = time.monotonic()
        told = api(server.url).batch(b'{"batch":[]}')
        took_s = time.monotonic() - started
    assert told.took_ms <= took_s * 1000 + 1
    return told


def same(told, expected):
    """All but the time it took."""
    assert (told.status, told.message, told.errors, told.retry_after_s) == (
        expected.status,
        expected.message,
        expected.errors,
        expected.retry_after_s,
    )


def dripping(start, drop):
    def behaviour(caller):
        caller.say(start)
        done = threading.Event()
        for _ in range(100):
            caller.say(drop)
            done.wait(0.1)

    return behaviour


drip = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x")


def pouring(start, flood):
    """Says it again and again, as fast as it is read."""

    def behaviour(caller):
        caller.say(start)
        while True:
            caller.say(flood)

    return behaviour


def silence(caller):
    threading.Event().wait(5)


TOO_MUCH = b"x" * 1_200_000

BROKEN = {
    "reset before an answer": (lambda caller: caller.reset(), "connection failed (ConnectionResetError)"),
    "closed before an answer": (lambda caller: caller.close(), "connection failed (RemoteDisconnected)"),
    "not HTTP at all": (say_and_close(b"SSH-2.0-OpenSSH\r\n"), "connection failed (BadStatusLine)"),
    "half a head": (say_and_close(b"HTTP/1.1 200 OK\r\nDate: now"), "200 and no word on whether a body was to follow"),
    "cut in the middle": (
        say_and_close(answer(200, b'{"err', length=500)),
        "connection failed (IncompleteRead)",
    ),
    "cut chunks": (
        say_and_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}"),
        "connection failed (IncompleteRead)",
    ),
    "chunks of no size": (
        say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
        None,
    ),
    "an answer without end": (drip, "no answer in time"),
    "an answer too large": (say(answer(200, TOO_MUCH)), "the answer is too large"),
    "a bomb": (
        say(answer(200, gzip.compress(b"x" * 50_000_000), "Content-Encoding: gzip")),
        "the answer is too large",
    ),
    "a status line without end": (dripping(b"HTTP/1.1 2", b"0"), "no answer in time"),
    "headers that drip": (dripping(b"HTTP/1.1 200 OK\r\nX-A: ", b"x"), "no answer in time"),
    "interim answers that drip": (dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "no answer in time"),
    "chunks that drip": (
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;x=" + b"y" * 60 + b"\r\nz\r\n"),
        "no answer in time",
    ),
    "trailers that drip": (
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-T: 1\r\n"),
        "no answer in time",
    ),
    "interim answers without end": (pouring(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "the answer is too large"),
    "early hints without end": (pouring(b"", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"), "the answer is too large"),
    "headers without end": (
        pouring(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"x" * 9000 + b"\r\n"),
        "the answer is too large",
    ),
    "a header line without end": (pouring(b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 9000), "the answer is too large"),
    "not gzip": (say(answer(200, b"plain", "Content-Encoding: gzip")), None),
    "no answer": (silence, "no answer in time"),
    "a page of a proxy": (
        say(answer(200, b"<html>Please log in</html>", "Content-Type: text/html")),
        "200 with a body that is not JSON",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_exchange_is_a_fault_and_may_be_repeated(name):
    """Status 0, a line of words without address or body."""
    behaviour, message = BROKEN[name]
    told = exchange(behaviour)
    assert (told.status, told.errors) == (0, ())
    if message is not None:
        assert told.message == message
    assert told.message
    assert "127.0.0.1" not in told.message


def test_nobody_listens():
    """Refused connections are a fault like any other."""
    told = api(f"http://127.0.0.1:{free_port()}").batch(b"{}")
    assert (told.status, told.message) == (0, "connection failed (NewConnectionError)")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status):
    """A redirected POST would become a GET without its body, and the key would go to another host."""
    with Hostile(say(OK)) as other, Hostile(say(answer(status, b"", f"Location: {other.url}/api/v2/batch"))) as server:
        told = api(server.url).batch(b'{"batch":[]}')
        assert (len(server.requests), len(other.requests)) == (1, 0)
    assert (told.status, told.message) == (status, f"{status}: redirected to {other.url} (is the region right?)")


def drip_redirect(caller):
    caller.say(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n")
    done = threading.Event()
    for _ in range(100):
        caller.say(b"1\r\nx\r\n")
        done.wait(0.1)


def test_a_redirect_without_end_ends_too():
    """Its body is read within the same bounds."""
    assert exchange(drip_redirect).status == 0


@pytest.mark.parametrize("location", [b"\xff\xfe", b"http://[", b"http://:99999999/", b"x" * 5000, b""])
def test_a_redirect_to_nonsense_is_a_redirect(location):
    """The header is nothing but words."""
    told = exchange(say(b"HTTP/1.1 301 Moved\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"))
    assert told.status == 301
    assert len(told.message) < 200


SHAPES = [
    (OK, Answer(200, "200 Reason")),
    (answer(200, b""), Answer(200, "200 Reason")),
    (answer(207, b'{"errors":[]}'), Answer(207, "207 Reason")),
    (
        answer(207, json.dumps({"errors": [{"batch_index": 1, "field": "name", "reason": "required"}]}).encode()),
        Answer(207, "name: required", (ItemError(1, "name", "required"),)),
    ),
    (answer(207, b'{"errors":[{}]}'), Answer(207, "", (ItemError(-1, "", ""),))),
    (
        answer(200, b'{"errors":[{"batch_index":0,"message":"no"}]}'),
        Answer(200, "no", (ItemError(0, "", "no"),)),
    ),
    (answer(429, b"", "Retry-After: 7"), Answer(429, "429 Reason", retry_after_s=7)),
    (answer(400, b'{"meta":{"error":"bad request"}}'), Answer(400, "bad request")),
    (answer(413, b"<html>", "Content-Type: text/html"), Answer(413, "413 Reason")),
    (answer(200, gzip.compress(b'{"errors":[]}', mtime=0), "Content-Encoding: gzip"), Answer(200, "200 Reason")),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n0\r\n\r\n",
        Answer(200, "200 OK"),
    ),
]


@pytest.mark.parametrize(("data", "expected"), SHAPES)
def test_whole_answers_are_understood(data, expected):
    """Over a real socket, in every shape that was seen or may be."""
    told = exchange(say(data))
    same(told, expected)


def test_what_is_sent():
    """Path, key, type and the body to the byte; no environment's proxy or .netrc has a say."""
    with Hostile(say(OK)) as server:
        client = api(server.url)
        client.batch(b'{"batch":[1]}')
        client.batch(b'{"batch":[2]}')
        assert server.connections == 1
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /api/v2/batch HTTP/1.1"
    assert {"Authorization: Basic eDp4", "Content-Type: application/json", "Content-Length: 13"} <= set(lines)
    assert body == b'{"batch":[1]}'


def test_a_connection_that_was_closed_in_silence_is_a_fault_once():
    """The next attempt makes a new one."""
    with Hostile(say_and_close(OK), say(OK)) as server:
        client = api(server.url)
        told = [client.batch(b"{}").status for _ in range(3)]
    assert told[0] == 200
    assert told[-1] == 200


def test_a_fault_does_not_poison_the_connection():
    """What was left unread of one answer is never taken for the next one."""
    late = answer(200, b'{"errors":[{"batch_index":0,"reason":"of another batch"}]}')
    with Hostile(drip, say_and_close(answer(200, b"x", length=900)), say(late), say(OK)) as server:
        client = api(server.url)
        told = [client.batch(b"{}") for _ in range(4)]
        assert server.connections == 3
    assert [(one.status, one.errors) for one in told[:2]] == [(0, ()), (0, ())]
    assert [one.status for one in told[2:]] == [200, 200]
    assert told[2].errors
    assert not told[3].errors


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints\r\nLink: </a>"])
def test_an_interim_answer_is_not_the_answer(interim):
    """Taken for it, the real one would be believed to be that of the next request."""
    refused = answer(400, b'{"meta":{"error":"of the first batch"}}')
    with Hostile(say(b"HTTP/1.1 " + interim + b"\r\n\r\n" + refused), say(OK)) as server:
        client = api(server.url)
        told = [client.batch(b"{}") for _ in range(2)]
    assert [(one.status, one.message) for one in told] == [(400, "of the first batch"), (200, "200 Reason")]


def test_a_body_that_is_never_read_ends_in_time():
    """The clock runs while the request is sent, too."""
    sock = socket.create_server(("127.0.0.1", 0))
    with sock:
        told = api(f"http://127.0.0.1:{sock.getsockname()[1]}").batch(b"x" * 50_000_000)
        assert (told.status, told.message) == (0, "no answer in time")


def test_one_clock_from_the_first_byte_sent_to_the_last_byte_read():
    """Each part takes less than the time allowed; together they do not get more."""

    def slow(caller):
        wait = threading.Event().wait
        for part in (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", b"Content-Length: 2\r\n\r\n", b"{", b"}"):
            wait(0.6 * TIMEOUT_S)
            caller.say(part)

    told = exchange(slow)
    assert (told.status, told.message) == (0, "no answer in time")
    assert told.took_ms >= 900 * TIMEOUT_S


def test_cookies_are_neither_kept_nor_sent():
    """A server that sets another one with each answer must not make a worker grow."""
    cookies = [f"Set-Cookie: c{n}={'x' * 1000}; Path=/" for n in range(40)]
    with Hostile(say(answer(200, b"{}", *cookies))) as server:
        client = api(server.url)
        assert [client.batch(b"{}").status, client.region().status, client.batch(b"{}").status] == [200] * 3
        assert len(client._session.cookies) == 0
    assert not any(b"cookie" in request.lower() for request in server.requests)
