"""Every page of the console over a relay with events, failures, a job, revisions and a hold."""

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

from config.roles import Role
from tests.support.consoledoor import text_of
from tests.support.deadstack import event, opened
from worker.acts import holding
from worker.acts.record import Doer
from worker.console.live import News
from worker.revisions.store import digest_of
from worker.store.holds import IntegrationHold

SCRIPT = "<script>alert(1)</script>"
HOSTILE = f"{SCRIPT}\x1b[2J\u202e\"'><img src=x onerror=alert(2)>"


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio):
    """A relay with events of hostile people and names, some of which failed."""
    with opened(tmp_path, redis_url, customerio, console_login="link") as stack:
        stack.parts.role = "console"
        stack.parts.begin()
        stack.deliver(
            event(1),
            event(2, "TRIAL_STARTED"),
            event(3, None, event_id="nameless"),
            event(4, f"{HOSTILE}{'X' * 100}"),
            event(5, user_id=HOSTILE, plan=HOSTILE, event_id=HOSTILE),
            event(6, f"{SCRIPT}_OK"),
        )
        letters = stack.letters()
        stack.start(letters[:1], job_id="replay-abc123")
        yield stack


def places(stack) -> list[str]:
    """An address of every page."""
    trace = next(iter(_room(stack).finder.event("event-1-SUBSCRIPTION_RENEWED")))
    place = f"{trace.shard}/{trace.entry_id}"
    letter = stack.letters()[0].id
    number = _groups(stack)[0].number
    return [
        "/",
        "/?span=15m",
        "/integrations",
        *(
            f"/integrations/production?tab={tab}"
            for tab in ("account", "events", "properties", "people", "advanced", "history")
        ),
        "/integrations/production/events/TRIAL_STARTED",
        "/activity",
        "/activity?outcome=dead",
        f"/events/{place}",
        f"/people?event={place}",
        "/people?id=user-1",
        "/failures",
        "/failures?mark=ignored",
        f"/failures/{number}",
        f"/failures/{number}?path=user_id&value=someone",
        f"/letters/{letter}",
        "/jobs",
        "/history",
        "/history/1",
        "/history/export",
        "/review",
        "/published/1",
        "/settings",
    ]


def _room(stack):
    from worker.history.room import open_history

    return open_history(stack.parts)


def _groups(stack):
    from worker.console.failures import read_groups

    return read_groups(stack.parts)


def test_every_page_is_shown_to_every_role(console, stack):
    """None fails, whatever the role; a page that one may not see says so."""
    for role in Role:
        browser = console.browser(role)
        for place in places(stack):
            answer = browser.get(place)
            assert answer.status_code == 200, (role, place, answer.text)


def test_nothing_that_a_stranger_wrote_is_markup(console, stack):
    """Names of events, identifiers, properties, messages: shown as text, without a character that acts."""
    browser = console.browser(Role.ADMIN)
    browser.post("/reveal", data={"kind": "activity", "subject": "the list", "csrf": token(browser)})
    letter = stack.letters()[-1]
    list(stack.parts.dead_changes.discard([letter], "a test", "anna"))
    wrong = {"reason": "invalid_time", "field": HOSTILE, "message": HOSTILE}
    assert stack.parts.dead_changes.restore(msgspec.structs.replace(letter, **wrong))
    groups = [f"/failures/{one.number}" for one in _groups(stack)]
    for place in [*places(stack), *groups, "/people?id=%3Cscript%3Ealert(1)%3C/script%3E"]:
        text = re.sub(r'value="[^"<>]*"', "", browser.get(place).text)
        assert "<script>alert" not in text, place
        assert "<img src=x" not in text, place
        assert "\x1b" not in text, place
        assert "\u202e" not in text, place


def token(browser) -> str:
    """The token that the forms of this session carry."""
    found = re.search(r'name="csrf" value="([^"]+)"', browser.get("/jobs").text)
    assert found
    return found[1]


def test_personal_data_is_masked_until_it_is_asked_for(console, stack):
    """A viewer never sees an identifier; an operator asks, for one subject, and it is on record."""
    stack.deliver(event(77, user_id="customer-0077", email="ann@example.com"))
    viewer = console.browser(Role.VIEWER)
    for place in [*places(stack), "/people?id=customer-0077"]:
        assert "customer-0077" not in viewer.get(place).text.replace("/people?id=customer-0077", ""), place
        assert "ann@example.com" not in viewer.get(place).text, place
    refused = viewer.post("/reveal", data={"kind": "activity", "subject": "the list", "csrf": token(viewer)})
    assert refused.status_code == 403
    operator = console.browser(Role.OPERATOR)
    assert "customer-0077" not in operator.get("/activity").text
    operator.post("/reveal", data={"kind": "activity", "subject": "the list", "csrf": token(operator), "back": "/jobs"})
    assert "customer-0077" in operator.get("/activity").text
    assert "reveal" in operator.get("/history").text


def test_what_is_not_there_is_a_page_too(console):
    """An unknown address, event, person, group, letter or revision: 404 and a way on."""
    browser = console.browser(Role.VIEWER)
    for place in (
        "/nowhere",
        "/events/0/1-1",
        "/events/x/y",
        "/failures/999",
        "/failures/x",
        "/letters/nothing",
        "/integrations/nothing",
        "/history/99",
        "/people?id=nobody-at-all",
    ):
        answer = browser.get(place)
        assert answer.status_code == 404, place
        assert "text/html" in answer.headers["Content-Type"]


def test_what_takes_long_to_find_is_gone_on_with(console, stack, monkeypatch):
    """A page says that it looked at the newest events only, and leads to the rest; an event's ULID likewise."""
    for module in ("activity", "person"):
        monkeypatch.setattr(f"worker.console.{module}.LOOK_S", 0.0)
    browser = console.browser(Role.VIEWER)
    for asked, then in (
        ("/people?id=user-1", "/people?id=user-1&all=yes"),
        ("/people?id=nobody", "/people?id=nobody&all=yes"),
        (f"/people?id={stack.arrived()[0].id}", f"/find?q={stack.arrived()[0].id}&all=yes"),
    ):
        answer = browser.get(asked)
        assert answer.status_code == 200
        assert "Nothing was found in the newest 0 events" in answer.text
        assert f'href="{then.replace("&", "&amp;")}" data-onward' in answer.text
        assert "data-onward" not in browser.get(then).text
    assert browser.get("/people?id=nobody&all=yes").status_code == 404
    assert "TRIAL_<wbr>STARTED" in browser.get("/people?id=user-2&all=yes").text
    assert browser.get(f"/find?q={stack.arrived()[0].id}&all=yes").headers["Location"].startswith("/events/")
    assert browser.get("/find?q=nobody&all=yes").headers["Location"] == "/people?id=nobody&all=yes"


def test_a_whole_search_ends_too(console, monkeypatch):
    """Beside millions of events it says how far it came, and what looks further; a page never waits for all of them."""
    for module in ("activity", "person"):
        monkeypatch.setattr(f"worker.console.{module}.WHOLE_S", 0.0)
    answer = console.browser(Role.VIEWER).get("/people?id=user-1&all=yes")
    assert answer.status_code == 200
    assert "the newest 0 events were looked through, not all" in answer.text
    assert "data-onward" not in answer.text


def test_a_search_that_was_cut_goes_on_where_it_ended(console, monkeypatch):
    """A link, for somebody who was not found so far; it finds what is behind, and says so where there is nothing."""
    browser = console.browser(Role.VIEWER)
    with monkeypatch.context() as short:
        short.setattr("worker.console.person.WHOLE_S", 0.0)
        seen = {ident: browser.get(f"/people?id={ident}&all=yes").text for ident in ("user-2", "nobody")}
    further = {ident: re.search(r'href="([^"]+before=\d{13})">Look further back', text) for ident, text in seen.items()}
    found = browser.get(further["user-2"][1].replace("&amp;", "&"))
    assert found.status_code == 200
    assert "TRIAL_<wbr>STARTED" in found.text
    nothing = browser.get(further["nobody"][1].replace("&amp;", "&"))
    assert nothing.status_code == 404
    assert "Nothing of this person is kept of before" in nothing.text
    assert browser.get("/people?id=user-2&before=" + "9" * 40).status_code == 200


def test_a_search_for_an_event_goes_on_where_it_ended(console, stack, monkeypatch):
    """By its link, which finds what is behind; where nothing is, the person of that name is looked for."""
    browser, ulid, nobody = console.browser(Role.VIEWER), stack.arrived()[0].id, "01JZZZZZZZAAAAAAAAAAAAAAAA"
    with monkeypatch.context() as short:
        short.setattr("worker.console.activity.WHOLE_S", 0.0)
        seen = {ident: browser.get(f"/find?q={ident}&all=yes") for ident in (ulid, nobody)}
    further = {}
    for ident, page in seen.items():
        assert page.status_code == 200
        assert f'href="/people?id={ident}&amp;all=yes"' in page.text
        further[ident] = re.search(r'href="([^"]+)">Look further back', page.text)[1].replace("&amp;", "&")
        assert re.fullmatch(rf"/find\?q={ident}&before=\d{{13}}", further[ident])
    assert browser.get(further[ulid]).headers["Location"].startswith("/events/")
    assert browser.get(further[nobody]).headers["Location"] == f"/people?id={nobody}&all=yes"
    assert browser.get(f"/find?q={ulid}&before=evil").headers["Location"].startswith("/events/")


def test_a_file_that_owns_the_configuration_is_changed_elsewhere(console, stack):
    """A draft can be made and planned; publishing is refused, and the change is there to take to the file."""
    browser = console.browser(Role.OPERATOR)
    page = browser.get("/integrations/production?tab=events").text
    fields = {"csrf": token(browser), "tab": "events", "go": "save", "mark": mark(page)}
    fields |= {"events.all": "on", "events.TRIAL_STARTED.name": "Trial", "events.TRIAL_STARTED.on": "on"}
    assert browser.post("/integrations/production?tab=events", data=fields).status_code == 303
    review = browser.get("/review").text
    assert "Get the change" in review
    assert "TRIAL_STARTED" in review
    diff = browser.get("/review/change.diff")
    assert '+TRIAL_STARTED = "Trial"' in diff.text
    assert "attachment" in diff.headers["Content-Disposition"]
    refused = browser.post("/review", data={"csrf": token(browser), "act": "publish", "hash": "0"})
    assert refused.status_code == 409


def test_the_change_back_to_a_former_revision_is_a_text_that_is_published(console, stack):
    """A file's text is published once: what is taken to the file has a line by which it is another one."""
    parts, browser = stack.parts, console.browser(Role.OPERATOR)
    first = parts.live.loaded.revision
    text = first.text + "\n# changed\n"
    changed = msgspec.structs.replace(first, text=text, digest=digest_of(text))
    head = parts.revisions.publish(changed, parts.revisions.head())
    parts.live.look(force=True)
    try:
        assert browser.post(f"/history/{first.number}/back", data={"csrf": token(browser)}).status_code == 303
        diff = browser.get("/review/change.diff").text
        assert f"+# as revision {first.number}, again after revision {head}" in diff
    finally:
        browser.post("/review", data={"csrf": token(browser), "act": "drop"})
        parts.revisions.publish(first, head)
        parts.live.look(force=True)


def test_the_review_says_what_relay_check_would_warn_of(console):
    """A property that the revenue of a currency would overwrite: it was published without a word."""
    browser = console.browser(Role.OPERATOR)
    page = browser.get("/integrations/production?tab=properties").text
    rows = {"cumulated_revenue_in_*": "", "plan": "cumulated_revenue_in_eur"}
    fields = {"csrf": token(browser), "tab": "properties", "go": "review", "mark": mark(page)}
    fields |= {f"properties.{name}.name": to for name, to in rows.items()}
    fields |= {f"properties.{name}.on": "on" for name in rows}
    assert browser.post("/integrations/production?tab=properties", data=fields).status_code == 303
    review = text_of(browser.get("/review").text)
    said = 'integrations.production.user_properties.plan: "cumulated_revenue_in_*" sends "cumulated_revenue_in_eur" too'
    assert said in review
    assert browser.post("/review", data={"csrf": token(browser), "act": "drop"}).status_code == 303


def test_a_switch_that_was_turned_is_still_turned_beside_an_error(console):
    """What was typed is there again, also the switches, which went back to what they were."""
    browser = console.browser(Role.OPERATOR)
    page = browser.get("/integrations/production?tab=events").text
    assert re.search(r'id="events.all"[^>]* checked', page)
    fields = {"csrf": token(browser), "tab": "events", "go": "save", "mark": mark(page)}
    fields |= {"events.TRIAL_STARTED.name": "X" * 101, "events.TRIAL_STARTED.on": "on"}
    answer = browser.post("/integrations/production?tab=events", data=fields)
    assert answer.status_code == 422
    assert not re.search(r'id="events.all"[^>]* checked', answer.text)
    fields = {"csrf": token(browser), "tab": "advanced", "go": "save", "mark": mark(page), "send.shown": "1"}
    answer = browser.post("/integrations/production?tab=advanced", data=fields)
    assert answer.status_code == 422
    assert not re.search(r'(?:value="PRODUCTION"|id="send")[^>]* checked', answer.text)


def test_a_file_that_owns_the_configuration_is_where_a_refused_key_is_corrected(console, stack):
    """Not "publish it", which is refused there: the key is in a variable, which workers read when they start."""
    browser = console.browser(Role.OPERATOR)
    fingerprint = stack.parts.integrations.integrations["production"].fingerprint
    held = IntegrationHold(stack.parts.holds, "production", fingerprint)
    held.hold("unauthorized", status=401, message="Unauthorized", probe=False)
    try:
        page = text_of(browser.get("/integrations/production").text)
    finally:
        held.resume()
    assert "Correct the variable DEAD_KEY and restart the workers" in page
    assert "publish it" not in page


def test_what_somebody_else_published_is_not_said_of_a_form_of_before(console, stack):
    """Rows were compared with what came into force meanwhile, as if who types would change that."""
    parts, browser = stack.parts, console.browser(Role.OPERATOR)
    page = browser.get("/integrations/production?tab=events").text
    first, head = parts.live.loaded.revision, parts.revisions.head()
    text = first.text.replace('"*" = true', '"*" = true\nTRIAL_STARTED = "Trial"')
    parts.revisions.publish(msgspec.structs.replace(first, text=text, digest=digest_of(text)), head)
    parts.live.look(force=True)
    fields = {"csrf": token(browser), "tab": "events", "go": "look", "mark": mark(page), "events.all": "on"}
    fields |= {"events.ACTIVATE.name": "", "events.ACTIVATE.on": "on"}
    said = text_of(browser.post("/integrations/production?tab=events", data=fields).text)
    assert "Every row follows it." in said
    shown = browser.get(f"/published/{head}").text
    assert shown.index('data-live="counts"') < shown.index("<h1>") < shown.index("not in force any more")


def test_no_file_is_a_spreadsheet(console, stack):
    """What is downloaded is TOML or a diff, and a name that would be a formula is a quoted text in it."""
    browser = console.browser(Role.OPERATOR)
    page = browser.get("/integrations/production?tab=events").text
    formula = "=HYPERLINK(1)"
    fields = {"csrf": token(browser), "tab": "events", "go": "save", "mark": mark(page), "events.all": "on"}
    fields |= {"events.TRIAL_STARTED.name": formula, "events.TRIAL_STARTED.on": "on"}
    assert browser.post("/integrations/production?tab=events", data=fields).status_code == 303
    one = ("/history/export?integration=production", "application/toml")
    for place, kind in (("/history/export", "application/toml"), one, ("/review/change.diff", "text/x-diff")):
        answer = browser.get(place)
        assert answer.headers["Content-Type"].partition(";")[0] == kind
        assert re.fullmatch(r'attachment; filename="?[\w-]+\.(toml|diff)"?', answer.headers["Content-Disposition"])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert f'+TRIAL_STARTED = "{formula}"' in answer.text
    assert not [line for line in answer.text.splitlines() if line.startswith("=")]


def mark(page: str) -> str:
    """What the form carries."""
    found = re.search(r'name="mark" value="([^"]*)"', page)
    assert found
    return found[1]


def test_nobody_does_what_their_role_may_not(console):
    """A POST of every page, by every role, without and with the right to it."""
    for place, needed in (("/integrations", Role.OPERATOR), ("/jobs", Role.OPERATOR), ("/failures", Role.OPERATOR)):
        for role in Role:
            browser = console.browser(role)
            answer = browser.post(place, data={"csrf": token(browser), "act": "nothing", "number": "0", "job": "0"})
            assert (answer.status_code == 403) == (role.rank < needed.rank), (place, role)


def test_an_integration_is_paused(console, stack):
    """The form does what `relay hold` does, with the login in the record."""
    browser = console.browser(Role.OPERATOR)
    said = {"csrf": token(browser), "integration": "production", "why": "new keys on Monday"}
    assert browser.post("/integrations", data={**said, "act": "pause"}).status_code == 303
    assert stack.parts.holds.get(["production"])["production"].message == "new keys on Monday"
    page = browser.get("/integrations").text
    assert "is paused" in page
    assert "PAUSED" in page
    assert "new keys on Monday" in browser.get("/history").text


def test_the_stream_of_news_names_regions_alone(stack):
    """Whoever listens, masked or not: what is stale, and a digest of it; nothing of a person or an event."""
    found = asyncio.run(News(stack.parts).wait({}, 20))
    assert set(found) == {"counts", "holds", "activity", "failures", "jobs"}
    assert all(re.fullmatch("[0-9a-f]{16}", version) for version in found.values())


def test_what_a_page_shows_of_the_processes_is_news(stack):
    """A worker that ends, one that takes up a revision, a hold, an event that is sent: each was shown as before."""

    def stale_after(act):
        before = asyncio.run(News(stack.parts).wait({}, 20))
        act()
        after = asyncio.run(News(stack.parts).wait({}, 20))
        return {name for name in after if after[name] != before[name]}

    worker = msgspec.structs.replace(stack.parts.process(), role="worker", revision=1)
    parts = stack.parts
    assert {"counts", "jobs"} <= stale_after(lambda: parts.processes.beat(worker))
    taken_up = msgspec.structs.replace(worker, revision=2)
    assert "counts" in stale_after(lambda: parts.processes.beat(taken_up))
    assert {"counts", "jobs"} <= stale_after(lambda: parts.processes.leave(taken_up))
    assert {"holds", "failures"} <= stale_after(lambda: holding.hold(parts, "production", Doer("anna", "new keys")))
    stack.append(event(7))
    assert {"holds", "failures"} <= stale_after(lambda: parts.holds.resume("production", "operator"))
    assert "activity" in stale_after(stack.deliver)
