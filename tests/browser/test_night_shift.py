"""The night shift: a held integration and 300 failures of six causes, at 3 a.m., in at most twelve clicks."""

import pytest
from cryptography.fernet import Fernet

from tests.support.chromium import chromium, needs_chromium
from tests.support.consolestack import console_stack, event
from tests.support.deadseed import seed
from tests.support.hands import people
from tests.support.stack import KEY
from tests.support.waiting import until

pytestmark = needs_chromium


@pytest.fixture
def stack():
    """Customer.io refuses the key of production, and 300 events failed in the hours before."""
    with console_stack(RELAY_SECRET_KEYS=Fernet.generate_key().decode(), T_KEY="the-old-key") as stack:
        seed(stack.parts.redis, 300, 4, people=90)
        stack.post([event("ACTIVATE", "customer-1", 1_790_000_000_000, "waits")])
        until(lambda: stack.parts.holds.get(["production"]), "production is held")
        yield stack


@pytest.mark.parametrize("how", ["mouse", "keyboard"])
def test_all_is_solved_in_twelve_clicks(stack, how):
    """The new key, then what passes, then what never will: with a reason in the record; nothing is left."""
    with chromium() as browser:
        tab, hands = people(browser, stack, "admin", how, "oncall")
        page = tab.page

        # what is wrong is the first thing on the first page
        hands.press(page.locator("section:has(> h2#needs) a").first)
        hands.write(page.get_by_label("Customer.io API key"), KEY)
        hands.press(page.get_by_role("button", name="Review changes"))
        hands.write(page.get_by_label("Note"), "the key was changed at Customer.io")
        for box in page.locator("#publish input[required]").all():
            if box.get_attribute("type") == "checkbox":
                hands.turn(box)
            else:
                hands.write(box, "production")
        hands.press(page.get_by_role("button", name="Publish revision 2"))
        until(lambda: not stack.parts.holds.get(["production"]), "production goes on at once", within_s=20)

        hands.press(page.get_by_role("link", name="Failures"))
        hands.press(page.get_by_role("button", name="Replay those that pass"))
        assert "replays 222 failed events" in page.inner_text("main")
        until(lambda: stack.books["production"].dead == 78, "what passes has arrived")

        hands.press(page.get_by_role("link", name="Failures"))
        for box in page.get_by_role("checkbox").all():
            hands.turn(box)
        hands.write(page.get_by_label("Why"), "the senders left out who and when; they know")
        hands.press(page.get_by_role("button", name="Discard the chosen groups"))
        assert "Nothing has failed." in page.inner_text("main")

        hands.press(page.get_by_role("link", name="Overview"))
        assert "Nothing needs you" in page.inner_text("main")
        assert (tab.clicks <= 12, tab.said) == (True, []), tab.clicks
    assert stack.books["production"].dead == 0
    until(lambda: "ACTIVATE" in {one["name"] for one in stack.arrived()}, "the event that waited has arrived")
    assert stack.findings == []
