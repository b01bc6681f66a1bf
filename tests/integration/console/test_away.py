"""Redis stopped while the console is open: what each page says meanwhile, and afterwards."""

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from config.roles import Role
from tests.support.deadstack import event, opened

# What has no page of its own to show, or needs no Redis for it.
WITHOUT = {"/static/{digest}/{name}", "/healthz", "/live", "/login", "/find", "/integrations/{name}/remove", "/reveal"}


@pytest.fixture
def server(own_redis):
    """A Redis that may be stopped."""
    return own_redis()


@pytest.fixture
def stack(tmp_path, server, customerio):
    """A relay with some events, and one that failed."""
    with opened(tmp_path, server.url, customerio, console_login="link") as stack:
        stack.parts.role = "console"
        stack.parts.begin()
        stack.deliver(event(1), event(2, None, event_id="nameless"))
        yield stack


@pytest.fixture
def places(console, stack):
    """Every page's address, of a thing that is there where it is easy to say."""
    letter = stack.letters()[0].id
    things = {"name": "production", "code": "ACTIVATE", "number": "1", "letter": letter, "token": "none"}
    return [
        re.sub(r"\{(\w+)\}", lambda found: things.get(found[1], "1"), template)
        for template, resource in console.routes.items()
        if template not in WITHOUT and "GET" in getattr(resource, "permissions", {"GET": None})
    ]


def answers(browser, places):
    """What each page answers, asked side by side as tabs do."""
    with ThreadPoolExecutor(4) as tabs:
        return dict(zip(places, tabs.map(browser.get, places), strict=True))


def statuses(browser, places):
    """Each page's status."""
    return {place: answer.status_code for place, answer in answers(browser, places).items()}


def test_every_page_says_that_redis_is_away_and_works_again_after_it(console, server, places):
    """503 in plain words and when to try again, which the page does by itself; nothing of it outlasts the outage."""
    browser = console.browser(Role.ADMIN)
    browser.get("/failures")  # groups have numbers once they were listed
    before = statuses(browser, places)
    server.kill()
    for place, answer in answers(browser, places).items():
        assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "5"), place
        assert "Redis does not answer" in answer.text, place
        assert "data-again" in answer.text or place == "/", place
        assert "Traceback" not in answer.text, place
    server.start()
    assert statuses(browser, places) == before


def test_a_redis_that_hangs_keeps_no_page_waiting(console, server):
    """It accepts and never answers: each page says so after one short wait, the overview shows its last figures."""
    browser = console.browser(Role.ADMIN)
    figures = browser.get("/").text
    os.kill(server.pid, signal.SIGSTOP)
    try:
        found = answers(browser, ["/", "/failures", "/review", "/people?id=user-1"])
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert {answer.status_code for answer in found.values()} == {503}
    assert "These are the figures of" in found["/"].text
    assert "These are the figures of" not in figures


def test_nothing_is_changed_while_redis_is_away(console, server):
    """A form that is sent meanwhile is refused, and not by itself repeated: what was entered can be sent again."""
    browser = console.browser(Role.ADMIN)
    csrf = re.search(r'name="csrf" value="(\w+)"', browser.get("/integrations").text)[1]
    server.kill()
    answer = browser.post("/integrations", data={"csrf": csrf, "integration": "production", "act": "pause"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "data-again" not in answer.text
