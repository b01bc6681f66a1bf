"""From a failure to the last replay: choose, review, publish, try three, replay the others."""

import pytest

from tests.support.chromium import chromium, needs_chromium
from tests.support.consolestack import console_stack, event
from tests.support.hands import people
from tests.support.waiting import until

pytestmark = needs_chromium

NOW_MS = 1_790_000_000_000


@pytest.fixture(scope="module")
def stack():
    """A relay that has had nothing to do."""
    with console_stack() as stack:
        yield stack


def has(page, text):
    """Whether the page says so by now; without JavaScript a person loads it again."""
    if text in page.inner_text("main"):
        return True
    page.reload()
    return False


@pytest.mark.parametrize("how", ["mouse", "keyboard", "no-javascript"])
def test_an_event_that_cannot_be_sent_by_its_name_is_sent_by_another(stack, how):
    """The name is suggested and tried already: nothing is typed but the note, and each page has the next step."""
    code = "_".join(["LOYALTY", how.replace("-", "_").upper(), *["TIER"] * 20])
    sent = [event(code, f"customer-{number}", NOW_MS, f"{how}-{number}") for number in range(5)]
    others = stack.books["production"].dead
    stack.post(sent)
    until(lambda: stack.books["production"].dead == others + 5, "they fail: the name is too long")
    with chromium() as browser:
        tab, hands = people(browser, stack, "operator", how)
        page = tab.page
        hands.press(page.get_by_role("link", name="Failures"))
        hands.press(page.get_by_role("link", name="event_name breaks a limit of Customer.io"))
        assert page.locator("input[value=name]").is_checked()
        assert "5 would pass; try 3 first" in page.inner_text("main")
        assert not page.get_by_role("button", name="Discard").is_visible()
        hands.press(page.get_by_role("button", name="Review"))
        hands.write(page.get_by_label("Note"), "the name was too long")
        for box in page.locator("#publish input[required]").all():
            if box.get_attribute("type") == "checkbox":
                hands.turn(box)
            else:
                hands.write(box, "production")
        hands.press(page.get_by_role("button", name="Publish revision"))
        assert "is in force, live on" in page.inner_text("main")
        hands.press(page.get_by_role("button", name="Try 3"))
        until(lambda: has(page, "Replay the other 2 at 200/s"), "three have passed", every_s=0.5)
        hands.press(page.get_by_role("button", name="Replay the other 2"))
        until(lambda: stack.books["production"].dead == others, "all are sent")
        until(lambda: has(page, "is left"), "the page says so", every_s=0.5)
        assert (tab.said, tab.clicks <= 9) == ([], True), tab.clicks
    names = {one["name"] for one in stack.arrived() if one["attributes"].get("event_id", "").startswith(how)}
    assert names == {" ".join(code.replace("_", " ").title().split())[:100].strip()}
    assert stack.findings == []


def test_a_choice_shows_what_belongs_to_it(stack):
    """Without a script: the reason of a discard only where that is chosen, the fields where one is changed."""
    stack.post([event("ACTIVATE", "nobody", NOW_MS, "nobodys", user_id=None, customerio_user_email=None)])
    with chromium() as browser:
        tab, hands = people(browser, stack, "operator", "no-javascript")
        page = tab.page
        page.goto("/failures")
        if not page.get_by_role("link", name="no field names a person").count():
            until(lambda: has(page, "No field names a person"), "it fails", every_s=0.5)
        hands.press(page.get_by_role("link", name="No field names a person"))
        why, field = page.get_by_label("Why"), page.get_by_label("Field", exact=True)
        shown = {}
        for choice in ("unchanged", "field", "discard"):
            page.locator(f"input[value={choice}]").check()
            shown[choice] = (
                why.is_visible(),
                field.is_visible(),
                page.get_by_role("button", name="Try 3").is_visible(),
            )
        assert shown == {
            "unchanged": (False, False, True),
            "field": (False, True, False),
            "discard": (True, False, False),
        }
        assert tab.said == []
