"""History and settings: two revisions compared, one gone back to, and what the checks find."""

import re
from pathlib import Path

import pytest

from config.roles import Role
from tests.support.consoledoor import site, text_of
from tests.support.deadstack import event, opened
from worker.console.drafts import Drafts


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio):
    """A relay whose file was published twice: the second takes no ACTIVATE."""
    with opened(tmp_path, redis_url, customerio, console_login="link") as stack:
        stack.parts.begin()
        stack.restart(('"*" = true', '"*" = true\nACTIVATE = false'))
        stack.parts.role = "console"
        stack.parts.begin()
        stack.deliver(event(1))
        yield stack


def test_two_revisions_are_compared_from_the_list(console):
    """The form leads to both in words and line by line; a row leads to what it changed."""
    browser = console.browser(Role.VIEWER)
    page = browser.get("/history").text
    assert "Compare revision" in page
    assert 'href="/history/1?to=2"' in page
    answer = browser.get("/history/compare?from=1&to=2")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/history/1?to=2")
    assert "+ACTIVATE = false" in text_of(browser.get("/history/1?to=2").text)
    assert browser.get("/history/compare?from=1&to=77").status_code == 404
    assert browser.get("/history/compare?from=x").status_code == 404


def test_the_list_goes_back_to_a_revision(console):
    """By who may publish, by way of the review; the others have no button."""
    for role in (Role.VIEWER, Role.EDITOR):
        assert "/back" not in console.browser(role).get("/history").text
    operator = console.browser(Role.OPERATOR)
    page = operator.get("/history").text
    assert re.findall(r'action="(/history/\d+/back)"', page) == ["/history/1/back"]
    token = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    answer = operator.post("/history/1/back", data={"csrf": token})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/review")
    assert "ACTIVATE" in text_of(operator.get("/review").text)


def test_a_draft_is_not_lost_by_going_back(console, stack):
    """It is asked for, with what it says and whose it is; only who has seen that very draft replaces it."""
    drafts = Drafts(stack.parts.redis)
    text = stack.parts.revisions.get(2).text
    mine = drafts.save("anna", 2, text.replace("ACTIVATE = false", "RENEWAL_ENABLED = false"), "", "bert")
    operator = console.browser(Role.OPERATOR, "anna")
    csrf = {"csrf": re.search(r'name="csrf" value="([^"]+)"', operator.get("/jobs").text)[1]}
    asked = operator.post("/history/1/back", data=csrf)
    assert asked.status_code == 409
    said = text_of(asked.text)
    assert "The draft of bert, taken over by you" in said
    assert "RENEWAL_ENABLED" in said
    over = {"over": re.search(r'name="over" value="(\w+)"', asked.text)[1], **csrf}
    newer = drafts.save("anna", 2, mine.text + "\n# more", mine.version)
    assert operator.post("/history/1/back", data=over).status_code == 409  # changed meanwhile, in another tab
    assert drafts.get("anna").text == newer.text
    assert operator.post("/history/1/back", data={"over": newer.version, **csrf}).status_code == 303
    now = drafts.get("anna")
    assert (now.text, now.of) == (stack.parts.revisions.get(1).text, "")
    assert operator.post("/history/1/back", data=csrf).status_code == 303  # the same again loses nothing
    assert operator.post("/history/77/back", data=csrf).status_code == 404
    assert operator.get("/history/1/back").headers["Location"] == "/history/1"


def test_settings_say_what_relay_check_finds(console):
    """What the file says of itself at once; keys, servers and books when the checks are run."""
    browser = console.browser(Role.VIEWER)
    text = text_of(browser.get("/settings").text)
    assert "Integrations file" in text
    assert "1 source, 1 integration" in text
    assert "Nobody was asked yet" in text
    assert "Who is logged in is shown to an admin." in text
    text = text_of(browser.get("/settings?check=yes").text)
    for title in ("Integrations file", "Customer.io", "Redis", "the books"):
        assert title in text
    assert "dead-key" not in text


def test_settings_name_the_targets_of_alerts_without_their_secrets(tmp_path, redis_url, customerio):
    """By number and kind; quiet hours, and how many needs there are now."""
    chosen = {"alert_urls": "json://secret-token@127.0.0.1:9/", "alert_quiet": "22:00-07:00 Europe/Berlin"}
    with opened(tmp_path, redis_url, customerio, console_login="link", **chosen) as stack:
        stack.parts.role = "console"
        stack.parts.begin()
        with site(stack.parts) as console:
            page = console.browser(Role.ADMIN).get("/settings").text
    assert "1 (json)" in page
    assert "22:00-07:00 Europe/Berlin" in page
    assert "secret-token" not in page
