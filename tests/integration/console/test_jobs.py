"""The pages of the jobs: how far and how fast they are, what failed in one of them, and who may stop it."""

import html
import re
from pathlib import Path

import pytest

from config.roles import Role
from tests.support.consoledoor import text_of
from tests.support.deadstack import event, opened
from worker.acts.record import Doer
from worker.acts.replaying import new_job
from worker.console.jobs import Rates
from worker.replay.job import Job


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio, monkeypatch):
    """A relay with a job in which two of three failed again, and one more failure that it did not touch."""
    with opened(tmp_path, redis_url, customerio, console_login="link") as stack:
        monkeypatch.setattr("worker.app.relay", lambda: stack.parts)
        monkeypatch.setattr("worker.tasks.wake_job", lambda _, job_id: stack.jobs_woken.append(job_id))
        stack.parts.role = "console"
        stack.parts.begin()
        stack.deliver(*[event(number, None, event_id=f"nameless-{number}") for number in range(3)])
        first, second, _ = stack.letters()
        stack.start([first, second], job_id="replay-aaaaaa")
        stack.work()
        yield stack


def letters_on(page: str) -> set[str]:
    """The failed events that a page lists."""
    return set(re.findall(r'href="/letters/([^"]+)"', page))


def test_failed_again_leads_to_exactly_those(console, stack):
    """From the list to the job's own failed events; the one that it did not touch is not among them."""
    browser = console.browser(Role.VIEWER)
    assert '<a href="/jobs/replay-aaaaaa#failed">2<' in browser.get("/jobs").text
    page = browser.get("/jobs/replay-aaaaaa").text
    again = {one.id for one in stack.letters(job="replay-aaaaaa")}
    assert (len(again), len(stack.letters())) == (2, 3)
    assert {html.unescape(one).replace("%3A", ":").replace("%2F", "/") for one in letters_on(page)} == again
    assert "failed again 2" in text_of(page)
    assert "user-1" not in page
    assert browser.get("/jobs/replay-nothing").status_code == 404


def test_what_was_discarded_since_is_said_to_be(console, stack):
    """The job still counts them; its page says that there is nothing of them any more."""
    letters = stack.letters(job="replay-aaaaaa")
    assert len(list(stack.parts.dead_changes.discard(letters, "they are no use", "anna"))) == 2
    text = text_of(console.browser(Role.VIEWER).get("/jobs/replay-aaaaaa").text)
    assert "2 events failed again here, and all were replayed or discarded since." in text


def test_a_job_is_paused_and_aborted_from_its_page(console, stack):
    """By who may act; the others have no button and are refused."""
    stack.start(stack.letters()[:1], job_id="replay-bbbbbb", rate=5)
    page = "/jobs/replay-bbbbbb"
    editor = console.browser(Role.EDITOR)
    assert "Abort" not in editor.get(page).text
    operator = console.browser(Role.OPERATOR)
    token = re.search(r'name="csrf" value="([^"]+)"', operator.get(page).text)[1]
    for state, then in (("paused", "Paused"), ("running", "Running"), ("aborted", "Aborted")):
        answer = operator.post(page, data={"csrf": token, "state": state})
        assert (answer.status_code, answer.headers["Location"]) == (303, page)
        assert f"State {'●' if state == 'running' else '❚❚' if state == 'paused' else '○'} {then}" in text_of(
            operator.get(page).text
        )
    assert "at most 5.0/s" in text_of(operator.get(page).text)


HOLDS = {
    "unauthorized": ("Customer.io refuses the key", "Put another key in its place: the job goes on by itself."),
    "unreachable": ("Customer.io does not answer", "The job goes on by itself once Customer.io answers."),
    "operator": ("somebody paused it", "It goes on when the integration is resumed."),
    "of a later release": ("of a later release", "Open the integration: it says more."),
}


@pytest.mark.parametrize("kind", HOLDS)
def test_a_job_that_waits_for_a_hold_says_so(console, stack, kind):
    """On its page and in the list, at the failure too: since when, and what ends it; not of a job that is done."""
    stack.parts.holds.hold("production", kind, 1_790_000_000_000)
    stack.start(stack.letters()[:1], job_id="replay-bbbbbb")
    browser = console.browser(Role.VIEWER)
    browser.get("/failures")
    (number,) = stack.parts.dead_groups.numbered()
    why, ends = HOLDS[kind]
    held = f"production is held since 21 Sep 2026, 14:13 UTC ({why})."
    assert f"It waits: {held} {ends}" in text_of(browser.get("/jobs/replay-bbbbbb").text)
    failure = text_of(browser.get(f"/failures/{number}").text)
    assert f"{held} What is replayed waits until then. {ends}" in failure
    assert text_of(browser.get("/jobs").text).count(f"{held} {ends}") == 1
    assert "is held" not in text_of(browser.get("/jobs/replay-aaaaaa").text)


def test_a_job_of_edits_waits_for_no_hold(console, stack):
    """It sends nothing."""
    stack.parts.holds.hold("production", "operator", 1_790_000_000_000)
    job = new_job("edits", Doer("anna"), "", ["production"], 1, rate=0)
    stack.parts.jobs.start(job, [stack.letters()[0].id])
    assert "is held" not in text_of(console.browser(Role.VIEWER).get(f"/jobs/{job.id}").text)


def test_without_a_worker_it_says_so(console):
    """Nothing would move: the list says it above, with the way to the processes."""
    text = text_of(console.browser(Role.VIEWER).get("/jobs").text)
    assert "No worker is alive: nothing moves until one is started." in text


def test_a_rate_is_that_of_the_last_seconds():
    """At the first look since the job began, then between looks; a job that does not run has none."""
    rates = Rates()
    job = Job("replay-1", "anna", "", ["crm"], created_ms=0, rate=0, matched=1000, left=800)
    assert rates.of(job, 10_000) == 20
    job.left = 600
    assert rates.of(job, 12_000) == 100
    job.left = 400
    assert rates.of(job, 60_000) == 10  # nobody looked in between: since the beginning
    job.state = "paused"
    assert rates.of(job, 61_000) == 0
