"""Every route of the console, by every role and by nobody: what is not allowed is refused, whatever the route."""

import re

import pytest

from config.roles import Role
from tests.support.consoledoor import site
from tests.support.deadstack import opened
from worker.console import live
from worker.console.access.roles import Viewer
from worker.store.sessions import Sessions

# What somebody who is not logged in may ask for.
OPEN = {"/static/{digest}/{name}", "/healthz"}
ENTRY = {"/login", "/login/link/{token}"}


@pytest.fixture(scope="module")
def console(tmp_path_factory, server_url, customerio_server):
    """The whole console over a relay that has had nothing to do."""
    with opened(tmp_path_factory.mktemp("routes"), f"{server_url}/6", customerio_server, console_login="link") as stack:
        stack.parts.redis.flushdb()
        stack.parts.role = "console"
        stack.parts.begin()
        with site(stack.parts) as console:
            yield console


def filled(template):
    """An address of a route: of a thing that is not there."""
    return re.sub(r"\{\w+\}", "1", template)


def guarded(console):
    """Every route that is not open, with each method that it answers and what that needs."""
    for template, resource in console.routes.items():
        if template not in OPEN | ENTRY:
            for method, needed in resource.permissions.items():
                if method != "HEAD":
                    yield template, method, needed


def test_nothing_more_is_open_than_is_listed_here(console):
    """A new route that is open to all is a decision, which this list is the record of."""
    assert {template for template, one in console.routes.items() if getattr(one, "is_open", False)} == OPEN
    assert {template for template, one in console.routes.items() if getattr(one, "is_entry", False)} == ENTRY


def test_every_method_of_a_route_says_what_it_needs(console):
    """One that does not is answered 405, and so would never work."""
    for template, resource in console.routes.items():
        answered = {name[3:].upper() for name in dir(resource) if re.fullmatch("on_[a-z]+", name)}
        if template not in OPEN | ENTRY:
            may = set(resource.permissions)
            assert may <= answered, template
            assert answered - may <= {"POST"}, template  # pages have one that refuses


def test_nobody_gets_past_the_log_in(console):
    """By any route, with any method; a form is refused with and without a token."""
    nobody = console.browser()
    for template, method, _ in guarded(console):
        for headers in ({}, {"X-CSRF-Token": "x" * 64}):
            answer = nobody.request(method, filled(template), headers=headers)
            assert answer.status_code == 303 if method == "GET" and template != "/live" else 401, template
            assert "Set-Cookie" not in answer.headers, template


@pytest.mark.parametrize("role", Role)
def test_a_role_gets_where_it_may_and_no_further(console, role):
    """403 exactly where the table of permissions says so; a form without its token changes nothing."""
    viewer, browser = Viewer("anna", role, "link", ""), console.browser(role)
    token = re.search(r'name="csrf" value="(\w+)"', browser.get("/settings").text)[1]
    for template, method, needed in sorted(guarded(console), key=lambda one: one[0] == "/logout"):
        place = filled(template)
        if method == "POST":
            assert browser.post(place).status_code == 403, template
            assert browser.post(place, headers={"X-CSRF-Token": "x" * 64}).status_code == 403, template
        # only the head of the stream, which does not end
        answer = browser.request(
            method, place, headers={"X-CSRF-Token": token} if method == "POST" else {}, stream=True
        )
        if template == "/live":
            assert answer.headers["Content-Type"] == "text/event-stream"
            answer.close()
        assert (answer.status_code == 403) != viewer.may(needed), (template, method, answer.status_code)
        assert answer.status_code not in {401, 405, 500}, (template, method)


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "CONNECT", "X"]


@pytest.mark.parametrize("role", [None, *Role])
def test_no_method_but_those_that_are_named_is_answered(console, role):
    """On every route, those that are open and those of the log-in too: never 200, never 500."""
    browser = console.browser(role)
    token = re.search(r'name="csrf" value="(\w+)"', browser.get("/settings").text)[1] if role else "x"
    for template, resource in console.routes.items():
        named = set(getattr(resource, "permissions", {})) or {
            name[3:].upper() for name in dir(resource) if re.fullmatch("on_[a-z]+", name)
        }
        named |= {"OPTIONS"} if template in OPEN else set()  # answered with what is allowed, and nothing else
        for method in set(METHODS) - named:
            headers = {"X-CSRF-Token": token, "Content-Type": "application/x-www-form-urlencoded"}
            answer = browser.request(method, filled(template), headers=headers, stream=True)
            refused = {400, 405} if role or template in OPEN | ENTRY else {303, 400, 401, 405}
            assert answer.status_code in refused, (template, method, answer.status_code)
            answer.close()


def test_the_stream_of_news_ends_with_the_session(console, monkeypatch):
    """Somebody whose session an admin ends hears nothing more, though the stream was open."""
    monkeypatch.setattr(live, "_SIGN_S", 0.5)
    anna = console.browser(Role.VIEWER)
    with anna.get("/live", stream=True, headers={"Accept": "text/event-stream"}, timeout=60) as stream:
        assert stream.status_code == 200
        sessions = Sessions(console.redis)
        for one in sessions.list():
            sessions.end(one.session_id)
        for _ in stream.iter_content(1024):
            pass  # until it ends
    assert anna.get("/live", headers={"Accept": "text/event-stream"}).status_code == 401


def test_what_another_site_sends_is_refused_by_every_form(console):
    """With the cookie and the token of an admin."""
    browser = console.browser(Role.ADMIN)
    token = re.search(r'name="csrf" value="(\w+)"', browser.get("/settings").text)[1]
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example", "X-CSRF-Token": token}
    for template, method, _ in guarded(console):
        if method == "POST":
            answer = browser.post(filled(template), headers=headers)
            assert (answer.status_code, "Not from here" in answer.text) == (403, True), template
