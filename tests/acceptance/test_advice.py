"""Advice that is followed: the file or the key is changed as it says, nothing is restarted, and it is over."""

import json

import pytest

from tests.support.payloads import payload
from tests.support.stack import DEFAULT_INTEGRATION, KEY
from tests.support.waiting import until

EVENTS = '"*" = true'
# Of each cause: what is wrong with its event.
CAUSES = {
    "no_person": {"user_id": None, "anonymous_user_id": None, "customer_number": "c-1"},
    "too_large": {"note": "x" * 40_000},
    "rejected": {"event_name": "REFUSED"},
    "properties_rejected": {"user_id": "user-of-a-strange-plan", "plan": "strange"},
}
# The changes of the file that their advice asks for.
CHANGES = [
    (EVENTS, f'{EVENTS}\nREFUSED = "Accepted"\n\n[integrations.production.event_attributes]\nexclude = ["note"]'),
    ("plan = true\n", ""),
    (
        "[integrations.production]\n",
        '[sources.app.identity]\nid = ["user_id", "customer_number"]\n\n[integrations.production]\n',
    ),
]


@pytest.fixture
def stack(make_stack):
    """Redis owns the configuration; the key is in a file."""
    stack = make_stack(RELAY_INTEGRATIONS="")
    stack.key = stack.folder / "key"
    stack.key.write_text(KEY)
    text = DEFAULT_INTEGRATION.replace("env:T_KEY", f"file:{stack.key}").replace("{simulator}", stack.simulator)
    stack.path.write_text(text)
    apply(stack)
    return stack.start()


def apply(stack, *changes):
    """Change the file, and publish it as the advice says."""
    text = stack.path.read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    stack.path.write_text(text)
    said(stack, "config", "apply", str(stack.path), "--yes")


def said(stack, *arguments):
    """What a command says to programs."""
    ran = stack.relay(*arguments, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def send(stack, **fields):
    """One event; a field that is None is left out."""
    whole = payload("SUBSCRIPTION_STARTED", **fields)
    assert stack.post([{name: value for name, value in whole.items() if value is not None}]).status_code == 200


def test_a_published_change_lets_each_cause_pass(stack):
    """Before it the plan of a replay promises nothing; after it every letter passes, as the plan said."""
    stack.faults(reject_event_names=["REFUSED"], reject_attributes=["plan"])
    for number, fields in enumerate(CAUSES.values()):
        send(stack, **{"event_id": f"e{number}", "user_id": f"user-{number}", **fields})
    found = until(lambda: len(groups := said(stack, "dead")["groups"]) >= len(CAUSES) and groups, "all have failed")
    assert {one["reason"] for one in found} == {*CAUSES}
    for reason in CAUSES:
        assert said(stack, "dead", "replay", "--reason", reason, "--fixed", "--yes")["job"] is None
    apply(stack, *CHANGES)
    for reason in CAUSES:
        plan = said(stack, "dead", "replay", "--reason", reason, "--fixed", "--dry-run")["survey"]
        assert plan["sent"] == plan["matched"] > 0, reason
        job = said(stack, "dead", "replay", "--reason", reason, "--fixed", "--yes")["job"]
        assert job["counts"] == {"delivered": plan["sent"]}, reason
    assert said(stack, "dead")["groups"] == []
    assert stack.findings == []


def hold(stack):
    """The kind of hold; None without one."""
    (item,) = said(stack, "status")["items"]
    return item["hold"]["kind"] if item["hold"] else None


def test_a_hold_ends_once_its_key_or_address_is_corrected(stack):
    """A key in a file is read again; an address is published. What waited is delivered."""
    stack.kill("worker")  # a file is looked at every second: before that, the right key would still be served with
    stack.key.write_text("a former key")
    stack.start("worker")
    send(stack, event_id="e1")
    until(lambda: hold(stack) == "unauthorized", "the key is refused")
    stack.key.write_text(KEY)
    until(lambda: len(stack.arrived()) == 1, "it is delivered")
    apply(stack, (stack.simulator, stack.web))
    send(stack, event_id="e2")
    until(lambda: hold(stack) == "misdirected", "something else answers")
    apply(stack, (stack.web, stack.simulator))
    until(lambda: len(stack.arrived()) == 2, "it is delivered")
    assert hold(stack) is None


def test_where_a_file_owns_the_configuration_one_process_publishes_it(make_stack):
    """A command refuses and says so; beat, started again, puts the changed file in force for all."""
    stack = make_stack().start()
    stack.path.write_text(stack.path.read_text().replace(EVENTS, f'{EVENTS}\nACTIVATE = "Access Granted"'))
    refused = stack.relay("config", "apply", str(stack.path), "--yes")
    assert refused.returncode == 2
    assert "restart one process that has it (beat, say)" in refused.stderr
    stack.kill("beat")
    stack.start("beat")
    until(lambda: {one.revision for one in stack.parts.processes.all() if one.alive} == {2}, "all run it")
    assert stack.webhook(payload("ACTIVATE")).status_code == 200
    assert until(stack.arrived, "it arrives")[0]["name"] == "Access Granted"
