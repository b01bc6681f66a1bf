"""Two people and one configuration: drafts taken over, joined, and asked about where both changed the same."""

import re

import pytest

from config.roles import Role
from config.settings import Settings
from tests.support.consoledoor import site
from tests.support.deadstack import INTEGRATION
from worker.app import Relay
from worker.console.drafts import Drafts
from worker.revisions.store import Revision, digest_of

EVENTS = "/integrations/production?tab=events"


@pytest.fixture
def parts(redis_url, tmp_path, monkeypatch):
    """A relay whose configuration Redis owns; its first revision is in force."""
    for name in ("DEAD_TOKEN", "DEAD_SITE", "DEAD_KEY"):
        monkeypatch.setenv(name, "x")
    made = Relay(Settings(redis_url=redis_url, shards=2, console_login="link", data_dir=tmp_path), "console")
    text = INTEGRATION.replace("{simulator}", "http://127.0.0.1:9")
    made.revisions.publish(Revision(text, digest_of(text), "a test", 1), 0)
    made.begin()
    yield made
    made.redis.close()


@pytest.fixture
def console(parts):
    with site(parts) as console:
        yield console


def form(browser, place=EVENTS):
    """The fields of a page's form as a browser posts them: what is shown, and of the switches those that are on."""
    text = browser.get(place).text
    fields = {}
    for tag in re.findall(r"<input ([^>]*)>", text):
        found = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if "name" not in found or (found.get("type") == "checkbox" and " checked" not in tag):
            continue
        fields[found["name"]] = found.get("value", "")
    return fields


def save(browser, fields, **changes):
    """Post a form with some fields changed; None: a switch that is off."""
    fields = {k: v for k, v in {**fields, **changes}.items() if v is not None}
    return browser.post(EVENTS, data=fields)


def publish(browser):
    text = browser.get("/review").text
    fields = {"act": "publish", "hash": re.search(r'name="hash" value="(\w+)"', text)[1], "note": "why"}
    typed = {f"typed.{n}": name for n, name in enumerate(re.findall(r"Type (\S+)</label>", text), 1)}
    csrf = re.search(r'name="csrf" value="([^"]+)"', text)[1]
    return browser.post("/review", data={**fields, **typed, "csrf": csrf})


def csrf(browser):
    return {"csrf": form(browser, "/jobs")["csrf"]}


def test_a_form_saved_as_it_is_makes_no_draft(console, parts):
    """Whatever the page shows, posted back, says what the text said."""
    editor = console.browser(Role.EDITOR)
    for tab in ("events", "properties", "people", "advanced"):
        place = f"/integrations/production?tab={tab}"
        text = editor.get(place).text
        fields = form(editor, place)
        for name, body in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', text, re.DOTALL):
            fields[name] = re.search(r'<option value="([^"]*)" selected', body)[1]
        for name, body in re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>(.*?)</textarea>', text, re.DOTALL):
            fields[name] = body
        answer = editor.post(place, data=fields)
        assert answer.status_code == 303, (tab, answer.text)
        assert [one.text for one in Drafts(parts.redis).all()] == [], tab


def test_an_operator_publishes_what_an_editor_drafted(console, parts):
    """Seen in words at Drafts, taken over, planned, published with the author's name; then nobody has a draft."""
    editor, operator = console.browser(Role.EDITOR, login="anna"), console.browser(Role.OPERATOR, login="bob")
    assert save(editor, form(editor), **{"events.RENEWAL_DISABLED.name": "Cancelled"}).status_code == 303
    page = operator.get("/drafts").text
    assert "anna" in page
    assert "event RENEWAL_DISABLED: sent as" in page
    viewer = console.browser(Role.VIEWER, login="cid")
    assert "Take it over" not in viewer.get("/drafts").text
    assert viewer.post("/drafts", data={"of": "anna", **csrf(viewer)}).status_code == 403
    assert operator.post("/drafts", data={"of": "anna", **csrf(operator)}).headers["Location"] == "/review"
    assert "The draft of anna, taken over by you" in operator.get("/review").text
    assert publish(operator).headers["Location"] == "/published/2"
    revision = parts.revisions.get(2)
    assert (revision.by, revision.note) == ("bob", "why (draft by anna)")
    assert 'RENEWAL_DISABLED = "Cancelled"' in revision.text
    assert Drafts(parts.redis).all() == []


def test_a_draft_of_ones_own_is_not_lost_by_taking_another_over(console, parts):
    """It is refused; and one that is gone is a page that says so."""
    anna, bob = console.browser(Role.EDITOR, login="anna"), console.browser(Role.OPERATOR, login="bob")
    save(anna, form(anna), **{"events.ACTIVATE.on": None})
    save(bob, form(bob), **{"events.DEACTIVATE.on": None})
    refused = bob.post("/drafts", data={"of": "anna", **csrf(bob)})
    assert (refused.status_code, "draft of your own" in refused.text) == (409, True)
    assert bob.post("/drafts", data={"of": "nobody", **csrf(bob)}).status_code == 404
    assert "DEACTIVATE = false" in Drafts(parts.redis).get("bob").text


def test_two_people_lose_nothing(console, parts):
    """Other keys are joined; the same one is asked for, and what is chosen is published."""
    anna, bob = console.browser(Role.OPERATOR, login="anna"), console.browser(Role.OPERATOR, login="bob")
    save(anna, form(anna), **{"events.ACTIVATE.name": "By Anna", "events.RENEWAL_ENABLED.on": None})
    save(bob, form(bob), **{"events.ACTIVATE.name": "By Bob", "events.RENEWAL_DISABLED.on": None})
    assert publish(bob).headers["Location"] == "/published/2"
    asked = anna.get("/review")
    assert asked.status_code == 409
    key = "integrations.production.events.ACTIVATE"
    assert key in asked.text
    assert "By Bob" in asked.text
    assert "revision 2, by bob (“why”), is in force" in asked.text
    answer = anna.post("/review", data={"act": "merge", f"choice.{key}": "mine", **csrf(anna)})
    assert answer.headers["Location"] == "/review"
    assert publish(anna).headers["Location"] == "/published/3"
    events = parts.integrations.integrations["production"].events
    assert events == {"ACTIVATE": "By Anna", "RENEWAL_DISABLED": None, "RENEWAL_ENABLED": None}


def test_a_second_tab_loses_nothing(console, parts):
    """What was changed in each is in the draft, though the second form was older."""
    anna = console.browser(Role.EDITOR, login="anna")
    first, second = form(anna), form(anna)
    save(anna, first, **{"events.ACTIVATE.on": None})
    save(anna, second, **{"events.DEACTIVATE.on": None})
    text = Drafts(parts.redis).get("anna").text
    assert "ACTIVATE = false" in text
    assert "DEACTIVATE = false" in text


def test_a_plan_that_is_not_of_this_draft_publishes_nothing(console, parts):
    """Changed in another tab after the plan was seen: it has to be looked at again."""
    anna = console.browser(Role.OPERATOR, login="anna")
    save(anna, form(anna), **{"events.ACTIVATE.on": None})
    text = anna.get("/review").text
    seen = {"act": "publish", "hash": re.search(r'name="hash" value="(\w+)"', text)[1], **csrf(anna)}
    save(anna, form(anna), **{"events.DEACTIVATE.on": None})
    assert anna.post("/review", data=seen).headers["Location"] == "/review"
    assert parts.revisions.head() == 1
