"""What people come to the console for, from the first page to the last: by keyboard alone, and without JavaScript."""

import re

import pytest

from tests.support.chromium import Tab, chromium, needs_chromium
from tests.support.consolestack import console_stack, event
from tests.support.deadseed import seed
from tests.support.hands import Mouse, people
from tests.support.waiting import until
from worker.store.sessions import Sessions

pytestmark = needs_chromium

NOW_MS = 1_790_000_000_000


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


def published(page):
    """The number of the revision that a page says is in force now."""
    return int(re.search(r"Revision (\d+) is in force", page.inner_text("h1"))[1])


def names_of(stack, event_id):
    """Under which names an event arrived, once it has."""
    return until(
        lambda: {one["name"] for one in stack.arrived() if one["attributes"].get("event_id") == event_id},
        f"{event_id} arrives",
    )


@pytest.mark.parametrize(("how", "code"), [("keyboard", "TRIAL_STARTED"), ("no-javascript", "ACTIVATE")])
def test_a_marketer_gives_an_event_another_name_and_goes_back(browser, stack, how, code):
    """Find Customer.io, the event, its name; see what it does to last week's traffic; publish, see it live, go back."""
    tab, hands = people(browser, stack, "operator", how)
    page = tab.page
    hands.press(page.get_by_role("link", name="Integrations", exact=True))
    hands.press(page.get_by_role("link", name="production", exact=True))
    hands.press(page.get_by_role("link", name="Server events"))
    if how == "keyboard":
        hands.write(page.get_by_label("Search", exact=True), code)
    hands.write(page.get_by_label(f"Name of {code} in Customer.io"), f"Now {code.lower()}")
    hands.press(page.get_by_role("button", name="Review changes"))
    review = page.inner_text("main")
    assert "nothing was sent" in review
    assert f"{code} → “Now {code.lower()}”" in review
    assert "Campaigns on the old name stop." in review
    publish(page, hands, "the team agreed on names")
    number = published(page)
    live(page)
    stack.post([event(code, "customer-0001", NOW_MS, f"new-{number}")])
    assert names_of(stack, f"new-{number}") == {f"Now {code.lower()}"}

    hands.press(page.get_by_role("button", name="Go back to revision"))
    assert f"{code} “Now {code.lower()}” → “{code}”" in page.inner_text("main")
    publish(page, hands, "they did not")
    assert published(page) == number + 1
    live(page)
    stack.post([event(code, "customer-0001", NOW_MS, f"old-{number}")])
    assert names_of(stack, f"old-{number}") == {code}
    assert tab.said == []


def publish(page, hands, why):
    """Publish what the review shows, with all that it asks for."""
    hands.write(page.get_by_label("Note"), why)
    for box in page.locator("#publish input[required]").all():
        if box.get_attribute("type") == "checkbox":
            hands.turn(box)
        else:
            hands.write(box, "production")
    hands.press(page.get_by_role("button", name="Publish revision"))
    page.wait_for_url("**/published/*")


def live(page):
    """Wait until the page says that every process runs it; without JavaScript a person loads it again."""

    def all_of_them():
        found = re.search(r"Live on (\d+) of (\d+) process", page.inner_text("main"))
        if found and found[1] == found[2]:
            return True
        page.reload()
        return False

    until(all_of_them, "it is live everywhere", every_s=0.3)


@pytest.mark.parametrize("how", ["mouse", "keyboard", "no-javascript"])
def test_support_finds_out_why_an_event_did_not_arrive(browser, stack, how):
    """From an e-mail address to the person, and to the event that was not sent, with the reason: two clicks."""
    sandbox = event("RENEWAL_DISABLED", "customer-0002", NOW_MS, "from-the-sandbox", environment="SANDBOX")
    stack.post([sandbox])
    until(lambda: sum(one.waiting for one in stack.books.values()) == 0, "it is settled")
    tab, hands = people(browser, stack, "operator", how)
    page = tab.page
    field = page.get_by_label("Find a person or an event")
    if how == "mouse":
        tab.click(field)
    hands.write(field, "Customer-0002@Example.com")
    page.keyboard.press("Enter")
    page.wait_for_url("**/people?*")
    text = page.inner_text("main")
    assert "Timeline" in text
    assert "Not sent" in text
    assert "customer-0002" not in text
    hands.press(page.get_by_role("button", name="Show personal data"))
    assert "customer-0002" in page.inner_text("main")
    assert (tab.clicks <= 2, tab.said) == (True, [])
    tab.context.close()


def test_a_name_that_does_harm_is_warned_of_while_it_is_typed(browser, stack):
    """At both rows that share it, at the one that is too long, at what was sent this week; and nothing is saved."""
    tab, hands = people(browser, stack, "editor", "keyboard", "emil")
    page = tab.page
    page.goto("/integrations/production?tab=events")
    started, ended = (page.locator(f'[id="said-events.{code}.name"]') for code in ("TRIAL_STARTED", "TRIAL_CONVERTED"))
    new = page.locator("#said")
    hands.write(page.get_by_label("Name of TRIAL_STARTED in Customer.io"), "Trial")
    started.get_by_text("campaigns that start on that will stop").wait_for()
    hands.write(page.get_by_label("Name of TRIAL_CONVERTED in Customer.io"), "Trial")
    started.get_by_text("the name of TRIAL_CONVERTED too").wait_for()
    assert ended.inner_text() == "the name of TRIAL_STARTED too: Customer.io cannot tell them apart"
    assert new.inner_text() == "2 rows to look at: TRIAL_STARTED, TRIAL_CONVERTED"
    hands.write(page.get_by_label("Name of TRIAL_CONVERTED in Customer.io"), "ACTIVATE")
    ended.get_by_text("the name of ACTIVATE too").wait_for()
    hands.write(page.get_by_label("Name of TRIAL_CONVERTED in Customer.io"), "X" * 101)
    ended.get_by_text("longer than 100 bytes").wait_for()
    hands.turn(page.get_by_label("Send TRIAL_CONVERTED", exact=True))
    new.get_by_text("1 row to look at: TRIAL_STARTED").wait_for()
    assert ended.inner_text() == ""
    page.reload()
    assert "This is your draft" not in page.inner_text("main")
    assert tab.said == []
    tab.context.close()


def test_how_many_rows_differ_follows_what_is_typed(browser, stack):
    """Beside the switch for all of them, which may be turned itself; a code that has a row is no new one."""
    tab, hands = people(browser, stack, "editor", "keyboard", "emma")
    page = tab.page
    page.goto("/integrations/production?tab=events")
    said = page.locator('[id="hint-events.all"]')
    before = said.inner_text()
    hands.write(page.get_by_label("Name of TRIAL_STARTED in Customer.io"), "Trial begun")
    said.get_by_text(re.compile("rows? differs? from it")).wait_for()
    until(lambda: said.inner_text() != before, "the count is another one", every_s=0.1)
    page.get_by_label("Name of TRIAL_STARTED in Customer.io").fill("")
    until(lambda: said.inner_text() == before, "it is as it was", every_s=0.1)
    hands.turn(page.get_by_label("Enable all subscription events"))
    until(lambda: said.inner_text() != before, "all rows are on, and the switch is off", every_s=0.1)
    hands.write(page.get_by_label("Another code"), "TRIAL_STARTED")
    page.get_by_text("TRIAL_STARTED is in the list already").wait_for()
    assert tab.said == []
    tab.context.close()


def test_what_was_typed_outlives_the_session(browser, stack):
    """Saved after the session had ended it was gone; now it is sent again after the log-in, in another tab."""
    tab, hands = people(browser, stack, "editor", "keyboard", "edith")
    page = tab.page
    page.goto("/integrations/production?tab=events")
    hands.write(page.get_by_label("Name of TRIAL_STARTED in Customer.io"), "Written before lunch")
    sessions = Sessions(stack.parts.redis)
    (mine,) = [one.session_id for one in sessions.list() if one.session.login == "edith"]
    sessions.end(mine)
    hands.press(page.get_by_role("button", name="Save draft"))
    assert "What you entered is still here" in page.inner_text("main")
    for dark, width in ((False, 1280), (True, 320)):
        tab.show(dark=dark, width=width)
        assert (tab.barriers(), tab.sideways()) == ([], 0)
    tab.page = tab.context.new_page()
    tab.log_in(stack.link("editor", "edith"))
    tab.page = page
    page.bring_to_front()
    for asked in ("Is it still what you want?", "This is your draft"):
        hands.press(page.get_by_role("button", name="Send it again"))
        assert asked in page.inner_text("main")
    assert page.get_by_label("Name of TRIAL_STARTED in Customer.io").input_value() == "Written before lunch"
    tab.context.close()


def test_two_editors_lose_nothing(browser, stack):
    """Both change one name: the second to publish sees both and chooses; what the first did besides is kept."""
    anna, bert = (Tab(browser, stack.console).log_in(stack.link("operator", who)) for who in ("anna", "bert"))
    for tab, name, more in ((anna, "By Anna", "RENEWAL_DISABLED"), (bert, "By Bert", "SUBSCRIPTION_STARTED")):
        tab.page.goto("/integrations/production?tab=events")
        tab.page.get_by_label("Name of TRANSACTION_PROCESSED in Customer.io").fill(name)
        tab.page.get_by_label(f"Name of {more} in Customer.io").fill(f"{name} too")
        tab.click(tab.page.get_by_role("button", name="Save draft"))
    anna.page.goto("/review")
    publish(anna.page, Mouse(anna), "Anna was first")
    bert.page.goto("/review")
    assert "Somebody published meanwhile" in bert.page.inner_text("h1")
    assert "TRANSACTION_PROCESSED" in bert.page.inner_text("main")
    bert.click(bert.page.get_by_role("radio", name="By Bert"))
    bert.click(bert.page.get_by_role("button", name="Join them"))
    review = bert.page.inner_text("main")
    assert "“By Bert”" in review
    assert "“By Anna too”" not in review
    publish(bert.page, Mouse(bert), "Bert was second")
    text = stack.relay("config", "show").stdout
    assert 'TRANSACTION_PROCESSED = "By Bert"' in text
    assert 'RENEWAL_DISABLED = "By Anna too"' in text
    assert 'SUBSCRIPTION_STARTED = "By Bert too"' in text


def test_news_takes_nothing_from_whoever_is_choosing(browser, stack):
    """Failures come while somebody ticks a group, with the fresh list on its way: the tick stays, the news is said."""
    tab = Tab(browser, stack.console).log_in(stack.link("operator", "clara"))
    page = tab.page
    asked = []
    page.route(
        "**/failures", lambda route: asked.append(route) if "hx-request" in route.request.headers else route.continue_()
    )
    page.goto("/failures")
    page.mouse.move(0, 0)
    shards = stack.parts.settings.shards

    def is_asked():
        seed(stack.parts.redis, 1, shards)
        page.wait_for_timeout(300)
        return asked

    until(is_asked, "the page asks for the fresh list")
    box = page.get_by_role("checkbox").first
    box.check()
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    for route in asked:
        route.continue_()
    page.get_by_text("There are newer failures").wait_for()
    assert box.is_checked()
    assert tab.said == []
    page.unroute_all()


def test_the_webhook_is_copied(browser, stack):
    """For Purchasely's Console; without JavaScript there is the text alone."""
    tab, _ = people(browser, stack, "viewer", "mouse")
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.page.goto("/integrations/production")
    tab.click(tab.page.get_by_role("button", name="Copy"))
    tab.page.get_by_role("button", name="Copied").wait_for()
    assert tab.page.evaluate("navigator.clipboard.readText()") == tab.page.inner_text("#webhook")
    assert tab.said == []
    tab.context.close()
    plain, _ = people(browser, stack, "viewer", "no-javascript")
    plain.page.goto("/integrations/production")
    assert plain.page.inner_text("#webhook").startswith("/webhooks/purchasely/")
    assert plain.page.get_by_role("button", name="Copy").count() == 0
    plain.context.close()
