"""The page of everybody's newest events: what is looked for in it."""

import html
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from config.roles import Role
from tests.support.deadstack import event, opened


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio, monkeypatch):
    """A relay with six events of three people, and a console that has time to look for them."""
    monkeypatch.setattr("worker.console.activity.LOOK_S", 20.0)
    with opened(tmp_path, redis_url, customerio, console_login="link") as stack:
        stack.parts.role = "console"
        stack.parts.begin()
        stack.deliver(*[event(n % 3, "ACTIVATE" if n % 2 else "TRIAL_STARTED", event_id=f"id-{n}") for n in range(6)])
        yield stack


def places(answer) -> list[str]:
    """The events that a page lists, by their addresses."""
    return re.findall(r'<th scope="row"[^>]*><a href="/events/([^"]+)"', answer.text)


def shown(console) -> dict[str, str]:
    """Every event's id by its place, as an operator sees them who asked for it."""
    browser = console.browser(Role.OPERATOR)
    token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/jobs").text)[1]
    browser.post("/reveal", data={"kind": "activity", "subject": "the list", "csrf": token})
    page = browser.get("/activity").text
    rows = re.findall(r'<tr data-key="([^"]+)">.*?data-name="Event id"[^>]*><code>([^<]*)</code>', page, re.DOTALL)
    return dict(rows)


def test_each_row_has_its_event_id(console):
    """Shown to who may see it and asked; masked for the others, so that one is known again."""
    assert sorted(shown(console).values()) == [f"id-{n}" for n in range(6)]
    viewer = console.browser(Role.VIEWER).get("/activity").text
    assert not re.search(r"<code>id-\d</code>", viewer)
    assert len(set(re.findall(r'data-name="Event id"[^>]*><code>([^<]+)', viewer))) == 6


def test_it_is_searched_by_event_id_person_and_code(console):
    """One field or several of them; what nothing fits says so, and clears the filters."""
    ids = {ident: place for place, ident in shown(console).items()}
    browser = console.browser(Role.VIEWER)
    assert places(browser.get("/activity?id=id-4")) == [ids["id-4"]]
    assert set(places(browser.get("/activity?person=user-1"))) == {ids["id-1"], ids["id-4"]}
    assert places(browser.get("/activity?person=user-1&code=ACTIVATE")) == [ids["id-1"]]
    assert places(browser.get("/activity?person=user-2&id=id-4")) == []
    nothing = browser.get("/activity?person=nobody")
    assert nothing.status_code == 200
    assert '<a href="/activity">Clear the filters</a>' in nothing.text
    assert f'value="{html.escape("nobody")}"' in nothing.text


def test_it_is_searched_by_time(console, stack):
    """By whole minutes of UTC, at both ends; what is no time is said at its field."""
    browser = console.browser(Role.VIEWER)
    every = places(browser.get("/activity"))
    now_ms = int(every[0].partition("/")[2].partition("-")[0])
    early, late = (quote(browser_minute(now_ms + by_ms)) for by_ms in (-3_600_000, 3_600_000))
    assert places(browser.get(f"/activity?from={early}&to={late}")) == every
    assert places(browser.get(f"/activity?to={early}")) == []
    assert places(browser.get(f"/activity?from={late}")) == []
    assert places(browser.get(f"/activity?person=user-1&from={late}")) == []
    assert "No time: yesterday-ish" in browser.get("/activity?from=yesterday-ish").text


def browser_minute(at_ms: int) -> str:
    """A time as a browser's field has it."""
    from worker.console.rendering import minute

    return minute(at_ms)


def test_a_search_that_was_cut_says_so_and_goes_on(console, monkeypatch):
    """For a person who is not among the newest events: a link to look through everything."""
    monkeypatch.setattr("worker.console.activity.LOOK_S", 0.0)
    browser = console.browser(Role.VIEWER)
    text = browser.get("/activity?person=user-1").text
    assert "Look through everything that is kept" in text
    assert len(places(browser.get("/activity?person=user-1&all=yes"))) == 2
