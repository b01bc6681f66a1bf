"""The first steps: from an empty store to a workspace in force, a copy for tests, and a test event that is stored."""

import re
import sys
from html import unescape
from types import SimpleNamespace

import orjson
import pytest

from config.catalogue import catalogue
from config.roles import Role
from config.settings import Settings
from tests.support.consoledoor import site
from tests.support.deadstack import KEY, SITE, opened
from worker.app import Relay
from worker.console.drafting import Desk
from worker.console.drafts import Drafts
from worker.history.preview import make_preview
from worker.revisions.seal import new_key
from worker.store.keys import shard_key


def token(browser, place):
    """What the page's forms carry: the token of the session, and the mark of the draft."""
    text = browser.get(place).text
    mark = re.search(r'name="mark" value="([^"]*)"', text)
    return {"csrf": re.search(r'name="csrf" value="([^"]+)"', text)[1], **({"mark": mark[1]} if mark else {})}


def followed(browser, answer):
    """The page that an answer leads to."""
    assert answer.status_code == 303, answer.text
    return browser.get(answer.headers["Location"])


def publish(browser):
    """Publish the draft as its review asks for it; where that leads to."""
    text = browser.get("/review").text
    fields = {"act": "publish", "hash": re.search(r'name="hash" value="(\w+)"', text)[1], "note": "a test"}
    typed = {f"typed.{n}": name for n, name in enumerate(re.findall(r"Type (\S+)</label>", text), 1)}
    return browser.post("/review", data={**fields, **typed, "csrf": re.search(r'name="csrf" value="([^"]+)"', text)[1]})


@pytest.fixture
def parts(redis_url, tmp_path):
    """A relay without any configuration."""
    settings = Settings(redis_url=redis_url, shards=2, console_login="link", secret_keys=new_key(), data_dir=tmp_path)
    made = Relay(settings, "console")
    made.begin()
    yield made
    made.redis.close()


@pytest.fixture
def empty(parts):
    with site(parts) as console:
        yield console


@pytest.fixture
def stack(tmp_path, redis_url, customerio):
    with opened(tmp_path, redis_url, customerio, console_login="link", secret_keys=new_key()) as stack:
        stack.parts.role = "console"
        stack.parts.begin()
        yield stack


def wizard(url, **changes):
    fields = {
        "source": "",
        "source.name": "my-app",
        "webhook_secret": "s3cret",
        "name": "production",
        "api_key": KEY,
        "site_id": SITE,
        "region": "find",
        "base_url": url,
        "environments": "PRODUCTION",
        "events.all": "on",
    }
    return {**fields, **changes}


def add(browser, url, **changes):
    return browser.post("/integrations/new", data={**wizard(url, **changes), **token(browser, "/integrations/new")})


def test_an_empty_relay_leads_to_its_first_workspace(empty, parts, customerio):
    """The key is tried, its region found, everything is sealed; reviewed, it is published as revision 1."""
    browser = empty.browser(Role.ADMIN)
    assert "connect Purchasely to Customer.io" in followed(browser, browser.get("/integrations")).text
    review = followed(browser, add(browser, customerio[0]))
    assert "Publish revision 1" in review.text
    assert "the key works, region eu" in review.text
    (draft,) = Drafts(parts.redis).all()
    assert not any(secret in draft.text for secret in (KEY, "s3cret"))
    assert 'region = "eu"' in draft.text
    page = followed(browser, publish(browser))
    assert "What is next" in page.text
    assert parts.integrations.integrations["production"].api_key == KEY
    assert browser.get("/integrations/production").status_code == 200
    sample = browser.get("/integrations/production/events/ACTIVATE").text
    assert 'value="SANDBOX" required disabled' in sample  # nothing would take it
    assert "duplicate production as sandbox" in sample


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"api_key": "wrong"}, "api_key"),
        ({"base_url": "http://127.0.0.1:9"}, "region"),
        ({"name": "Not A Name"}, "name"),
        ({"webhook_secret": ""}, "webhook_secret"),
        ({"site_id": ""}, "site_id"),
        ({"region": "mars"}, "region"),
        ({"name": "<script>alert(1)</script>"}, "name"),
        ({"api_key": "env:NOT_SET_HERE"}, "region"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(empty, parts, customerio, changes, field, monkeypatch):
    """What was typed is there again, but for secrets; nothing is in the draft."""
    monkeypatch.setattr("worker.console.keyregion._WAIT_S", 0.5)
    answer = add(empty.browser(Role.ADMIN), customerio[0], **changes)
    assert answer.status_code == 422
    assert f'id="wrong-{field}"' in answer.text
    assert f'href="#{field}"' in answer.text
    assert 'value="my-app"' in answer.text
    assert f'value="{changes.get("site_id", SITE)}"' in answer.text
    assert "s3cret" not in answer.text
    assert "<script>alert" not in answer.text
    assert Drafts(parts.redis).all() == []


def test_keys_are_an_admins(empty, parts, customerio):
    """An operator sees who to ask; what they post anyway is refused."""
    browser = empty.browser(Role.OPERATOR)
    assert "set by an admin" in browser.get("/integrations/new").text
    data = {**wizard(customerio[0]), "csrf": token(browser, "/jobs")["csrf"], "mark": "0:"}
    assert browser.post("/integrations/new", data=data).status_code == 403
    assert Drafts(parts.redis).all() == []


def test_only_an_admin_publishes_a_key_or_its_address(empty, parts, customerio):
    """An operator who has the address changed would have the key sent there."""
    admin, operator = empty.browser(Role.ADMIN), empty.browser(Role.OPERATOR)
    add(admin, customerio[0])
    assert publish(admin).headers["Location"] == "/published/1"
    place = "/integrations/production?tab=advanced"
    fields = {"tab": "advanced", "environments": "PRODUCTION", "send": "on", "exclude": "device_id"}

    def save(address):
        return operator.post(place, data={**fields, "base_url": address, **token(operator, place)})

    save("http://evil.example")
    said = "nly an admin publishes a change of integrations.production.base_url"
    assert said in operator.get("/review").text
    (draft,) = Drafts(parts.redis).all()
    seen = make_preview(parts, draft.text, 5)  # as if the page had shown how to publish it
    asked = {"act": "publish", "hash": seen.hash, "csrf": token(operator, "/review")["csrf"]}
    refused = operator.post("/review", data=asked)
    assert (refused.status_code, said in refused.text) == (409, True)
    assert parts.revisions.head() == 1
    save(customerio[0])
    assert publish(operator).headers["Location"] == "/published/2"


def test_a_duplicate_is_off_until_it_has_keys(stack):
    """It takes test purchases alone; an editor may copy, and keys that they post are not taken."""
    with site(stack.parts) as console:
        browser = console.browser(Role.EDITOR)
        place = "/integrations/production/duplicate"
        assert browser.post(place, data={"name": "production", **token(browser, place)}).status_code == 422
        answer = browser.post(place, data={"name": "test", "api_key": "k", "site_id": "s", **token(browser, place)})
        assert answer.status_code == 303
        (draft,) = Drafts(stack.parts.redis).all()
        copy = draft.text[draft.text.index("[integrations.test]") :]
        assert "enabled = false" in copy
        assert 'environments = ["SANDBOX"]' in copy
        assert 'api_key = "env:DEAD_KEY"' in copy
        for place in ("/integrations/nobody/duplicate", "/integrations/nobody/remove"):
            mark = token(browser, "/integrations/production")
            assert browser.post(place, data=mark).status_code == 404
        assert browser.get("/integrations/nobody/duplicate").status_code == 404


def test_an_example_is_shown_as_customer_io_gets_it(stack):
    """To every role, with its meaning; of a code that nobody knows too."""
    with site(stack.parts) as console:
        for role in Role:
            browser = console.browser(role)
            page = browser.get("/integrations/production/events/RENEWAL_DISABLED?person=anna@example.com")
            assert page.status_code == 200
            text = unescape(page.text)
            assert "switched automatic renewal off" in text
            assert '"name": "RENEWAL_DISABLED"' in text
            assert '"email": "anna@example.com"' in text
            assert '"relay_test": true' in text
        strange = browser.get("/integrations/production/events/%3Cscript%3Ealert(1)%3Cx%3E")
        assert strange.status_code == 200
        assert "<script>alert" not in strange.text
        assert browser.get("/integrations/nobody/events/ACTIVATE").status_code == 404
        assert browser.get(f"/integrations/production/events/ACTIVATE?person={'x' * 151}").status_code == 409


def draft(stack, *changes):
    """Anna's draft: what is in force, with these changes."""
    text = stack.parts.live.loaded.revision.text
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    Desk(stack.parts).start("anna", text, stack.parts.live.loaded.number)


def test_an_example_says_whether_the_draft_is_in_it(stack):
    """It was of what is in force, also for who came to it from the rows of their draft, and did not say so."""
    place = "/integrations/production/events/RENEWAL_DISABLED"
    with site(stack.parts) as console:
        editor, operator = console.browser(Role.EDITOR), console.browser(Role.OPERATOR)
        assert "your draft" not in editor.get(place).text.lower()
        assert f'href="{place}"' in editor.get("/integrations/production?tab=events").text
        draft(stack, ('"*" = true', '"*" = true\nRENEWAL_DISABLED = "Renewal off"'))
        assert f'href="{place}?draft=yes"' in editor.get("/integrations/production?tab=events").text
        plain = unescape(editor.get(f"{place}?person=anna").text)
        assert "As in force, without your draft." in plain
        assert '"name": "RENEWAL_DISABLED"' in plain
        assert f'href="{place}?person=anna&draft=yes"' in plain
        mine = unescape(editor.get(f"{place}?person=anna&draft=yes").text)
        assert "With your draft, which is not in force yet." in mine
        assert '"name": "Renewal off"' in mine
        assert '<input type="hidden" name="draft" value="yes">' in mine
        assert "It is sent as in force, without your draft." in operator.get(f"{place}?draft=yes").text
        assert "your draft" not in console.browser(Role.VIEWER).get(f"{place}?draft=yes").text.lower()


def test_an_example_of_an_integration_that_is_only_drafted(stack):
    """As the draft has it, and nothing to send; one that the draft leaves out, or breaks, is as in force."""
    place = "/integrations/{}/events/ACTIVATE"
    with site(stack.parts) as console:
        operator = console.browser(Role.OPERATOR)
        draft(stack, ("integrations.production", "integrations.next"))
        page = operator.get(place.format("next"))
        assert page.status_code == 200
        assert "With your draft, which is not in force yet." in page.text
        assert "As in force" not in page.text
        assert "Send a test event" not in page.text
        assert "As in force. Your draft has no production." in operator.get(place.format("production")).text
        draft(stack, ('region = "', 'region = "x'))
        broken = operator.get(f"{place.format('production')}?draft=yes").text
        assert "Your draft has errors, so this is as in force" in broken
        assert operator.get(place.format("next")).status_code == 404


def test_an_example_says_nothing_of_who_is_named(stack):
    """Who may not see personal data sees an example of somebody new, whoever they name."""
    stack.parts.suppressed.add("anna")
    with site(stack.parts) as console:
        place = "/integrations/production/events/ACTIVATE?person=anna"
        assert "suppressed: anna" not in console.browser(Role.VIEWER).get(place).text
        assert "suppressed: anna" in console.browser(Role.OPERATOR).get(place).text


def test_a_test_event_is_sent_by_who_may_act(stack, monkeypatch):
    """Stored and marked; the page that follows is the event's own."""
    # making Celery's application takes the settings of the whole process
    monkeypatch.setitem(sys.modules, "worker.tasks", SimpleNamespace(wake=lambda *_, **__: True))
    place = "/integrations/production/events/ACTIVATE"
    with site(stack.parts) as console:
        viewer, operator = console.browser(Role.VIEWER), console.browser(Role.OPERATOR)
        fields = {"person": "anna", "environment": "PRODUCTION"}
        assert viewer.post(place, data={**fields, "csrf": token(viewer, "/jobs")["csrf"]}).status_code == 403
        answer = operator.post(place, data={**fields, **token(operator, place)})
        assert answer.headers["Location"].startswith("/events/")
        page = followed(operator, answer)
        assert page.status_code == 200
        assert "On its way" in page.text
        assert 'id="fates" data-live="counts"' in page.text  # it is seen to arrive
    streams = [shard_key(shard, "events", "app") for shard in range(stack.settings.shards)]
    raws = [fields[b"b"] for stream in streams for _, fields in stack.parts.redis.xrange(stream)]
    assert [b'"relay_test":true' in raw for raw in raws] == [True]


def test_every_code_has_a_test_event(stack, monkeypatch):
    """Shown as Customer.io would get it, and stored as Purchasely would send it: all of the catalogue, each marked."""
    monkeypatch.setitem(sys.modules, "worker.tasks", SimpleNamespace(wake=lambda *_, **__: True))
    codes = sorted(catalogue().events)
    with site(stack.parts) as console:
        operator = console.browser(Role.OPERATOR)
        form = token(operator, "/integrations/production/events/ACTIVATE")
        for code in codes:
            place = f"/integrations/production/events/{code}"
            text = unescape(operator.get(f"{place}?person=anna").text)
            assert f'"name": "{code}"' in text, code
            assert '"relay_test": true' in text, code
            answer = operator.post(place, data={"person": "anna", "environment": "SANDBOX", **form})
            assert answer.headers["Location"].startswith("/events/"), code
    streams = [shard_key(shard, "events", "app") for shard in range(stack.settings.shards)]
    stored = [orjson.loads(fields[b"b"]) for stream in streams for _, fields in stack.parts.redis.xrange(stream)]
    assert sorted(one["event_name"] for one in stored) == codes
    assert all(one["relay_test"] and one["environment"] == "SANDBOX" for one in stored)
