"""HTTP at its edges: methods, framing, slow and broken senders."""

import contextlib
import socket
import threading

import pytest

from tests.integration.ingest.test_ingest_webhook import is_problem
from tests.support.door import TOKEN, bearer, head, make_parts, read_all, running, signed
from tests.support.waiting import elapse, until
from worker.ingest import protocol as connection
from worker.ingest.departure import MOST_TRIPS

LINES = "Content-Type: application/x-ndjson"
POST_ROUTES = ["/webhooks/purchasely/app", "/v1/events/app"]
GET_ROUTES = ["/healthz", "/readyz", "/metrics", "/openapi.json"]
METHODS = ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "PURGE"]


@pytest.fixture
def impatient(monkeypatch):
    """A door that waits no longer than a moment for the rest of a request."""
    monkeypatch.setattr(connection, "PATIENCE_S", 0.3)
    monkeypatch.setattr(connection, "_LOOK_S", 0.1)


def status_of(reply):
    assert reply.startswith(b"HTTP/1.1 "), reply
    return int(reply.split(b" ", 2)[1])


@pytest.mark.parametrize("path", POST_ROUTES)
@pytest.mark.parametrize("method", METHODS)
def test_only_post_brings_events(door, path, method):
    """405 with Allow."""
    answer = door.ask(method, path)
    assert answer.status == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"] == "POST"
    assert answer.body == b"" if method == "HEAD" else answer.json["status"] == 405


@pytest.mark.parametrize("path", GET_ROUTES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_what_is_read_is_not_written(door, path, method):
    """405 with Allow."""
    answer = door.ask(method, path, b"{}")
    is_problem(answer, 405)
    assert answer.headers["allow"].startswith("GET")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_health_check_may_be_a_head(door, path):
    """Some balancers ask that way; the answer has no body, and the connection goes on."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as one:
        for _ in range(2):
            one.sendall(f"HEAD {path} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
            reply = one.recv(65536)
            assert status_of(reply) == 200
            assert reply.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/events", "/v1/events/", "/v1/events//", "/v1/events/app//", "/v1/events/app/x", "//", "/%00"],
)
def test_an_unknown_path_is_not_found(door, path):
    """404, as a problem that names the paths there are."""
    detail = is_problem(door.ask("POST", path, b"{}", {"Authorization": f"Bearer {TOKEN}"}), 404)
    assert "/v1/events/SOURCE (POST)" in detail


@pytest.mark.parametrize(
    "path",
    [
        "/v1%2Fevents/app",
        "/v1/%65vents/app",
        "/v1/events/%61pp",
        "/v1/events%2Fapp",
        "/%68ealthz",
        "/metrics%2f",
        "/%6detrics",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_has_one_spelling(door, method, path):
    """A proxy that guards /v1 or /metrics looks at the path as it was sent; so does the door."""
    answer = door.ask(method, path, b"{}" if method == "POST" else None, {"Authorization": f"Bearer {TOKEN}"})
    assert "written with %" in is_problem(answer, 404)
    assert door.stored() == []


def test_a_slash_at_the_end_changes_nothing(door):
    """A URL that somebody completed by hand in a console works."""
    assert door.post([{"event_id": "a"}], source="app/").status == 200
    assert door.webhook({"event_id": "b"}, source="app/").status == 200
    assert door.ask("GET", "/healthz/").status == door.ask("GET", "/readyz/").status == 200
    assert door.ask("GET", "/v1/events/app/").status == 405


@pytest.mark.parametrize("path", [b"/", b"/x", b"/healthz", b"/v1/events/app", b"/webhooks/purchasely/app"])
def test_a_request_line_without_a_version_is_refused(door, caplog, path):
    """A client of 1991, or a probe: no fault of ours, and no line in the log."""
    reply = door.raw(b"GET %b\r\n\r\n" % path)
    assert b"application/problem+json" in reply
    assert status_of(reply) in {400, 405}
    assert "unexpected" not in caplog.text


def test_the_begin_of_the_next_request_does_not_cost_the_answer_to_this_one(door):
    """80 kB, signed, and some bytes more in the same packet: the head that is not whole yet is short."""
    body = b'{"event_id":"big","x":"%b"}' % (b"x" * 80_000)
    lines = [f"{name}: {value}" for name, value in signed(body).items()]
    path = "/webhooks/purchasely/app"
    one = head(path, f"Content-Length: {len(body)}", *lines).replace(b"Connection: close\r\n", b"") + body
    small = signed(b"{}")
    next_one = head(path, "Content-Length: 2", *[f"{name}: {value}" for name, value in small.items()]) + b"{}"
    for cut in (1, 5, 60):
        reply = door.raw(one + next_one[:cut], next_one[cut:], pause_s=0.05)
        assert reply.count(b"HTTP/1.1 200") == 2, reply[:300]
    assert len(door.stored()) == 2


def test_a_head_behind_a_whole_request_is_bounded_too(door):
    """Only what came in one piece with the request before is not counted."""
    body = b'{"event_id":"a"}'
    first = bearer("/v1/events/app", f"Content-Length: {len(body)}").replace(b"Connection: close\r\n", b"") + body
    flood = b"POST /v1/events/app HTTP/1.1\r\nHost: d\r\n" + b"X-A: 1\r\n" * 40_000
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as one:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            one.sendall(first + flood[:100])
            assert status_of(one.recv(65536)) == 200
            one.sendall(flood[100:])
        reply = read_all(one)
    assert reply == b"" or status_of(reply) == 431


@pytest.mark.parametrize("pause_s", [0, 0.05])
def test_a_trailer_is_no_header(door, pause_s):
    """What comes behind the body cannot sign or authorize it, and says nothing of how to read it."""
    chunked = b"2\r\n{}\r\n0\r\n"
    for path, lines in (
        ("/v1/events/app", [f"Authorization: Bearer {TOKEN}"]),
        ("/webhooks/purchasely/app", [f"{name}: {value}" for name, value in signed(b"{}").items()]),
    ):
        trailer = "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"
        request = head(path, "Transfer-Encoding: chunked")
        assert status_of(door.raw(request + chunked[:7], chunked[7:] + trailer, pause_s=pause_s)) == 401
        assert status_of(door.raw(request + chunked + trailer)) == 401
    spoilt = bearer("/v1/events/app", "Transfer-Encoding: chunked") + chunked + b"Content-Encoding: gzip\r\n\r\n"
    assert status_of(door.raw(spoilt)) == 200


def test_the_figures_are_served(door):
    """In Prometheus's form."""
    door.webhook({"event_id": "a"})
    answer = door.ask("GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b'relay_stored_events_total{source="app"} 1.0' in answer.body


def test_health_and_readiness(door):
    """Alive; able to store."""
    assert door.ask("GET", "/healthz").json == {"status": "alive"}
    assert door.ask("GET", "/readyz").json["status"] == "ready"


@pytest.mark.parametrize("query", [b"?x=1", b"?%ff", b"?", b"?a&b=&;;", b"?" + b"x" * 20_000])
def test_a_query_means_nothing(door, query):
    """Not even one that decodes to no text."""
    reply = door.raw(
        bearer().replace(b"/app ", b"/app" + query + b" ").replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n{}")
    )
    assert status_of(reply) == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /v1/events/app HTTP/9.9\r\n\r\n",
        b"POST /\xff\xfe HTTP/1.1\r\nHost: d\r\n\r\n",
        b"POST /v1/events/app?\xff HTTP/1.1\r\nHost: d\r\n\r\n",
        b"NONSENSE / HTTP/1.1\r\nHost: d\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        bearer("/v1/events/app", "Content-Length: -1"),
        bearer("/v1/events/app", "Content-Length: two"),
        bearer("/v1/events/app", "Content-Length: 2", "Content-Length: 3"),
        bearer("/v1/events/app", "Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        bearer("/v1/events/app", "Transfer-Encoding: chunked, gzip") + b"2\r\n{}\r\n0\r\n\r\n",
        bearer("/v1/events/app", "Transfer-Encoding: chunked") + b"zz\r\n{}\r\n0\r\n\r\n",
        bearer("/v1/events/app", "Transfer-Encoding: chunked") + b"ffffffffffffffffff\r\n{}",
        b"CONNECT door:443 HTTP/1.1\r\nHost: door\r\n\r\n",
    ],
    ids=repr,
)
def test_what_is_no_http_is_refused(door, request_bytes):
    """400 as a problem, and nothing is stored; requests hidden in others' framing are not seen."""
    reply = door.raw(request_bytes)
    assert status_of(reply) in {400, 404, 405}
    assert b"application/problem+json" in reply
    assert door.stored() == []


@pytest.mark.parametrize("path", ["/v1/events/app", "/webhooks/purchasely/app", "/healthz", "/nothing"])
@pytest.mark.parametrize("hosts", [b"", b"Host: d\r\nhost: d\r\n", b"HOST: d\r\nHost: evil\r\n"], ids=repr)
def test_a_request_has_one_host(door, path, hosts):
    """Two, or in HTTP/1.1 none, were taken: whoever is in front may go by another one (RFC 9112, section 3.2)."""
    body = b'{"event_id":"a"}'
    lines = [f"{name}: {value}" for name, value in signed(body).items()] + [f"Content-Length: {len(body)}"]
    raw = bearer(path, *lines).replace(b"Host: door\r\n", hosts) + body
    reply = door.raw(raw)
    assert status_of(reply) == 400
    assert b'"detail":"a request has one Host header; send it once"' in reply
    assert b"application/problem+json" in reply
    assert door.stored() == []


def test_a_request_of_http_1_0_needs_no_host(door):
    """Some that look whether a server lives send none; two are too many there as well."""
    assert status_of(door.raw(b"GET /healthz HTTP/1.0\r\n\r\n")) == 200
    assert status_of(door.raw(b"GET /healthz HTTP/1.0\r\nHost: d\r\nHost: d\r\n\r\n")) == 400


def test_a_request_with_two_hosts_behind_another_is_not_taken(door):
    """The one before it is answered, and its connection ends; so it is where both asked for another protocol."""
    first, second = bearer("/v1/events/app", "Content-Length: 16"), bearer("/v1/events/app", "Content-Length: 16")
    first = first.replace(b"Connection: close\r\n", b"")
    double = second.replace(b"Host: door\r\n", b"Host: door\r\nHost: door\r\n")
    for begin in (first + b'{"event_id":"a"}', asking(b'{"event_id":"b"}')):
        reply = door.raw(begin + double + b'{"event_id":"c"}')
        assert reply.startswith(b"HTTP/1.1 200"), reply
        assert reply.count(b"HTTP/1.1 ") == 1, reply
    assert sorted(door.stored()) == [b'{"event_id":"a"}', b'{"event_id":"b"}']


def test_a_websocket_is_not_offered(door):
    """The request is one like any other."""
    reply = door.raw(
        head("/healthz", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: eA==", method="GET")
    )
    assert status_of(reply) < 500


UPGRADE = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)


def asking(body, *lines, framing=""):
    """What Java's HttpClient sends of each of its own: it asks for HTTP/2, and sends the body all the same."""
    framing = framing or f"Content-Length: {len(body)}"
    return bearer("/v1/events/app", *UPGRADE, framing, *lines).replace(b"Connection: close\r\n", b"") + body


def test_a_request_that_asks_for_another_protocol_keeps_its_body(door):
    """To the parser it had none: the event was refused as no JSON. Whole, in pieces, chunked, one behind another."""
    first, *others = [asking(b'{"event_id":"%d"}' % number) for number in range(4)]
    cut = first.index(b'{"event') + 3
    chunked = asking(b'5\r\n{"eve\r\nb\r\nnt_id":"4"}\r\n0\r\n\r\n', framing="Transfer-Encoding: chunked")
    last = bearer("/v1/events/app", "Content-Length: 16") + b'{"event_id":"5"}'
    reply = door.raw(first[:30], first[30:cut], first[cut:], b"".join(others), chunked, last, pause_s=0.05)
    assert reply.count(b"HTTP/1.1 200") == 6, reply
    assert sorted(door.stored()) == [b'{"event_id":"%d"}' % number for number in range(6)]


def test_a_request_without_a_body_may_ask_too(door, caplog):
    """And what follows is served; no line in the log."""
    ask = head("/healthz", *UPGRADE, method="GET").replace(b"Connection: close\r\n", b"")
    reply = door.raw(ask, ask + head("/healthz", method="GET"), pause_s=0.05)
    assert reply.count(b"HTTP/1.1 200") == 3, reply
    assert "upgrade" not in caplog.text.lower()


def test_nonsense_behind_a_request_that_asks_is_refused(door):
    """After the answer to the request itself."""
    reply = door.raw(asking(b'{"event_id":"a"}') + b"\0\0 no HTTP\r\n\r\n")
    assert status_of(reply) == 200
    assert door.stored() == [b'{"event_id":"a"}']


def test_chunks_make_a_body(door):
    """Of any size, with extensions and trailers."""
    reply = door.raw(
        bearer("/v1/events/app", "Transfer-Encoding: chunked"),
        b'5;x=y\r\n[{"ev\r\n',
        b'10\r\nent_id":"a"},{}]\r\n0\r\nX-Trailer: 1\r\n\r\n',
        pause_s=0.02,
    )
    assert status_of(reply) == 200
    assert door.stored() == [b'{"event_id":"a"}', b"{}"] or len(door.stored()) == 2


def test_chunks_over_the_limit_are_refused(door):
    """Like any other body."""
    piece = b"%x\r\n%b\r\n" % (65536, b" " * 65536)
    reply = door.raw(bearer("/v1/events/app", "Transfer-Encoding: chunked"), piece * 80, b"0\r\n\r\n")
    assert status_of(reply) == 413


def test_a_limit_may_be_small(tmp_path, redis_url, environ):
    """It holds for a body that comes in one piece, too."""
    with running(make_parts(tmp_path, redis_url, max_body_bytes=1024)) as small:
        assert small.post(b"[" + b" " * 1022 + b"]").status == 200
        is_problem(small.post(b"[" + b" " * 1023 + b"]"), 413)
        is_problem(small.webhook(b"{" + b" " * 1023 + b"}"), 413)


def test_endless_chunks_are_cut_off(door):
    """However long they go on; the memory of one piece is all they take."""
    piece = b"%x\r\n%b\r\n" % (65536, b" " * 65536)
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as one:
        one.sendall(bearer("/v1/events/app", "Transfer-Encoding: chunked"))
        sent = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < 40_000_000:
                one.sendall(piece)
                sent += len(piece)
        reply = read_all(one)
    assert reply == b"" or status_of(reply) == 413
    assert sent < 40_000_000


def test_an_announced_body_over_the_limit_is_refused_at_once(door):
    """Before it is sent."""
    reply = door.raw(bearer("/v1/events/app", "Content-Length: 99999999999999999999") + b"[")
    assert status_of(reply) in {400, 413}
    reply = door.raw(bearer("/v1/events/app", "Content-Length: 6000000") + b"[")
    assert status_of(reply) == 413


def test_a_body_shorter_than_announced_is_no_request(door):
    """A sender that breaks off stores nothing, not even the whole lines that came."""
    body = b'{"event_id":"a"}\n{"event_id":"b"}\n'
    for framing, sent in (
        (f"Content-Length: {len(body) + 10}", body),
        ("Transfer-Encoding: chunked", b"%x\r\n%b\r\n" % (len(body), body)),
    ):
        with socket.create_connection(("127.0.0.1", door.port), timeout=30) as one:
            one.sendall(bearer("/v1/events/app", LINES, framing) + sent)
            elapse(0.05)
    assert door.post([{"event_id": "c"}]).json == {"accepted": 1, "duplicates": 0}
    assert door.stored() == [b'{"event_id": "c"}']


def test_a_body_longer_than_announced_is_not_read(door):
    """The rest would be the next request, and is none."""
    reply = door.raw(bearer("/v1/events/app", "Content-Length: 2").replace(b"close", b"keep-alive") + b"{}{}\r\n\r\n")
    assert status_of(reply) == 200
    assert reply.count(b"HTTP/1.1 ") == 1
    assert door.stored() == [b"{}"]


def test_a_sender_may_ask_before_it_sends(door):
    """Expect: 100-continue, as curl sends it with large bodies."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as one:
        one.sendall(bearer("/v1/events/app", "Content-Length: 2", "Expect: 100-continue"))
        assert one.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        one.sendall(b"{}")
        assert status_of(read_all(one)) == 200


def test_a_connection_serves_many_requests(door):
    """One after the other, and sent ahead of their answers."""
    request = bearer("/v1/events/app", "Content-Length: 2").replace(b"Connection: close\r\n", b"") + b"{}"
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as one:
        for _ in range(3):
            one.sendall(request)
            assert status_of(one.recv(65536)) == 200
        one.sendall(request * 4 + bearer("/v1/events/app", "Content-Length: 2") + b"{}")
        assert read_all(one).count(b"HTTP/1.1 200") == 5


def test_an_answer_says_whether_it_is_the_last(door):
    """Whole, dated, with its length; the connection is closed when the sender asked for that, and only then."""
    request = bearer("/v1/events/app", "Content-Length: 2") + b"{}"
    last = door.raw(request)
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as one:
        one.sendall(request.replace(b"Connection: close\r\n", b""))
        other = one.recv(65536)
    for reply in (last, other):
        lines, _, body = reply.partition(b"\r\n\r\n")
        assert lines.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
        assert b"\r\ncontent-type: application/json\r\ncontent-length: %d" % len(body) in lines
    assert b"\r\nconnection: close" in last
    assert b"\r\nconnection:" not in other


def test_an_old_client_is_served(door):
    """HTTP/1.0, which closes after the answer."""
    reply = door.raw(bearer("/v1/events/app", "Content-Length: 2").replace(b"HTTP/1.1", b"HTTP/1.0") + b"{}")
    assert status_of(reply) == 200


def test_an_endless_head_is_refused(door):
    """Before it fills the memory."""
    begin = b"POST /healthz HTTP/1.1\r\nHost: d\r\n"
    for flood in (begin + b"X-Flood: " + b"x" * 400_000, begin + b"X-A: 1\r\n" * 50_000, b"\r\n" * 400_000):
        with socket.create_connection(("127.0.0.1", door.port), timeout=30) as one:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                one.sendall(flood)
            reply = read_all(one)
        assert reply == b"" or status_of(reply) == 431


def test_an_endless_trailer_is_cut_off(door):
    """It counts to the request."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as one:
        one.sendall(bearer("/v1/events/app", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n")
        flood = b"X-T: " + b"x" * 65_000 + b"\r\n"
        sent = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < 60_000_000:
                one.sendall(flood)
                sent += len(flood)
    assert sent < 60_000_000
    assert door.stored() == []


def test_half_a_request_is_not_waited_for_long(door, impatient):
    """408 for a head or a body that does not end; a connection on which nothing comes is closed."""
    for half in (
        b"POST /v1/events/app HTTP/1.1\r\nHost: d\r\n",
        bearer("/v1/events/app", "Content-Length: 10") + b"{",
        bearer("/v1/events/app", "Content-Length: 10"),
        head("/webhooks/purchasely/app", "Transfer-Encoding: chunked", *signed_lines()) + b"5\r\n{",
    ):
        reply = door.raw(half, within_s=10)
        assert status_of(reply) == 408
        assert b"application/problem+json" in reply
    assert door.raw(within_s=10) == b""
    assert door.stored() == []


def test_a_slow_answer_is_not_the_senders_fault(door, impatient):
    """Patience is for requests; whoever waits for Redis is not cut off."""
    door.redis.client_pause(1200, all=False)
    assert door.post([{"event_id": "a"}]).status == 200


def signed_lines():
    return [f"{name}: {value}" for name, value in signed(b"{}").items()]


def test_many_senders_at_once(door):
    """Each has its own answer, and few connections to Redis are made."""
    before = len(door.redis.client_list())
    answers = []

    def send(number):
        for turn in range(5):
            answers.append(door.webhook({"event_id": f"{number}-{turn}", "user_id": str(number)}).json)
            answers.append(door.ask("GET", "/readyz").status)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count({"accepted": 1, "duplicates": 0}) == answers.count(200) == 200
    # one a trip under way: a server that is slow just now counts as far away
    assert len(door.redis.client_list()) - before <= MOST_TRIPS + 2
    assert len(door.stored()) == 200


def test_who_hangs_up_after_sending_has_sent(door):
    """The event is stored, nobody else is disturbed, nothing is logged as a fault."""
    for number in range(10):
        with socket.create_connection(("127.0.0.1", door.port), timeout=30) as one:
            body = b'{"event_id":"%d"}' % number
            one.sendall(bearer("/v1/events/app", f"Content-Length: {len(body)}") + body)
    until(lambda: len(door.stored()) == 10, "all are stored")
