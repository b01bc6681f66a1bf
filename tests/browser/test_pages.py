"""Every page in a real browser: light and dark, on a desk and on two telephones."""

import re

import pytest

from tests.support.chromium import WIDTHS, Tab, chromium, needs_chromium
from tests.support.consolestack import console_stack

pytestmark = needs_chromium

PAGES = {
    "overview": "/",
    "overview-week": "/?span=7d",
    "integrations": "/integrations",
    "new": "/integrations/new",
    "account": "/integrations/production?tab=account",
    "events": "/integrations/production?tab=events",
    "properties": "/integrations/production?tab=properties",
    "people": "/integrations/production?tab=people",
    "advanced": "/integrations/production?tab=advanced",
    "duplicate": "/integrations/production/duplicate",
    "sample": "/integrations/production/events/TRIAL_STARTED",
    "activity": "/activity",
    "activity-failed": "/activity?outcome=dead",
    "nothing-found": "/activity?code=NOTHING",
    "activity-searched": "/activity?person=customer-0003&from=2026-01-01T00:00&to=never",
    "person": "/people?id=customer-0003",
    "person-of-a-long-name": "/people?id=customer-0000",
    "nobody": "/people?id=nobody",
    "failures": "/failures",
    "failures-ignored": "/failures?mark=ignored",
    **{f"failure-{number}": f"/failures/{number}" for number in range(1, 5)},
    "jobs": "/jobs",
    "drafts": "/drafts",
    "history": "/history",
    "revision": "/history/1",
    "review-nothing": "/review",
    "published": "/published/1",
    "settings": "/settings",
    "checks": "/settings?check=yes",
    "missing": "/nowhere",
}
FIRST_LOAD_BYTES = 60_000
# Tablets, and windows that are zoomed: a table has the least room just before it becomes a list.
BETWEEN = (800, 900, 1100)
NOT_THERE = {"missing", "nobody"}


@pytest.fixture(scope="module")
def stack():
    """A relay after a busy day."""
    with console_stack() as stack:
        stack.busy_day()
        yield stack


@pytest.fixture(scope="module")
def browser():
    """One browser for all of them."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def tab(browser, stack):
    """A tab of an admin, who sees the most."""
    return Tab(browser, stack.console).log_in(stack.link("admin"))


def too_wide(tab, width):
    """What does not fit into a window of that width."""
    sideways, cut = tab.sideways(), tab.cut()
    return [f"{width}: scrolls sideways by {sideways}, cuts {cut}"] if sideways > 0 or cut else []


def look(tab):
    """Everything that is wrong with a page that is open, in each of its six forms."""
    found = [line for line in tab.page.inner_text("body").splitlines() if "`" in line]
    for width in WIDTHS:
        for dark in (False, True):
            tab.show(dark=dark, width=width)
            where = f"{'dark' if dark else 'light'} {width}"
            found += [f"{where}: {barrier}" for barrier in tab.barriers()]
        found += too_wide(tab, width)
    for width in BETWEEN:
        tab.show(dark=False, width=width)
        found += too_wide(tab, width)
    return found


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_for_everybody(tab, name):
    """No barrier that axe knows, no message, nothing refused by the policy, no scrolling sideways; soon loaded."""
    tab.said.clear()
    tab.show(dark=False, width=1280)
    answer = tab.page.goto(PAGES[name])
    assert answer.status == (404 if name in NOT_THERE else 200)
    assert 1_000 < tab.loaded_bytes() < FIRST_LOAD_BYTES
    found = look(tab)
    said = [line for line in tab.said if not (name in NOT_THERE and "status of 404" in line)]
    assert (found, said) == ([], [])


def test_an_open_menu_lies_above_its_card(tab):
    """The number of failed events of the card, a link too, was seen and clicked through it."""
    tab.show(dark=False, width=1280)
    tab.page.goto("/integrations")
    tab.click(tab.page.locator(".menu summary").first)
    covered = """menu => [...menu.querySelectorAll("a, button")].filter(item => {
        const box = item.getBoundingClientRect();
        return !item.contains(document.elementFromPoint(box.x + box.width / 3, box.y + box.height / 2));
    }).map(item => item.textContent)"""
    menu = tab.page.locator(".menu > div").first
    assert menu.evaluate(covered) == []
    failed = tab.page.locator("a.above, .above a").first
    box = failed.bounding_box()
    hit = menu.evaluate(
        "(menu, [x, y]) => menu.contains(document.elementFromPoint(x, y))", [box["x"] + 4, box["y"] + 4]
    )
    assert hit, "the link lies under the menu"


def test_a_person_explained_with_a_draft_is_for_everybody_too(tab):
    """Under each event what the draft would make of it, and a button at what was not sent."""
    tab.said.clear()
    tab.show(dark=False, width=1280)
    tab.page.goto("/integrations/production?tab=events")
    tab.page.locator("input[name='events.TRIAL_STARTED.name']").fill("A trial begins")
    tab.click(tab.page.get_by_role("button", name="Save draft"))
    try:
        tab.page.goto("/people?id=customer-0003")
        tab.click(tab.page.get_by_role("link", name="Explain with your draft"))
        assert "would be sent as A trial begins" in tab.page.inner_text("main")
        assert (look(tab), tab.said) == ([], [])
    finally:
        tab.show(dark=False, width=1280)
        tab.page.goto("/review")
        tab.click(tab.page.get_by_role("button", name="Drop the draft"))


def test_a_job_and_what_failed_in_it_are_for_everybody_too(tab, stack):
    """Its figures, and the events that failed again."""
    job = stack.relay("dead", "replay", "--reason", "invalid_time", "--include-failing", "--yes", "--json").stdout
    tab.said.clear()
    tab.show(dark=False, width=1280)
    tab.page.goto("/jobs")
    tab.click(tab.page.get_by_role("link", name=re.compile(r"^\d+ of replay-")).first)
    assert "Failed again in it" in tab.page.inner_text("main"), job
    assert tab.page.locator("#failed tbody tr").count() == 2
    assert (look(tab), tab.said) == ([], [])


@pytest.mark.parametrize(
    ("place", "leads"), [("/activity", "a[href^='/events/']"), ("/failures/1", "a[href^='/letters/']")]
)
def test_what_a_list_leads_to_is_for_everybody_too(tab, place, leads):
    """One event, and one that failed."""
    tab.page.goto(place)
    address = tab.page.locator(leads).first.get_attribute("href")
    tab.said.clear()
    assert tab.page.goto(address).status == 200
    assert (look(tab), tab.said) == ([], [])


def test_a_review_is_for_everybody_too(tab):
    """With the plan of a draft, which is dropped again."""
    tab.said.clear()
    tab.show(dark=False, width=1280)
    tab.page.goto("/integrations/production?tab=events")
    tab.page.locator("input[name='events.TRIAL_STARTED.name']").fill("A trial begins")
    tab.click(tab.page.get_by_role("button", name="Review changes"))
    try:
        assert "A trial begins" in tab.page.content()
        assert (look(tab), tab.said) == ([], [])
    finally:
        tab.show(dark=False, width=1280)
        tab.click(tab.page.get_by_role("button", name="Drop the draft"))


def test_a_failure_with_each_of_its_ways_is_for_everybody_too(tab):
    """Whichever is chosen, with what it shows then; a name of 140 characters that its review shows twice."""
    tab.said.clear()
    tab.show(dark=False, width=1280)
    tab.page.goto("/failures/1")
    choices = tab.page.get_by_role("radio").all()
    assert len(choices) == 5
    for choice in choices:
        tab.show(dark=False, width=1280)
        choice.check()
        assert look(tab) == []
    tab.show(dark=False, width=1280)
    tab.page.locator("input[value=name]").check()
    tab.click(tab.page.get_by_role("button", name="Review"))
    try:
        assert "Failure 1" in tab.page.inner_text("main")
        assert (look(tab), tab.said) == ([], [])
    finally:
        tab.show(dark=False, width=1280)
        tab.click(tab.page.get_by_role("button", name="Drop the draft"))


def test_the_way_in_is_for_everybody_too(browser, stack):
    """Before anybody is logged in: the page that says how, and the one of a link."""
    tab = Tab(browser, stack.console)
    for place in ("/login", stack.link("viewer")):
        assert tab.page.goto(place).status == 200
        assert look(tab) == []
    assert tab.said == []
    tab.context.close()
