"""Caddy and nginx in front, as deploy/ has them: what they let through, and what of a client they take away."""

import hashlib
import hmac
import json
import time
from urllib.parse import parse_qs

import pytest

from tests.support.frontdoors import CONSOLE, PROVIDER, PROXY_SECRET, RELAY, caddy, nginx, oauth2_proxy
from tests.support.payloads import payload
from tests.support.servers import free_port
from tests.support.stack import SECRET, TOKEN
from tests.support.waiting import until

# headers of a client that plays the proxy
PLAYED = {"X-Forwarded-Email": "mallory@example.com", "X-Forwarded-Groups": "", "X-Relay-Proxy-Secret": "x"}


@pytest.fixture
def stack(make_stack):
    """A web door and a console that a proxy logs people in to, or a link."""
    console = free_port()
    stack = make_stack(
        RELAY_CONSOLE_LOGIN="proxy,link",
        RELAY_CONSOLE_URL=f"https://{CONSOLE}",
        RELAY_CONSOLE_PORT=str(console),
        RELAY_CONSOLE_PROXY_SECRET=PROXY_SECRET,
        RELAY_CONSOLE_ROLES="relay-ops=operator,mallory@example.com=admin",
    )
    stack.console_port = console
    return stack.start("web", "console")


@pytest.fixture(params=["caddy", "nginx"])
def door(request, stack, tmp_path):
    """One of the two."""
    if request.param == "caddy":
        with caddy(tmp_path / "caddy", stack.web_port, stack.console_port) as front:
            yield front
    else:
        with oauth2_proxy() as oauth, nginx(tmp_path / "nginx", stack.web_port, stack.console_port, oauth) as front:
            yield front


def signed(body):
    """The headers that Purchasely signs a body with."""
    timestamp = str(int(time.time()))
    signature = hmac.new(SECRET.encode(), timestamp.encode() + body, hashlib.sha256).hexdigest()
    return {"X-PURCHASELY-REQUEST-SIGNATURE": signature, "X-PURCHASELY-TIMESTAMP": timestamp}


def test_senders_reach_the_two_routes_and_nothing_else(door, stack):
    """Bytes that are signed arrive as they are; too large a body is refused; figures and health are for the inside."""
    sender = door.visitor(RELAY)
    body = json.dumps(payload("ACTIVATE", note="ü")).encode()
    assert sender.post("/webhooks/purchasely/app", data=body, headers=signed(body)).status_code == 200
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    events = [payload("ACTIVATE", event_id=f"e{n}") for n in range(200)]
    assert sender.post("/v1/events/app", json=events, headers=bearer).status_code == 200
    assert stack.account.accepted == 201
    assert sender.post("/v1/events/app", data=b" " * 6_000_000, headers=bearer).status_code == 413
    for path in (
        "/",
        "/metrics",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/v1/events",
        "/webhooks/purchasely/../../metrics",
    ):
        assert sender.get(path).status_code == 404, path
    assert stack.account.accepted == 201


def come_in(browser, stack):
    """By a link that somebody with a shell made, as a browser does; with the cookies that it would keep."""
    made = json.loads(stack.relay("console", "link", "--json", "--role", "viewer", "--login", "bert").stdout)
    path = made["url"].removeprefix(f"https://{CONSOLE}")
    answer = browser.post(path, headers={"Sec-Fetch-Site": "same-origin", "Origin": "null"})
    assert answer.status_code == 303, answer.text
    browser.headers["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]
    assert browser.headers["Cookie"].startswith("__Host-")


def lives(browser, headers):
    """The live stream says something at once: nothing on the way collects it."""
    with browser.get("/live", headers=headers, stream=True, timeout=15) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        return next(line for line in stream.iter_lines() if line)


def test_caddy_brings_people_to_the_consoles_own_log_in(stack, tmp_path):
    """A link lets somebody in; live pages live; a client that plays the proxy is refused."""
    with caddy(tmp_path / "caddy", stack.web_port, stack.console_port) as door:
        until(lambda: door.visitor(CONSOLE).get("/healthz").status_code == 200, "the console answers")
        browser = door.visitor(CONSOLE)
        assert browser.get("/").status_code == 303
        come_in(browser, stack)
        assert "bert" in browser.get("/").text
        assert lives(browser, {})
        assert door.visitor(CONSOLE).get("/", headers={"X-Relay-Proxy-Secret": "guessed"}).status_code == 303
        played = {"X-Forwarded-Email": "mallory@example.com", "X-Forwarded-Groups": "relay-ops"}
        assert door.visitor(CONSOLE).get("/", headers=played).status_code == 303


def test_nginx_lets_in_whom_oauth2_proxy_knows(stack, tmp_path):
    """With the role of their groups; headers of the client are replaced; everybody else is sent to the log-in."""
    with oauth2_proxy() as oauth, nginx(tmp_path / "nginx", stack.web_port, stack.console_port, oauth) as door:
        anna = {"Cookie": "_oauth2_proxy=anna"}
        until(lambda: door.visitor(CONSOLE).get("/", headers=anna).status_code == 200, "the console answers")
        page = door.visitor(CONSOLE).get("/", headers={**anna, **PLAYED})
        assert page.status_code == 200
        assert "anna@example.com" in page.text
        assert "mallory" not in page.text
        assert lives(door.visitor(CONSOLE), anna)
        assert door.visitor(CONSOLE).get("/oauth2/sign_in").status_code == 200


def test_nginx_leads_back_to_the_address_asked_for(stack, tmp_path):
    """With all of its query, whoever plays the proxy or names another way back; a posted form is not passed on."""
    with oauth2_proxy() as oauth, nginx(tmp_path / "nginx", stack.web_port, stack.console_port, oauth) as door:
        for asked in ("/failures?since=1h&group=2", "/activity?text=a%26b%20c&rd=https://evil.example.com", "/"):
            answer = door.visitor(CONSOLE).get(asked, headers={**PLAYED, "X-Auth-Request-Redirect": "/elsewhere"})
            assert answer.status_code == 302
            provider, _, query = answer.headers["Location"].partition("?")
            assert (provider, parse_qs(query)["state"]) == (PROVIDER, [asked])
        posted = door.visitor(CONSOLE).post("/replay?job=1&x=2", data={"rd": "https://evil.example.com"})
        assert posted.status_code == 302
        assert parse_qs(posted.headers["Location"].partition("?")[2])["state"] == ["/replay?job=1&x=2"]
