"""Any bytes, any headers, any body: an answer below 500, nothing half-stored, nothing said of the request."""

import contextlib
import hashlib
import hmac
import json
import socket
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.door import SECRET, TOKEN, read_all

bounded = settings(
    max_examples=120,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

NAMES = st.sampled_from(
    [
        "Accept",
        "Authorization",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Expect",
        "Host",
        "Transfer-Encoding",
        "Upgrade",
        "X-Forwarded-For",
        "X-Purchasely-Request-Signature",
        "X-Purchasely-Timestamp",
    ]
)
WORDS = st.sampled_from(
    [
        *("", "application/json", "application/x-ndjson", "chunked", "gzip", "identity", "close", "keep-alive"),
        *("websocket", "100-continue", "0", "2", "-1", "9" * 30, "1698322022", "\xff", "a,b", ";;", '"'),
        *(f"Bearer {TOKEN}", "Bearer "),
    ]
)
VALUES = WORDS | st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
PATHS = st.sampled_from(
    ["/v1/events/app", "/webhooks/purchasely/app", "/v1/events/app?\\", "/healthz", "/readyz", "/%2e%2e/", "*"]
)
METHODS = st.sampled_from(["POST", "POST", "POST", "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "BREW"])
PIECES = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"event_id":', b'"jeff"', b",", b"1e400", b"\n", b"\x00", b"\xff", b"null", b"{}"]
)
BODIES = st.lists(PIECES, max_size=8).map(b"".join) | st.binary(max_size=40)


def exchange(door, request):
    """All that comes back, the sending side closed after the request."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as one:
        with contextlib.suppress(OSError):
            one.sendall(request)
            one.shutdown(socket.SHUT_WR)
        return read_all(one)


def fine(reply):
    for answer in reply.split(b"HTTP/1.1 ")[1:]:
        assert int(answer[:3]) < 500, reply
    assert b"Traceback" not in reply


@bounded
@given(METHODS, PATHS, st.lists(st.tuples(NAMES, VALUES), max_size=5), BODIES, st.booleans())
def test_any_request(door, method, path, headers, body, is_framed):
    """Well-formed or not, of a stranger or of a known sender."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if is_framed:
        lines += [f"Authorization: Bearer {TOKEN}", f"Content-Length: {len(body)}"]
    fine(exchange(door, "\r\n".join([*lines, "", ""]).encode("latin-1") + body))


@bounded
@given(
    st.binary(max_size=200)
    | st.lists(PIECES | st.sampled_from([b"POST / HTTP/1.1\r\n", b"\r\n", b" ", b":"]), max_size=12).map(b"".join)
)
def test_any_bytes(door, sent):
    """Instead of HTTP."""
    fine(exchange(door, sent))


@bounded
@given(BODIES, st.sampled_from(["application/json", "application/x-ndjson"]))
def test_any_body_of_a_known_sender(door, body, media):
    """It is all stored, or nothing of it: the answer says which."""
    before = len(door.stored())
    answers = [door.post(body, Content_Type=media)]
    timestamp = str(int(time.time()))
    signature = hmac.new(SECRET.encode(), timestamp.encode() + body, hashlib.sha256).hexdigest()
    headers = {"X-PURCHASELY-REQUEST-SIGNATURE": signature, "X-PURCHASELY-TIMESTAMP": timestamp}
    answers.append(door.ask("POST", "/webhooks/purchasely/app", body, headers))
    stored = 0
    for answer in answers:
        assert answer.status in {200, 400, 422}
        stored += answer.json.get("accepted", 0)
        if answer.status != 200:
            assert set(answer.json) == {"type", "title", "status", "detail"}
    raws = door.stored()
    assert len(raws) - before == stored
    assert all(isinstance(json.loads(raw), dict) for raw in raws)
