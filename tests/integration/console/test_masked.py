"""Who may not see personal data sees none: on every page, in every error; and what strangers write is never markup."""

import html
import re
import sys
from collections import deque
from types import SimpleNamespace
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from redis.exceptions import RedisError

from config.roles import Role
from tests.support.consoledoor import site
from tests.support.deadstack import event, opened
from worker.acts import people
from worker.acts.record import Doer
from worker.acts.replaying import Chosen, replay_letters, survey_letters
from worker.console.access.roles import Viewer
from worker.console.page import PageRoute
from worker.dead.condition import Condition
from worker.dead.filters import Filter

# A value of each field that may name a person: a marker, the field's number, in the field's own form.
FIELDS = (
    "user_id",
    "anonymous_user_id",
    "customerio_user_id",
    "vendor_user_id",
    "device_id",
    "event_id",
    "original_purchase_id",
    "purchasely_subscription_id",
    "store_original_transaction_id",
    "store_transaction_id",
    "purchase_token",
    "transferred_from_user_id",
    "transferred_from_anonymous_user_id",
    "custom_field",
    "nickname",
)
MARKER = "zebra"
IDS = {name: f"{MARKER}-{number:02}-person" for number, name in enumerate(FIELDS)}
EMAILS = {"customerio_user_email": f"{MARKER}@people.example", "email": f"{MARKER}.two@people.example"}
NESTED = {"attributes": {f"{MARKER}-name-of-a-field": [{"name": f"{MARKER} nested"}, f"{MARKER}+a@people.example"]}}
EVERYTHING = {**IDS, **EMAILS, **NESTED}
PEOPLE = [IDS["user_id"], EMAILS["customerio_user_email"], IDS["anonymous_user_id"]]


def with_everything(number, name="SUBSCRIPTION_RENEWED", **fields):
    """An event with a marker in every field, and a person, an id and a time of its own."""
    own = {key: f"{value}-{number}" for key, value in IDS.items()}
    return event(number, name, **{**own, **EMAILS, **NESTED, **fields})


@pytest.fixture
def stack(tmp_path, redis_url, customerio, monkeypatch):
    """A relay that sent, filtered and failed at events of people, in every way that an event fails by itself."""
    # making Celery's application takes the settings of the whole process
    monkeypatch.setitem(sys.modules, "worker.tasks", SimpleNamespace(wake_job=lambda *_: True))
    with opened(tmp_path, redis_url, customerio, console_login="link") as stack:
        stack.restart(('"*" = true', '"*" = true\nACTIVATE = false'))
        stack.parts.role = "console"
        stack.parts.begin()
        stack.deliver(
            {**event(1), **EVERYTHING},
            with_everything(2, "ACTIVATE"),
            with_everything(3, None),
            with_everything(4, "X" * 140),
            with_everything(5, event_created_at_ms=f"{MARKER}.time@people.example"),
            with_everything(6, user_id=f"{MARKER}-" * 60, customerio_user_id=None),
            with_everything(7, plan="p" * 2000),
            {**with_everything(8), "user_id": None, "customerio_user_id": None},
            b'{"event_name": "ACTIVATE", "user_id": "zebra-broken',
            with_everything(9, "LOYALTY_TIER_CHANGED"),
            with_everything(10, environment=f"{MARKER}.env@people.example"),
        )
        yield stack


def work(stack):
    """What people do by name: failed ones of a person again, suppressed, forgotten, each on record."""
    parts, doer = stack.parts, Doer("oncall", "because")
    for one in PEOPLE[:2]:
        meant = Filter(person=one, where=(Condition("user_id", "=", IDS["user_id"]),))
        survey, chosen = survey_letters(parts, stack.letters(), failing=True)
        replay_letters(parts, survey, Chosen(chosen.ids), meant.text(), 1.0, doer)
        people.suppress(parts, one, doer)
    people.forget(parts, f"{IDS['user_id']}-2", doer)


def shown(answer):
    """Everything that an answer says, in whichever way: text, attributes, addresses, headers."""
    text = html.unescape(answer.text) + str(dict(answer.headers))
    return re.sub(r"<wbr>|\u200b", "", unquote(unquote(text.replace("+", " "))) + text)


def leaks(answer):
    """What an answer gives away, with what is around it."""
    text = shown(answer)
    return [text[max(0, m.start() - 90) : m.end() + 30] for m in re.finditer(MARKER, text, re.IGNORECASE)]


def crawl(browser, start, most=400):
    """Every page that links lead to, by its address, from these on."""
    seen, left = {}, deque(start)
    while left and len(seen) < most:
        address = left.popleft()
        if address in seen:
            continue
        answer = seen[address] = browser.get(address)
        if "text/html" not in answer.headers.get("Content-Type", "") and answer.status_code != 303:
            continue
        found = [*re.findall(r'(?:href|action)="([^"]+)"', answer.text), answer.headers.get("Location", "")]
        for link in map(html.unescape, found):
            parts = urlsplit(urljoin(f"{browser.base}{address}", link))
            if link and parts.path and f"{parts.scheme}://{parts.netloc}" == browser.base and parts.path != "/logout":
                left.append(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    return seen


def starts(console):
    """Every route without a name in it; where one has a name, links lead there."""
    return [template for template in console.routes if "{" not in template and template not in {"/live", "/logout"}]


def of_route(template):
    """What an address of the route looks like."""
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/?]+", re.escape(template)) + r"(\?.*)?")


# Not by a link: what ends the visit, what lets in, what does not end, what only a form leads to.
UNLINKED = {"/live", "/logout", "/login/link/{token}", "/history/{number}/back", "/integrations/{name}/remove"}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_no_page_that_can_be_reached_names_a_person(stack, role):
    """Followed from link to link over every route, after people were replayed, edited, suppressed and forgotten."""
    work(stack)
    more = ["/failures?mark=ignored", "/?span=7d", "/settings?check=yes", "/published/1"]
    more += ["/integrations/production/duplicate", *(f"/find?q={one}" for one in ("sub-1", "X" * 26))]
    with site(stack.parts) as console:
        seen = crawl(console.browser(role), [*starts(console), *more])
        missed = [one for one in console.routes if not any(of_route(one).fullmatch(address) for address in seen)]
    assert {address: found for address, answer in seen.items() if (found := leaks(answer))} == {}
    assert {*missed, "/integrations/{name}/remove"} == UNLINKED
    assert {answer.status_code for answer in seen.values()} <= {200, 303, 403, 404}
    assert len(seen) > 100


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_no_answer_to_a_form_names_a_person(stack, role):
    """Each button of each form that the role is shown: as the page filled it in, empty, and with nonsense."""
    work(stack)
    pressed = set()
    with site(stack.parts) as console:
        browser = console.browser(role)
        pages = crawl(browser, [*starts(console), "/integrations/production/duplicate", "/published/1"], most=130)
        for address, page in pages.items():
            for method, action, fields, buttons in forms(address, page.text):
                template = next((one for one in console.routes if of_route(one).fullmatch(action)), action)
                about = method, template, tuple(sorted(fields))
                if template == "/logout" or about in pressed:
                    continue
                pressed.add(about)
                kept = {name: held for name, (held, kind) in fields.items() if kind == "hidden"}
                shown = {name: held for name, (held, _) in fields.items()}
                for button in buttons:
                    for sent in (shown, kept, dict.fromkeys(fields, "nonsense") | kept):
                        data = {"params" if method == "get" else "data": {**sent, **button}}
                        answer = browser.request(method, action, **data)
                        assert leaks(answer) == [], (action, button)
                        if answer.status_code == 303:
                            answer = browser.get(answer.headers["Location"])
                            assert leaks(answer) == [], (action, button)
                        assert answer.status_code in {200, 303, 403, 404, 409, 422}, (action, button)
    assert len(pressed) >= (14 if role is Role.EDITOR else 3), pressed


@pytest.mark.parametrize("fault", [ValueError, RedisError, OSError, RecursionError])
def test_no_error_names_a_person(stack, monkeypatch, caplog, fault):
    """Whatever a page fails at, and whatever that says: neither the answer nor the log has it."""

    def fail(_visit):
        raise fault(f"{IDS['user_id']} {EMAILS['email']}")

    with site(stack.parts) as console:
        browser = console.browser(Role.EDITOR)
        pages = {template: one._page for template, one in console.routes.items() if isinstance(one, PageRoute)}
        for page in pages.values():
            monkeypatch.setattr(page, "get", fail, raising=True)
        for template, page in pages.items():
            answer = browser.get(re.sub(r"\{\w+\}", "1", template))
            unexpected = 503 if issubclass(fault, RedisError | OSError) else 500
            assert answer.status_code == (unexpected if Viewer("", Role.EDITOR, "", "").may(page.sees) else 403)
            assert leaks(answer) == [], template
    assert MARKER not in caplog.text
    assert fault in {RedisError, OSError} or f"page_failed fault={fault.__name__} at=" in caplog.text


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}\x1b[2J\x9b2J\u202e\u2066\x07"
RAW = ("<script>alert", "<img src=x", "\x1b", "\x9b", "\u202e", "\u2066", "\x07", "{{49}}")


def acting(page):
    """What of a page could act in a browser or, as text, in a terminal; attributes hold what is sent back as it was."""
    page = re.sub(r'="[^"<>]*"|(<textarea[^>]*>)[^<>]*', r"\1", page)
    return [raw for raw in RAW if raw in page]


def forms(address, page):
    """The forms of a page: method, where it goes, its fields with what they hold, and its buttons."""
    for head, body in re.findall(r"<form ([^>]*)>(.*?)</form>", page, re.DOTALL):
        about = dict(re.findall(r'([\w-]+)="([^"]*)"', head))
        ident = about.get("id")
        outside = re.findall(rf'<(?:input|select|textarea|button)[^>]* form="{ident}"[^>]*>', page) if ident else []
        fields, buttons = {}, [{}]
        for tag in re.findall(r"<(?:input|select|textarea|button)[^>]*>", body) + outside:
            found = {name: html.unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
            if tag.startswith("<button") and "name" in found:
                buttons.append({found["name"]: found.get("value", "")})
            elif "name" in found:
                fields[found["name"]] = found.get("value", ""), found.get("type", "text")
        yield about.get("method", "get"), html.unescape(about.get("action", address)), fields, buttons


def test_no_form_makes_a_page_of_what_is_typed_into_it(stack):
    """Scripts, templates and escapes of terminals in every field of every form, one button after the other."""
    tried, addresses = set(), set()
    with site(stack.parts) as console:
        browser = console.browser(Role.ADMIN)
        for address, page in crawl(browser, [*starts(console), "/published/1", "/failures/1"], most=130).items():
            for method, action, fields, buttons in forms(address, page.text):
                template = next((one for one in console.routes if of_route(one).fullmatch(action)), action)
                what = method, template, tuple(sorted(name.partition(".")[0] for name in fields))
                if what in tried or template in {"/logout", "/reveal"}:
                    continue
                tried.add(what)
                token = {"csrf": fields["csrf"][0]} if "csrf" in fields else {}
                kept = {name: value for name, (value, kind) in fields.items() if kind == "hidden"}
                typed = {name: HOSTILE for name, (_, kind) in fields.items() if kind != "hidden"}
                for button in buttons:
                    for sent in ({**typed, **kept}, {**kept, **typed, **dict.fromkeys(kept, HOSTILE)}):
                        data = {**sent, **button, **token}
                        answer = browser.request(
                            method, action, **({"params": data} if method == "get" else {"data": data})
                        )
                        assert answer.status_code not in {403, 405, 500}, (action, button, answer.status_code)
                        pages = [answer]
                        if answer.status_code == 303:
                            pages.append(browser.get(answer.headers["Location"]))
                        for one in pages:
                            assert acting(one.text) == [], (action, button)
                            assert one.status_code != 500
                        addresses.add(template)
        for address, page in crawl(browser, [*starts(console), "/review", "/drafts"], most=130).items():
            assert acting(page.text) == [], address
    assert len(tried) > 20, tried
    assert addresses >= {
        "/activity",
        "/failures",
        "/failures/{number}",
        "/find",
        "/integrations",
        "/integrations/new",
        "/integrations/{name}",
        "/integrations/{name}/duplicate",
        "/integrations/{name}/events/{code}",
        "/people",
    }


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ADMIN])
def test_no_address_makes_a_page_of_what_is_in_it(stack, role):
    """The same in each part of the address of every route, and in every parameter that any page reads."""
    names = "q id person code outcome integration from to next before all draft event tab find check span mark after"
    names = [*names.split(), "name", "off", "path", "value", "number", "x"]
    with site(stack.parts) as console:
        browser = console.browser(role)
        for template in console.routes:
            if template in {"/live", "/logout"}:
                continue
            for hostile in (HOSTILE, "\x00", "../" * 9, "%25", "\ud800".encode("utf-8", "surrogatepass")):
                place = re.sub(r"\{\w+\}", quote(hostile, safe="").replace("\\", "\\\\"), template)
                answers = [browser.get(place)]
                answers += [browser.get(place, params=dict.fromkeys(names, hostile))]
                answers += [browser.get(re.sub(r"\{\w+\}", "1", template), params={one: hostile}) for one in names]
                for answer in answers:
                    assert answer.status_code != 500, (answer.url, template)
                    assert acting(answer.text) == [], answer.url
