"""A review tries the keys of what changes, and gives none to an address that somebody else chose."""

import re
from contextlib import contextmanager

import pytest

from config.roles import Role
from tests.support.consoledoor import site
from tests.support.deadstack import event, opened
from tests.support.listeners import Listener

PLACE = "/integrations/production?tab=advanced"
SAID = "the key is not tried at an address that is not in force"


@pytest.fixture
def stack(tmp_path, redis_url, customerio):
    """A relay with one integration, and one event of the past."""
    with opened(tmp_path, redis_url, customerio, console_login="link") as stack:
        stack.parts.role = "console"
        stack.parts.begin()
        stack.deliver(event(1))
        yield stack


@contextmanager
def listening():
    """An address, and the `Authorization` of each request that came there."""
    came: list[str | None] = []

    def hear(request):
        came.append(request.headers.get("Authorization"))
        return 401

    with Listener(hear) as listener:
        yield f"http://{listener.address}", came


def save(browser, place, **fields):
    """Put fields of a form into the draft."""
    page = browser.get(place).text
    marks = {name: re.search(rf'name="{name}" value="([^"]*)"', page)[1] for name in ("csrf", "mark")}
    answer = browser.post(place, data={**fields, **marks})
    assert answer.status_code == 303, answer.text


def save_address(browser, address):
    """Another address of Customer.io."""
    fields = {"tab": "advanced", "environments": ["PRODUCTION", "SANDBOX"], "send": "on", "exclude": "device_id"}
    save(browser, PLACE, **fields, base_url=address)


def take_over(browser, login):
    """Go on with somebody's draft."""
    csrf = re.search(r'name="csrf" value="([^"]*)"', browser.get("/drafts").text)[1]
    assert browser.post("/drafts", data={"of": login, "csrf": csrf}).status_code == 303


def test_no_key_goes_to_an_address_that_somebody_else_chose(stack):
    """Neither when an editor looks at the review nor when an admin takes the draft over; an admin's own is tried."""
    with listening() as (address, came), site(stack.parts) as console:
        for role in (Role.EDITOR, Role.OPERATOR):
            browser = console.browser(role, role.value)
            save_address(browser, address)
            assert SAID in browser.get("/review").text
        admin = console.browser(Role.ADMIN, "root")
        take_over(admin, "editor")
        assert SAID in admin.get("/review").text
        assert came == []
        another = console.browser(Role.ADMIN, "another")
        save_address(another, address)
        assert "the key is refused" in another.get("/review").text
        assert len(came) == 1
        another.get("/review")
        assert len(came) == 1  # a reload asks nobody


def test_what_a_change_does_not_concern_is_said(stack):
    """The key works at the address in force, what waits, and what stays."""
    with site(stack.parts) as console:
        browser = console.browser(Role.EDITOR)
        save(browser, "/integrations/production?tab=events", tab="events", go="save")  # no event is sent any more
        page = browser.get("/review").text
        (line,) = re.findall(r'id="beside">(.*?)</p>', page)
        assert line.startswith("production: the key works, region eu")
        assert line.endswith("production: 0 waiting · no other integration")
