"""One configuration for all hosts: live, with a history, and never going back by itself."""

import pytest

from tests.support.payloads import payload
from tests.support.stack import DEFAULT_INTEGRATION
from tests.support.waiting import until
from worker.revisions.store import Revision, digest_of

RENAME = '"*" = true\nACTIVATE = "Access Granted"'


@pytest.fixture
def stack(make_stack):
    return make_stack(RELAY_INTEGRATIONS="")


def text(stack, events='"*" = true'):
    return DEFAULT_INTEGRATION.replace("{simulator}", stack.simulator).replace('"*" = true', events)


def publish(stack, content):
    revisions = stack.parts.revisions
    head = revisions.head()
    return revisions.publish(Revision(content, digest_of(content), "a test", 1), head)


def running(stack):
    return {(one.role, one.revision) for one in stack.parts.processes.all() if one.alive}


def test_every_process_takes_up_a_revision(stack):
    """The web door, the worker, its children and beat start without one, wait, and take up each within two seconds."""
    stack.start()
    until(lambda: {role for role, _ in running(stack)} == {"web", "worker", "child", "beat"}, "all are alive")
    assert stack.webhook(payload("ACTIVATE")).status_code == 503
    for number, events in ((1, '"*" = true'), (2, RENAME)):
        assert publish(stack, text(stack, events)) == number
        until(lambda n=number: {revision for _, revision in running(stack)} == {n}, "all run it", within_s=2.5)
        assert stack.webhook(payload("ACTIVATE", event_id=f"e{number}")).status_code == 200
        until(lambda n=number: len(stack.arrived()) == n, "it arrives")
    assert [event["name"] for event in stack.arrived()] == ["ACTIVATE", "Access Granted"]


def test_an_older_file_changes_nothing(make_stack):
    """A deploy that is rolled back on one host: the newer configuration goes on, and what waits for it is kept."""
    stack = make_stack(RELAY_RETENTION_S="0", RELAY_TRIM_INTERVAL_S="1").start("simulator", "web")
    old = stack.path.read_text()
    second = old[old.index("[integrations.production]") :].replace("integrations.production", "integrations.second")
    stack.path.write_text(old + second)
    stack.start_as("newer", "web")  # its port is taken: it publishes, and goes
    until(lambda: stack.parts.revisions.head() == 2, "the newer file is published")
    stack.relay("hold", "second")
    stack.path.write_text(old)
    stack.start("worker", "beat")
    for n in range(20):
        assert stack.webhook(payload("ACTIVATE", event_id=f"e{n}")).status_code == 200
    until(lambda: len(stack.arrived()) == 20, "one integration delivers")
    until(lambda: "trimmed entries=" in stack.log("worker"), "the trim was there")
    assert stack.parts.revisions.head() == 2
    assert stack.relay("resume", "second").returncode == 0
    until(lambda: stack.books["second"].delivered == 20, "what waited is delivered")
    assert stack.findings == []
    assert "was_revision=1 running=2" in stack.log("worker")
