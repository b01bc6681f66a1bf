"""The simulator's page in a real browser: with the mouse, with the keys alone, and as axe sees it."""

import pytest
import requests
from playwright.sync_api import expect

from tests.support.chromium import WIDTHS, Tab, chromium, needs_chromium
from tests.support.deadstack import KEY, SITE, options
from worker.simulator.serve import running

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser():
    """One for the module."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def customerio():
    """A simulator with three people, each with an event, and a request that was refused."""
    with running(options()) as (url, _):
        for number in (1, 2, 3):
            assert send(url, item(number)).status_code == 200
        assert send(url, {"type": "person"}).status_code == 207
        yield url


@pytest.fixture
def tab(browser, customerio):
    """The page, which has shown its events."""
    tab = Tab(browser, customerio)
    tab.page.goto("/")
    expect(rows(tab)).to_have_count(3)
    yield tab
    tab.context.close()


def item(number):
    return {
        "type": "person",
        "action": "event",
        "identifiers": {"id": f"user-{number}"},
        "name": f"EVENT_{number}",
        "attributes": {"number": number},
    }


def send(url, one):
    return requests.post(f"{url}/api/v2/batch", json={"batch": [one]}, auth=(SITE, KEY), timeout=10)


def rows(tab):
    return tab.page.locator("#list tr.open")


def test_a_click_on_a_row_opens_the_person(tab):
    """With the person's events; and the page says nothing in its console."""
    rows(tab).get_by_role("cell", name="id user-2").click()
    expect(tab.page.get_by_role("heading", name="user-2")).to_be_visible()
    expect(tab.page.locator("#person")).to_contain_text("EVENT_2")
    tab.page.get_by_role("button", name="Close").click()
    expect(tab.page.get_by_role("heading", name="Person")).to_be_visible()
    assert tab.said == []


def test_it_is_used_with_the_keys_alone(tab):
    """Arrows, Home and End go through the tabs and through the rows; Enter opens a person."""
    page, press = tab.page, tab.page.keyboard.press
    page.get_by_role("tab", name="Events").focus()
    press("ArrowRight")
    expect(page.get_by_role("tab", name="People")).to_be_focused()
    expect(page.get_by_role("tab", name="People")).to_have_attribute("aria-selected", "true")
    press("End")
    expect(page.get_by_role("tab", name="Faults")).to_be_focused()
    press("Home")
    expect(page.get_by_role("tab", name="Events")).to_be_focused()
    expect(rows(tab)).to_have_count(3)
    rows(tab).first.focus()
    press("ArrowDown")
    expect(rows(tab).nth(1)).to_be_focused()
    press("End")
    expect(rows(tab).nth(2)).to_be_focused()
    press("ArrowUp")
    press("Enter")
    expect(page.get_by_role("heading", name="user-2")).to_be_visible()


def test_switches_make_requests_fail(tab, customerio):
    """One for every request until it is off, one for the next alone; what was met is counted."""
    page = tab.page
    page.get_by_role("tab", name="Faults").click()
    every = page.get_by_role("switch", name="Every request: status_503", exact=True)
    every.click()
    expect(every).to_have_attribute("title", "100 % of the requests")
    assert [send(customerio, item(4)).status_code for _ in range(2)] == [503, 503]
    every.click()
    expect(every).to_have_attribute("title", "off")
    once = page.get_by_role("button", name="Next request: status_500", exact=True)
    once.click()
    expect(once).to_have_text("Next 1")
    assert [send(customerio, item(4)).status_code for _ in range(2)] == [500, 200]
    met = page.get_by_role("row").filter(has=every).get_by_role("cell").nth(2)
    expect(met).to_have_text("2")


def test_tiles_lead_to_what_they_count(tab):
    """The refused request has a tab of its own, and says why."""
    tab.page.get_by_role("link", name="refused").click()
    expect(tab.page.get_by_role("tab", name="Refused")).to_have_attribute("aria-selected", "true")
    expect(tab.page.locator("#list")).to_contain_text("207")


def test_a_filter_leaves_what_holds_the_text(tab):
    """And says so when nothing does."""
    field = tab.page.get_by_role("searchbox", name="Filter this list")
    field.fill("EVENT_3")
    expect(rows(tab)).to_have_count(1)
    field.fill("nothing like it")
    expect(tab.page.locator("#list")).to_have_text("Nothing matches the filter.")


@pytest.mark.parametrize("name", ["Events", "People", "Refused", "Not applied", "Defects", "Faults"])
def test_nothing_is_in_anybodys_way(tab, name):
    """Axe finds nothing, in the light and in the dark, and nothing scrolls sideways."""
    tab.page.get_by_role("tab", name=name).click()
    expect(tab.page.locator("#list").locator("table, .empty")).to_be_visible()
    for dark in (False, True):
        for width in WIDTHS:
            tab.show(dark=dark, width=width)
            assert (tab.barriers(), tab.sideways()) == ([], 0), (dark, width)
    assert tab.said == []
