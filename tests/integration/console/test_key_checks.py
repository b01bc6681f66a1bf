"""A review tries the keys of what changes, and gives none to an address that somebody else chose."""

import re
from contextlib import contextmanager

import pytest

from config.roles import Role
from tests.support.consoledoor import site, text_of
from tests.support.deadstack import KEY, SITE, event, opened
from tests.support.listeners import Listener
from worker.console.drafts import Drafts
from worker.revisions.seal import new_key
from worker.simulator.accounts import Account
from worker.simulator.app import Options
from worker.simulator.serve import running

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


ACCOUNT = "/integrations/production?tab=account"
AMERICAN = {"site_id": "us-site", "api_key": "us-key-0123456789"}


@pytest.fixture
def american(tmp_path, redis_url):
    """A relay whose Customer.io knows a second workspace, in the other region."""
    accounts = (Account(SITE, KEY, "eu"), Account(*AMERICAN.values(), "us", 2))
    chosen = {"console_login": "link", "secret_keys": new_key()}
    with running(Options(accounts=accounts)) as served, opened(tmp_path, redis_url, served, **chosen) as stack:
        stack.parts.role = "console"
        stack.parts.begin()
        yield stack


def said_of(browser, **fields):
    """What the page says after Account parameters were saved."""
    save(browser, ACCOUNT, tab="account", enabled="on", **fields)
    return text_of(browser.get(ACCOUNT).text)


def test_the_region_of_a_new_key_is_found(american):
    """It is set in the draft and said, whatever was chosen; one that fits is said to work, one that is refused too."""
    drafts = Drafts(american.parts.redis)
    with site(american.parts) as console:
        admin = console.browser(Role.ADMIN, "root")
        assert "This key belongs to the region US: that is the region in your draft now." in said_of(
            admin, region="eu", **AMERICAN
        )
        assert 'region = "us"' in drafts.get("root").text
        review = text_of(admin.get("/review").text)
        assert "the key works, region us" in review
        assert "region" in review
        assert "The key works, in region US." in said_of(admin, region="us", api_key=AMERICAN["api_key"])
        assert "that is the region in your draft now" in said_of(admin, region="eu")  # though it was chosen
        assert "Customer.io refuses this Site ID and key" in said_of(admin, region="us", api_key="another")
        assert "in region" not in said_of(admin, region="us")  # nothing new, nobody is asked


def test_an_editor_finds_the_region_of_the_key_in_force(american):
    """They choose a region, the key is one that they never see, and goes where it goes already."""
    with site(american.parts) as console:
        editor = console.browser(Role.EDITOR, "edith")
        assert "This key belongs to the region EU" in said_of(editor, region="us")
        assert Drafts(american.parts.redis).get("edith") is None  # nothing differs from what is in force


def test_a_new_key_goes_to_no_address_that_somebody_else_chose(american):
    """An admin types it into an editor's draft; into one of their own it is tried at the address of their choice."""
    with listening() as (address, came), site(american.parts) as console:
        editor, admin = console.browser(Role.EDITOR, "edith"), console.browser(Role.ADMIN, "root")
        save_address(editor, address)
        said_of(editor, region="us")
        take_over(admin, "edith")
        said_of(admin, region="eu", **AMERICAN)
        admin.get("/review")
        assert came == []
        another = console.browser(Role.ADMIN, "another")
        save_address(another, address)
        assert "Customer.io refuses this Site ID and key" in said_of(another, region="eu", **AMERICAN)
        assert len(came) == 1


def test_a_customer_io_that_does_not_answer_stops_no_draft(american):
    """The key is kept, the region is as it was chosen, and both are said."""
    with site(american.parts) as console:
        admin = console.browser(Role.ADMIN, "root")
        save_address(admin, "http://127.0.0.1:9")
        assert "Customer.io does not answer, so the region is as you chose it" in said_of(
            admin, region="us", **AMERICAN
        )
        assert 'region = "us"' in Drafts(american.parts.redis).get("root").text
