"""The first run: an empty folder, `relay up`, and its one-time link; to an event that is seen arriving."""

import os
import re
import subprocess
import sys

import pytest

from tests.support.chromium import Tab, chromium, needs_chromium
from tests.support.hands import Keyboard, Mouse
from tests.support.waiting import until
from worker.simulator.accounts import Account
from worker.simulator.app import Options
from worker.simulator.serve import running

pytestmark = needs_chromium

SITE, KEY = "a-site-of-theirs", "a-key-of-theirs"


@pytest.fixture(scope="module")
def browser():
    """One browser for all of them."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def customerio():
    """A workspace in the United States, which nobody says."""
    with running(Options(accounts=(Account(SITE, KEY, "us"),))) as (url, simulator):
        yield url, simulator.workspace()[1]


@pytest.fixture
def link(tmp_path):
    """`relay up` in an empty folder, with nothing set; the link that it prints."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    command = [sys.executable, "-c", "from worker.cli import main; main()", "up", "--port", "0", "--console-port", "0"]
    out, err = tmp_path / "out.txt", tmp_path / "err.txt"
    folder = tmp_path / "empty"
    folder.mkdir()
    with out.open("w") as said, err.open("w") as logged:
        up = subprocess.Popen(command, cwd=folder, env=clean, stdout=said, stderr=logged)

        def printed():
            return re.search(r"http://\S+/login/link/\S+", out.read_text())

        try:
            until(lambda: up.poll() is not None or printed(), "the link is printed", within_s=60)
            found = printed()
            assert found, err.read_text()
            yield found[0]
        finally:
            up.terminate()
            up.wait(timeout=60)


@pytest.mark.parametrize("how", ["mouse", "keyboard", "no-javascript"])
def test_a_newcomer_sees_an_event_arrive(browser, customerio, link, how):
    """The link, the app, a key that is wrong and one that is right, the review, the webhook, a test event."""
    url, workspace = customerio
    base = link.partition("/login/")[0]
    tab = Tab(browser, base, **({"java_script_enabled": False} if how == "no-javascript" else {}))
    hands, page = (Keyboard if how == "keyboard" else Mouse)(tab), tab.page

    page.goto(link)
    hands.press(page.get_by_role("button", name="Log in"))
    assert "Welcome: connect Purchasely to Customer.io" in page.inner_text("h1")
    hands.write(page.get_by_label("Client shared secret"), "the-secret-of-the-webhook")
    hands.write(page.get_by_label("Customer.io Site ID"), SITE)
    hands.write(page.get_by_label("Customer.io API key"), "a-key-that-is-wrong")
    hands.press(page.get_by_text("Another address than Customer.io's"))
    hands.write(page.get_by_label("Address", exact=True), url)
    hands.press(page.get_by_role("button", name="See what it does"))
    assert "Customer.io refuses this Site ID and key" in page.inner_text("#errors")
    hands.write(page.get_by_label("Client shared secret"), "the-secret-of-the-webhook")
    hands.write(page.get_by_label("Customer.io API key"), KEY)
    hands.press(page.get_by_role("button", name="See what it does"))

    assert "the key works, region us" in page.inner_text("main")
    for box in page.locator("#publish input[required]").all():
        hands.turn(box)
    hands.press(page.get_by_role("button", name="Publish revision 1"))
    assert page.inner_text("#webhook") == "/webhooks/purchasely/my-app"

    def live():
        found = re.search(r"Live on (\d+) of (\d+) process", page.inner_text("#published"))
        if how == "no-javascript" and not (found and found[1] == found[2]):
            page.reload()
        return found and found[1] == found[2] and int(found[1]) >= 3

    until(live, "every process runs it", every_s=0.3)
    if how != "no-javascript":
        page.goto("/")
        copy = page.get_by_role("button", name="Copy")
        copy.wait_for()
        with page.expect_response("**/"):
            page.evaluate("refresh(['counts'])")
        copy.wait_for()  # also in a region that was fetched again
        page.goto("/published/1")
    hands.press(page.get_by_role("link", name="Choose an event"))
    hands.press(page.get_by_role("link", name="ACTIVATE", exact=True))
    hands.write(page.get_by_label("To this person"), "me@company.example")
    hands.turn(page.get_by_role("radio", name="production: reaches"))
    hands.press(page.get_by_role("button", name="Send the test event"))

    def is_sent():
        if how == "no-javascript":
            page.reload()
        return "Sent" in page.inner_text("#fates")

    until(is_sent, "the page says that it was sent", every_s=0.3)
    (arrived,) = workspace.journal.page(0, 10)
    assert arrived.name == "ACTIVATE"
    hands.press(page.get_by_role("link", name="Overview"))
    assert "Nothing needs you" in page.inner_text("main")
    refused = [line for line in tab.said if "status of 422" not in line]
    assert refused == []
    tab.context.close()
