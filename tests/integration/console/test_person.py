"""The page of one person: how things are with them, and where each property comes from."""

import re
from pathlib import Path

import pytest

from config.roles import Role
from tests.support.consoledoor import text_of
from tests.support.deadstack import event, opened
from worker.console.drafting import Desk
from worker.store.sessions import Sessions

RENEWS_MS = 1_797_760_800_000  # 20 December 2026


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio, monkeypatch):
    """A relay in which somebody has a subscription that renews, and an event that is off."""
    with opened(tmp_path, redis_url, customerio, console_login="link") as stack:
        monkeypatch.setattr("worker.app.relay", lambda: stack.parts)
        monkeypatch.setattr("worker.tasks.wake_job", lambda _, job_id: stack.jobs_woken.append(job_id))
        stack.restart(
            ('"*" = true', '"*" = true\nTRANSACTION_PROCESSED = false'),
            ("last_event = true", 'last_event = true\nnext_renewal_at = true\n\n[plans]\nmonthly = "P1M"'),
        )
        stack.parts.role = "console"
        stack.parts.begin()
        facts = {"subscription_status": "AUTO_RENEWING", "next_renewal_at_ms": RENEWS_MS}
        stack.deliver(event(1, **facts), event(1, "TRANSACTION_PROCESSED", **facts))
        yield stack


def token(browser) -> str:
    """The token that the forms of this session carry."""
    return re.search(r'name="csrf" value="([^"]+)"', browser.get("/jobs").text)[1]


def test_a_sentence_on_top_says_how_things_are(console, stack):
    """What they have, how often they pay, what comes next, and whether they are suppressed; for every role."""
    for role in Role:
        text = text_of(console.browser(role).get("/people?id=user-1").text)
        assert "Subscribed, monthly, renews 20 Dec 2026 · not suppressed" in text, role
    operator = console.browser(Role.OPERATOR)
    operator.post("/people?id=user-1", data={"csrf": token(operator), "act": "suppress"})
    assert "renews 20 Dec 2026 · ❚❚ Suppressed" in text_of(operator.get("/people?id=user-1").text)


def test_nothing_is_said_of_a_subscription_that_nobody_told_of(console, stack):
    """An event without a word about a subscription: the sentence says that none is known."""
    stack.deliver(event(7, "TRANSACTION_PROCESSED", plan=None, purchasely_subscription_id=None))
    text = text_of(console.browser(Role.VIEWER).get("/people?id=user-7").text)
    assert "No subscription is known · not suppressed" in text


def test_a_property_has_its_day_and_its_event(console):
    """The value, the day on which an event gave it, and the event's code, as a link."""
    text = text_of(console.browser(Role.VIEWER).get("/people?id=user-1").text)
    assert re.search(r"next_renewal_at 20 Dec 2026 ← 9 Oct 2025 (SUBSCRIPTION_ ?RENEWED|TRANSACTION_ ?PROCESSED)", text)


DRAFTED = "/people?id=user-1&draft=yes"


def test_each_decision_is_explained_with_the_draft(console, stack):
    """Beside what became of each event, what the viewer's own draft would make of it; nothing is sent."""
    editor = console.browser(Role.EDITOR)
    assert "Explain with your draft" not in editor.get("/people?id=user-1").text
    assert "begin a draft" in editor.get("/people?id=user-1").text
    page = editor.get("/integrations/production?tab=events").text
    fields = {"csrf": token(editor), "tab": "events", "go": "save", "events.all": "on"}
    fields["mark"] = re.search(r'name="mark" value="([^"]*)"', page)[1]
    fields |= {"events.TRANSACTION_PROCESSED.name": "Payment", "events.TRANSACTION_PROCESSED.on": "on"}
    assert editor.post("/integrations/production?tab=events", data=fields).status_code == 303
    assert "Explain with your draft" in editor.get("/people?id=user-1").text
    text = text_of(editor.get(DRAFTED).text)
    assert "With your draft would be sent as Payment" in text
    assert "With your draft the same: would be sent as SUBSCRIPTION_RENEWED" in text
    assert "user-1" not in text
    assert len(stack.arrived()) == 1


def test_a_draft_is_of_who_made_it(console):
    """Whoever has none, or may have none, sees no decisions of another's, whatever the address says."""
    for role in Role:
        text = text_of(console.browser(role).get(DRAFTED).text)
        assert "With your draft" not in text
        assert ("begin a draft" in text) == (role is not Role.VIEWER)


def test_a_draft_with_errors_is_said_to_have_them(console, stack):
    """The timeline is there all the same."""
    editor = console.browser(Role.EDITOR)
    (login,) = {one.session.login for one in _sessions(stack) if one.session.role == Role.EDITOR}
    Desk(stack.parts).start(login, "[integrations.production]\nregion = 'mars'\n", 1)
    text = text_of(editor.get(DRAFTED).text)
    assert "Your draft has errors" in text
    assert "Timeline" in text


def _sessions(stack):
    return Sessions(stack.parts.redis).list()


def test_an_event_that_is_off_is_sent_by_a_click(console, stack):
    """An operator sends just this one, under its code, and sees it sent on the same page; others have no button."""
    for role in (Role.VIEWER, Role.EDITOR):
        assert "Send this one" not in console.browser(role).get("/people?id=user-1").text
    operator = console.browser(Role.OPERATOR)
    page = operator.get("/people?id=user-1").text
    assert page.count("Send this one") == 1
    (place,) = re.findall(r'<form method="post" action="(/events/[^"]+)"', page)
    asked = {"csrf": token(operator), "integration": "production", "back": "/people?id=user-1"}
    answer = operator.post(place, data=asked)
    shown = answer.headers["Location"]
    assert (answer.status_code, shown.partition("&job=")[0]) == (303, "/people?id=user-1")
    followed = 'id="line" data-live="jobs"'  # until it is sent
    assert followed in operator.get(shown).text
    stack.work()
    assert followed not in operator.get(shown).text
    assert [one.name for one in stack.arrived()] == ["SUBSCRIPTION_RENEWED", "TRANSACTION_PROCESSED"]
    page = operator.get("/people?id=user-1").text
    assert "Send this one" not in page
    assert "● Sent as TRANSACTION_PROCESSED, Customer.io 200" in text_of(page)
    account = stack.account()  # the books balance
    assert (account.delivered, account.waiting) == (2, 0)
    assert "one event, which is off" in operator.get("/history").text


def test_what_may_not_be_sent_is_refused_with_a_reason(console, stack):
    """A suppressed person's event, whoever presses: 409 and why."""
    operator = console.browser(Role.OPERATOR)
    (place,) = re.findall(r'<form method="post" action="(/events/[^"]+)"', operator.get("/people?id=user-1").text)
    asked = {"csrf": token(operator), "act": "suppress"}
    operator.post("/people?id=user-1", data=asked)
    refused = operator.post(place, data={"csrf": token(operator), "integration": "production"})
    assert refused.status_code == 409
    assert "would not send this event: the person is suppressed" in text_of(refused.text)
    assert len(stack.arrived()) == 1
