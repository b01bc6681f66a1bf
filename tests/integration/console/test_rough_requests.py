"""Requests that no browser sends: half of one, an endless one, forms of thousands of fields and strange types."""

import socket

import pytest

from config.roles import Role
from tests.support.deadstack import opened
from worker.console.access.forms import MAX_FIELDS
from worker.ingest import protocol

FORM = "application/x-www-form-urlencoded"
HEAD = "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n"
HALVES = {
    "nothing": "",
    "half a line": "GET / HT",
    "half a head": HEAD,
    "half a form": f"{HEAD}Content-Type: {FORM}\r\nContent-Length: 1000\r\n\r\ncsrf=",
    "half a chunk": f"{HEAD}Content-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ncs",
}


@pytest.fixture
def stack(tmp_path, redis_url, customerio):
    with opened(tmp_path, redis_url, customerio, console_login="link") as stack:
        stack.parts.role = "console"
        stack.parts.begin()
        yield stack


def heard(connection):
    """Everything until the other end closes."""
    answer = b""
    while more := connection.recv(65_536):
        answer += more
    return answer


@pytest.mark.parametrize("half", HALVES)
def test_half_a_request_is_not_waited_for(console, monkeypatch, half):
    """It is refused after some time, before anybody is known, whatever it is half of."""
    monkeypatch.setattr(protocol, "PATIENCE_S", 0.3)
    monkeypatch.setattr(protocol, "_LOOK_S", 0.1)
    port = int(console.url.rpartition(":")[2])
    console.browser().get("/healthz")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as one:
        one.sendall(HALVES[half].encode())
        answer = heard(one)
    assert answer.startswith(b"HTTP/1.1 408") if half != "nothing" else answer == b""
    assert console.browser(Role.VIEWER).get("/").status_code == 200


def test_an_endless_header_is_not_kept(console):
    """431 once it is larger than any browser's."""
    port = int(console.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * protocol.HEAD_MOST_BYTES)
        assert heard(one).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("hosts", ["", "Host: 127.0.0.1\r\nHost: evil.example\r\n"], ids=["none", "two"])
def test_a_request_has_one_host(console, hosts):
    """Whoever is in front may go by another of two; the page that lives without a guard is no exception."""
    port = int(console.url.rpartition(":")[2])
    for path in ("/login", "/healthz"):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as one:
            one.sendall(f"GET {path} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n".encode())
            answer = heard(one)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"a request has one Host header" in answer


def token_of(browser):
    """The token of the forms, and the mark of the draft."""
    text = browser.get("/integrations/production?tab=events").text
    return {name: text.partition(f'name="{name}" value="')[2].partition('"')[0] for name in ("csrf", "mark")}


def test_a_form_of_thousands_of_fields_is_refused(console):
    """Before any page looks at one of them; the largest that is taken is answered."""
    editor = console.browser(Role.EDITOR)
    place, marks = "/integrations/production?tab=events", token_of(editor)
    rows = [(f"events.C{number}.name", "x") for number in range(MAX_FIELDS)]
    for fields in (rows, [("a", "b")] * MAX_FIELDS, [("", "")] * 500_000):
        refused = editor.post(place, data=[*marks.items(), ("tab", "events"), *fields])
        assert refused.status_code == 413
    rough = editor.post(place, data="&" * 1_900_000, headers={"Content-Type": FORM})
    assert rough.status_code == 413
    assert "5,000 fields at most" in rough.text
    taken = editor.post(place, data=[*marks.items(), ("tab", "history"), *rows[: MAX_FIELDS - 3]])
    assert taken.status_code in {303, 422}


@pytest.mark.parametrize(
    "name",
    ["a" + "[b]" * 20_000, "events." + "." * 20_000 + ".name", "choice." + "a." * 20_000, "typed." + "1" * 20_000],
    ids=["brackets", "dots", "choice", "typed"],
)
def test_a_name_as_deep_as_a_well_is_a_name(console, name):
    """Neither a crash nor a page that takes its time."""
    operator = console.browser(Role.OPERATOR)
    place = "/integrations/production?tab=events"
    for address, fields in ((place, {"tab": "events"}), ("/review", {"act": "merge"}), ("/review", {"act": "publish"})):
        answer = operator.post(address, data={**fields, **token_of(operator), name: "x"})
        assert answer.status_code in {303, 404, 409, 422}, address


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FORM, 303),
        (FORM.upper(), 303),
        (f"{FORM}; charset=utf-16", 303),
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/json", 415),
        (f"text/plain; {FORM}", 415),
        (f"{FORM}, text/plain", 415),
        ("", 303),
    ],
)
def test_a_form_has_the_type_of_a_form(console, kind, status):
    """What another site can post without asking is not the only thing that is refused."""
    operator = console.browser(Role.OPERATOR)
    marks = token_of(operator)
    body = f"csrf={marks['csrf']}&act=drop"
    answer = operator.post("/review", data=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert operator.post("/review", data="act=drop", headers={"Content-Type": kind}).status_code in {403, 415}


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_get_that_says_it_is_a_post_is_a_get(console, header):
    """And a field that says so is nothing; the token in the address is none."""
    operator = console.browser(Role.OPERATOR)
    token = token_of(operator)["csrf"]
    answer = operator.get(f"/jobs?_method=POST&csrf={token}&act=pause", headers={header: "POST"})
    assert answer.status_code == 200
    assert operator.post(f"/review?csrf={token}", data={"act": "drop"}).status_code == 403
    posted = operator.post("/review", data={"act": "drop", "csrf": token, "_method": "GET"}, headers={header: "GET"})
    assert posted.status_code == 303
