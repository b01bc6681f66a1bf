"""What happens while somebody looks: events that come under the pointer, times in their zone, one event sent again."""

import itertools
import re
import signal

import pytest

from tests.support.chromium import Tab, chromium, needs_chromium
from tests.support.consolestack import console_stack, event
from tests.support.hands import people
from tests.support.waiting import until

pytestmark = needs_chromium

NOW_MS = 1_790_000_000_000
ROWS = "tr[data-key]"


@pytest.fixture(scope="module")
def stack():
    """A relay after a quiet hour."""
    with console_stack() as stack:
        stack.busy_day(people=4)
        yield stack


@pytest.fixture(scope="module")
def browser():
    """One browser for all of them."""
    with chromium() as browser:
        yield browser


def keys(page):
    """The rows of a list, from the top."""
    return page.locator(ROWS).evaluate_all("rows => rows.map(row => row.dataset.key)")


def test_new_events_move_no_row_under_the_pointer(browser, stack):
    """They are counted, "2 new ▲", without moving anything; a list that nobody points at takes them in by itself."""
    tab = Tab(browser, stack.console).log_in(stack.link("operator", "dora"))
    page = tab.page
    page.goto("/activity")
    row = page.locator(ROWS).nth(2)
    row.hover()
    before, place = keys(page), row.bounding_box()
    stack.post([event("ACTIVATE", "customer-0001", NOW_MS, f"news-{number}") for number in range(2)])
    news = page.get_by_role("link", name="2 new ▲")
    news.wait_for()
    assert (keys(page), row.bounding_box()) == (before, place)
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    until(lambda: len(set(keys(page)) - set(before)) == 2, "the list has them", every_s=0.2)
    assert not news.is_visible()
    assert tab.said == []
    tab.context.close()


def open_list(browser, stack, login):
    """A tab with the list of events."""
    tab = Tab(browser, stack.console).log_in(stack.link("viewer", login))
    tab.page.goto("/activity")
    return tab


def is_taken_in(tab, before):
    """Whether the list has an event that it had not."""
    return lambda: set(keys(tab.page)) - set(before)


def test_what_came_before_the_stream_was_open_is_taken_in(browser, stack):
    """A busy browser opens it a moment late: what came in between was news to nobody, and it waited for good."""
    other, tab, asked = open_list(browser, stack, "hugo"), open_list(browser, stack, "ida"), []

    def hold(route):
        asked.append(route)

    tab.page.route("**/live*", hold)
    tab.page.reload()
    until(lambda: tab.page.evaluate("1") and asked, "the page asks for the stream")
    before = keys(tab.page)
    stack.post([event("ACTIVATE", "customer-0002", NOW_MS, "came-before-the-stream")])
    until(is_taken_in(other, before), "whoever listened has it", every_s=0.2)
    assert keys(tab.page) == before
    asked[0].continue_()
    until(is_taken_in(tab, before), "the list has it", every_s=0.2)
    for one in (tab, other):
        assert one.said == []
        one.context.close()


def test_a_tab_that_is_shown_again_takes_in_what_came_meanwhile(browser, stack):
    """It listened to nothing while it was hidden."""
    other, tab = open_list(browser, stack, "hugo"), open_list(browser, stack, "ida")
    before = keys(tab.page)
    for hidden in ("true", "false"):
        tab.page.evaluate(f"Object.defineProperty(document, 'hidden', {{value: {hidden}, configurable: true}})")
        tab.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        if hidden == "true":
            stack.post([event("ACTIVATE", "customer-0002", NOW_MS, "came-while-it-was-hidden")])
            until(is_taken_in(other, before), "whoever listened has it", every_s=0.2)
            assert keys(tab.page) == before
    until(is_taken_in(tab, before), "the list has it", every_s=0.2)
    for one in (tab, other):
        assert one.said == []
        one.context.close()


def test_what_waits_is_said_to_be_sent_once_it_is(browser, stack):
    """The list of events knew of what came only: an event waited there for good. The form says of a hold."""
    tab, form = open_list(browser, stack, "jana"), Tab(browser, stack.console).log_in(stack.link("viewer", "kim"))
    form.page.goto("/integrations/production")
    assert stack.relay("hold", "production", "-m", "new keys").returncode == 0
    form.page.get_by_role("alert").get_by_text("Paused by an operator").wait_for()
    stack.post([event("ACTIVATE", "customer-0003", NOW_MS, "waits-for-a-moment")])
    row = tab.page.locator(ROWS).first
    row.get_by_text("Waiting").wait_for()
    form.page.get_by_role("alert").get_by_text("1 event waits").wait_for()
    assert stack.relay("resume", "production").returncode == 0
    row.get_by_text("Waiting").wait_for(state="detached")
    row.locator(".state.good").wait_for()
    form.page.get_by_role("alert").get_by_text("Paused").wait_for(state="detached")
    assert "ENABLED" in form.page.inner_text("#badge")
    for one in (tab, form):
        assert one.said == []
        one.context.close()


def test_open_pages_say_that_no_worker_is_alive(browser, stack):
    """Nothing else changes when one ends, and the overview went on saying that nothing needs anybody."""
    tabs = [Tab(browser, stack.console).log_in(stack.link("viewer", who)) for who in ("lena", "max", "nina")]
    texts = {
        "/": "no worker process is alive",
        "/settings": "no worker process is alive",
        "/jobs": "No worker is alive",
    }
    for tab, address in zip(tabs, texts, strict=True):
        tab.page.goto(address)
        assert texts[address] not in tab.page.inner_text("main")
    stack.kill("worker", signal.SIGTERM)
    try:
        for tab, text in zip(tabs, texts.values(), strict=True):
            tab.page.get_by_text(text).first.wait_for()
    finally:
        stack.start("worker")
    for tab, text in zip(tabs, texts.values(), strict=True):
        tab.page.get_by_text(text).first.wait_for(state="detached", timeout=60_000)
        assert tab.said == []
        tab.context.close()


def test_times_are_of_the_readers_zone(browser, stack):
    """On the screen and in the fields that search by time; UTC is in the address, and where the pointer rests."""
    tab = Tab(browser, stack.console, timezone_id="Asia/Kolkata", locale="en-GB").log_in(stack.link("viewer", "emil"))
    page = tab.page
    page.goto("/activity")
    time = page.locator("time").first
    utc = re.fullmatch(r"(\d{4}-\d\d-\d\d) (\d\d):(\d\d):\d\d UTC", time.get_attribute("title"))
    minutes = (int(utc[2]) * 60 + int(utc[3]) + 330) % 1440
    assert f"{minutes // 60:02}:{minutes % 60:02}" in time.inner_text()
    assert page.get_by_text("(UTC)").first.is_hidden()
    page.get_by_label("Received from").fill("2026-01-02T05:30")
    tab.click(page.get_by_role("button", name="Search", exact=True))
    assert "from=2026-01-02T00%3A00" in page.url
    assert page.get_by_label("Received from").input_value() == "2026-01-02T05:30"
    assert page.locator(ROWS).count() > 0
    assert tab.said == []
    tab.context.close()


@pytest.mark.parametrize("script", [True, False])
def test_a_bar_says_when_it_was_in_the_readers_zone(browser, stack, script):
    """As the rest of the page does, also once the region was fetched again; without JavaScript in UTC, and said so."""
    tab = Tab(browser, stack.console, timezone_id="Asia/Kolkata", locale="en-GB", java_script_enabled=script)
    page = tab.log_in(stack.link("viewer", "emil")).page
    page.goto("/?span=15m")
    for _ in range(2):
        bar = page.locator("rect[data-at]").first
        hour, minute = divmod(int(bar.get_attribute("data-at")) // 60_000 % 1440, 60)
        here = (hour * 60 + minute + 330) % 1440
        said = bar.locator("title").text_content()
        clock = f"{here // 60:02}:{here % 60:02}: " if script else f"{hour:02}:{minute:02} UTC: "
        assert clock + bar.get_attribute("data-said") in said
        if script:
            with page.expect_response("**/?span=15m"):
                page.evaluate("refresh(['counts'])")
    assert tab.said == []
    tab.context.close()


def test_a_search_by_time_needs_no_javascript(browser, stack):
    """The fields say that they are in UTC."""
    tab, _ = people(browser, stack, "viewer", "no-javascript", "emma")
    page = tab.page
    page.goto("/activity")
    page.get_by_label("Received from (UTC)").fill("2026-01-02T05:30")
    tab.click(page.get_by_role("button", name="Search", exact=True))
    assert "from=2026-01-02T05%3A30" in page.url
    assert page.get_by_label("Received from (UTC)").input_value() == "2026-01-02T05:30"
    tab.context.close()


@pytest.mark.parametrize("how", ["keyboard", "no-javascript"])
def test_support_sends_one_event_that_is_off(browser, stack, how):
    """From the person's page, beside the decision: press, and read there that it was sent."""
    text = stack.path.read_text()
    if "TRIAL_STARTED" not in text:
        stack.path.write_text(text.replace('"*" = true', '"*" = true\nTRIAL_STARTED = false', 1))
        assert stack.relay("config", "apply", str(stack.path), "--yes", "-m", "no trials").returncode == 0
    numbers = itertools.count()

    def off():
        """Somebody whose event was not sent; until every process runs the revision, another one each time."""
        person = f"off-{how}-{next(numbers)}"
        assert stack.post([event("TRIAL_STARTED", person, NOW_MS, person)]).status_code == 200
        until(lambda: sum(one.waiting for one in stack.books.values()) == 0, "it is settled")
        return person if "the event filter has it off" in stack.relay("trace", person).stdout else ""

    person = until(off, "one came and was not sent")
    tab, hands = people(browser, stack, "operator", how, "fred")
    page = tab.page
    page.goto(f"/people?id={person}")
    hands.press(page.get_by_role("button", name="Send this one"))
    page.wait_for_url("**/people?*")

    def is_sent():
        page.reload()
        return "Sent as TRIAL_STARTED" in " ".join(page.inner_text("main").split())

    until(is_sent, "the page says that it was sent", every_s=0.5)
    assert page.get_by_role("button", name="Send this one").count() == 0
    assert tab.said == []
    tab.context.close()
