"""Redis stopped under open tabs: figures that are of before say so, and everything comes back by itself."""

import pytest
from playwright.sync_api import expect

from tests.support.chromium import Tab, chromium, needs_chromium
from tests.support.consoledoor import site
from tests.support.deadstack import event, opened, options
from worker.simulator.serve import running

pytestmark = needs_chromium

WITHIN_MS = 30_000


@pytest.fixture
def server(own_redis):
    """A Redis that may be stopped."""
    return own_redis()


@pytest.fixture
def stack(tmp_path, server):
    """A relay with an event that failed."""
    with running(options()) as customerio, opened(tmp_path, server.url, customerio, console_login="link") as stack:
        stack.parts.role = "console"
        stack.parts.begin()
        stack.deliver(event(1), event(2, None, event_id="nameless"))
        yield stack


def barriers(tab):
    """What axe finds in the light and in the dark."""
    found = []
    for dark in (False, True):
        tab.show(dark=dark, width=390)
        found += tab.barriers()
    return found


def test_an_outage_is_said_and_ends_by_itself(server, stack):
    """An open list says that it is of before, a page that cannot be shown is asked for again; nobody has to press."""
    with site(stack.parts) as console, chromium() as browser:
        tab = Tab(browser, console.url).log_in(console.link())
        listed, stale, lost = tab.page, tab.context.new_page(), tab.context.new_page()
        listed.goto("/failures")
        lost.goto("/settings")
        stale.goto("/")
        banner = listed.get_by_role("alert").filter(has_text="Redis does not answer. What this page shows")
        expect(banner).to_have_count(0)

        server.kill()
        expect(banner).to_be_visible(timeout=WITHIN_MS)
        expect(listed.get_by_role("table")).to_be_visible()
        assert stale.reload().status == 503
        expect(stale.get_by_role("alert")).to_contain_text("These are the figures of")
        lost.reload()
        expect(lost.get_by_role("heading", level=1)).to_have_text("Redis does not answer")
        for page in (listed, stale, lost):
            tab.page = page
            assert barriers(tab) == []

        server.start()
        stack.deliver(event(3, "X" * 140))
        expect(lost.get_by_role("heading", level=1)).to_have_text("Settings", timeout=WITHIN_MS)
        expect(stale.get_by_role("alert")).to_have_count(0, timeout=WITHIN_MS)
        expect(banner).to_be_hidden(timeout=WITHIN_MS)
        expect(listed.get_by_role("row").filter(has_text="event name")).to_be_visible(timeout=WITHIN_MS)
