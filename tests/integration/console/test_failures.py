"""Failures by the page: several groups at once."""

import os
import re
from pathlib import Path

import pytest

from config.roles import Role
from tests.support.consoledoor import site
from tests.support.deadseed import seed
from tests.support.deadstack import SHARDS, event, opened
from worker.dead.saving import KEPT_S, folder_of
from worker.purchasely.person import shard_of
from worker.store.actions import Actions


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio, monkeypatch):
    """A relay after a bad night: 100 failures of six causes."""
    with opened(tmp_path, redis_url, customerio, console_login="link", data_dir=tmp_path) as stack:
        stack.parts.role = "console"
        stack.parts.begin()
        monkeypatch.setattr("worker.app.relay", lambda: stack.parts)
        monkeypatch.setattr("worker.tasks.wake_job", lambda _, job_id: stack.jobs_woken.append(job_id))
        seed(stack.parts.redis, 100, SHARDS, people=50)
        yield stack


def posted(browser, **fields):
    """What the page says after its form was posted."""
    token = re.search(r'name="csrf" value="(\w+)"', browser.get("/failures").text)[1]
    answer = browser.post("/failures", data={"csrf": token, **fields})
    assert answer.status_code == 303
    text = browser.get(answer.headers["Location"]).text
    print(re.findall(r"(?:status|note good).*?</div>", text)[:1])
    return text


def numbers(stack, *reasons):
    """The groups that are listed, by the reasons that are meant."""
    return [one.number for one in stack.parts.dead_groups.numbered().values() if one.reason in reasons]


def test_what_passes_of_all_groups_is_one_job(stack, console):
    """Those that would fail again stay where they are, and are not sent."""
    browser = console.browser(Role.OPERATOR)
    assert "replays 74 failed events" in posted(browser, act="replay")
    stack.work()
    assert {letter.reason for letter in stack.letters()} == {"no_person", "invalid_time", "no_event_name"}
    assert "Nothing was replayed" in posted(browser, act="replay")


def test_chosen_groups_are_discarded_with_a_reason(stack, console):
    """Saved first; nothing without a reason, and nothing that was not chosen."""
    browser = console.browser(Role.OPERATOR)
    browser.get("/failures")
    chosen = numbers(stack, "no_person", "no_event_name")
    assert len(chosen) == 2
    assert "Nothing was discarded" in posted(browser, act="discard", group=chosen)
    assert "Nothing was discarded" in posted(browser, act="discard", why="no idea")
    said = posted(browser, act="discard", group=chosen, why="the sender is fixed")
    assert "18 failed events are discarded. Undo, for 7 days: below, or relay dead import" in said
    assert len(stack.letters()) == 82
    assert Actions(stack.parts.redis).newest(0, 1)[0].why == "the sender is fixed"


def test_a_discard_is_undone_by_a_button(stack, console):
    """Once: it is not offered again. Another file, and another role, do nothing; who did it is kept."""
    browser = console.browser(Role.OPERATOR)
    browser.get("/failures")
    before = {letter.id for letter in stack.letters()}
    page = posted(browser, act="discard", group=numbers(stack, "no_person", "no_event_name"), why="by mistake")
    (file,) = re.findall(r'name="file" value="([^"]+)"', page)
    assert "Undo" not in console.browser(Role.EDITOR, "ed").get("/failures").text
    for wrong in ("../integrations.toml", "discarded-nothing.ndjson", ""):
        token = re.search(r'name="csrf" value="(\w+)"', page)[1]
        assert browser.post("/failures", data={"csrf": token, "act": "undo", "file": wrong}).status_code == 404
    assert "18 discarded events are failures again." in posted(browser, act="undo", file=file)
    assert {letter.id for letter in stack.letters()} == before
    done = Actions(stack.parts.redis).newest(0, 1)[0]
    assert (done.by, done.what, done.on) == ("anna", "dead import", file)
    page = browser.get("/failures").text
    assert file not in page  # once more would bring back what was delivered since
    token = re.search(r'name="csrf" value="(\w+)"', page)[1]
    assert browser.post("/failures", data={"csrf": token, "act": "undo", "file": file}).status_code == 404


def test_an_event_whose_discard_is_undone_onto_another_shard_reads_as_failed(stack):
    """Another field names people since: the event's page leads to the failure where it is now."""
    other = next(f"user-{n}" for n in range(100) if shard_of(f"user-{n}", SHARDS) != shard_of("user-1", SHARDS))
    stack.deliver(event(1, None, event_id="comes-back", other_id=other))
    (was,) = [one for one in stack.letters() if one.event_id == "comes-back"]
    with site(stack.parts) as console:
        browser = console.browser(Role.OPERATOR)
        browser.get("/failures")
        posted(browser, act="discard", group=numbers(stack, "no_event_name"), why="by mistake")
    stack.restart(
        ("[integrations.production]\n", '[sources.app.identity]\nid = ["other_id"]\n[integrations.production]\n')
    )
    stack.parts.role = "console"
    stack.parts.begin()
    with site(stack.parts) as console:
        browser = console.browser(Role.OPERATOR)
        page = browser.get("/failures").text
        (file,) = re.findall(r'name="file" value="([^"]+)"', page)
        assert "7 discarded events are failures again." in posted(browser, act="undo", file=file)
        (now,) = [one for one in stack.letters() if one.event_id == "comes-back"]
        page = browser.get(f"/events/{was.shard}/{was.entry_id}").text
    assert now.shard != was.shard
    assert f'href="/letters/{now.id}"' in page
    assert "discarded" not in page


def test_an_undo_that_finds_no_room_is_recorded(stack, console):
    """What came back stays, one line says who did it; the rest comes back when there is room."""
    browser = console.browser(Role.OPERATOR)
    browser.get("/failures")
    page = posted(browser, act="discard", group=numbers(stack, "no_person", "no_event_name"), why="by mistake")
    (file,) = re.findall(r'name="file" value="([^"]+)"', page)
    token = re.search(r'name="csrf" value="(\w+)"', page)[1]
    left = len(stack.letters())
    settings = stack.parts.settings
    stack.parts.settings = settings.model_copy(update={"dead_limit": left + 5})
    answer = browser.post("/failures", data={"csrf": token, "act": "undo", "file": file})
    assert "RELAY_DEAD_LIMIT" in answer.text
    assert len(stack.letters()) == left + 5
    done = Actions(stack.parts.redis).newest(0, 1)[0]
    assert (done.what, done.result) == ("dead import", "5 letters restored")
    stack.parts.settings = settings
    assert "13 discarded events are failures again; 5 were there already." in posted(browser, act="undo", file=file)


def test_a_discard_of_a_week_ago_is_not_offered(stack, console):
    """It is deleted by the next discard, and until then no more than a file."""
    browser = console.browser(Role.OPERATOR)
    browser.get("/failures")
    page = posted(browser, act="discard", group=numbers(stack, "no_person"), why="old")
    (file,) = re.findall(r'name="file" value="([^"]+)"', page)
    path = folder_of(stack.parts.settings.data_dir) / file
    old_s = path.stat().st_mtime - KEPT_S - 60
    os.utime(path, (old_s, old_s))
    assert file not in browser.get("/failures").text


def test_chosen_groups_alone_are_replayed(stack, console):
    """And a group that is acknowledged only when it is chosen."""
    browser = console.browser(Role.OPERATOR)
    browser.get("/failures")
    (one,) = [n for n in numbers(stack, "rejected") if stack.parts.dead_groups.numbered()[n].status == 400]
    assert "replays 20 failed events" in posted(browser, act="replay", group=one)
    posted(browser, number=one, mark="ignored")
    assert "replays 54 failed events" in posted(browser, act="replay")


def test_what_is_held_is_not_said_to_flow(stack, console):
    """All other events flow, unless their integration waits."""
    browser = console.browser(Role.VIEWER)
    assert "All other events keep flowing." in browser.get("/failures").text
    stack.parts.holds.hold("production", "operator", 1_790_000_000_000)
    page = browser.get("/failures").text
    assert "production is held: all of its events wait." in page
    assert "keep flowing" not in page


def test_who_may_not_act_has_no_form(console):
    """Nor does it work without one."""
    browser = console.browser(Role.EDITOR)
    assert 'id="chosen"' not in browser.get("/failures").text
    token = re.search(r'name="csrf" value="(\w+)"', browser.get("/failures").text)[1]
    assert browser.post("/failures", data={"csrf": token, "act": "replay"}).status_code == 403
