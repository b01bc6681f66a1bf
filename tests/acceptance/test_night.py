"""A night on call: six causes of failures, worked off by what is printed, at a simulator that goes on refusing."""

import json

import pytest
from click.testing import CliRunner

from tests.support.payloads import payload
from tests.support.waiting import until
from worker.cli import relay

EACH, FEW = 12, 2
FAILED = 5 * EACH + FEW
# What is wrong with the events, and the edit that corrects all of them alike; nothing is sent before it is tried.
CAUSES = {
    ("rejected", 207): ({"event_name": "REFUSED_ITEM"}, "event_name=SUBSCRIPTION_RENEWED"),
    ("rejected", 400): ({"event_name": "REFUSED_BATCH"}, "event_name=SUBSCRIPTION_RENEWED"),
    ("no_person", 0): ({"user_id": None, "anonymous_user_id": None}, "user_id=user-1"),
    ("no_event_name", 0): ({"event_name": None}, "event_name=SUBSCRIPTION_RENEWED"),
    ("invalid_time", 0): (
        {"event_created_at_ms": 1_760_000_000, "event_created_at": None},
        "event_created_at_ms=1760000000000",
    ),
    ("too_large", 0): ({"note": "x" * 40_000}, "note=short"),
}


@pytest.fixture
def night(stack, monkeypatch):
    """Each cause some times, among events that are well."""
    stack.faults(reject_event_names=["REFUSED_ITEM"], refuse_event_names=["REFUSED_BATCH"])
    events = []
    for n in range(EACH):
        for fields in ({}, *(fields for fields, _ in CAUSES.values())):
            if fields.get("event_name") == "REFUSED_BATCH" and n % 6:
                continue  # each refuses a whole request, and many in a row would look like an outage
            own = {"user_id": f"user-{n}", "event_id": f"event-{len(events)}"}
            whole = {**payload("SUBSCRIPTION_STARTED", **own), **fields}
            events.append({name: value for name, value in whole.items() if value is not None})
    assert stack.post(events).status_code == 200
    until(lambda: (stack.account.dead, stack.account.waiting) == (FAILED, 0), "all are settled")
    # the commands run in this process, at once; the sweep finds their jobs
    monkeypatch.setattr("worker.app.relay", lambda: stack.parts)
    monkeypatch.setattr("worker.tasks.wake_job", lambda *_: None)
    return stack


def said(*arguments):
    """What a command says to programs."""
    ran = CliRunner().invoke(relay, [*arguments, "--json"])
    assert ran.exit_code == 0, f"{ran.output} {ran.exception!r}"
    return json.loads(ran.stdout)


def test_what_a_plan_says_will_pass_passes(night):
    """Before an edit nothing would, and nothing is tried; after one of half a group, just that half; then the rest."""
    groups = {(one["reason"], one["status"]): str(one["number"]) for one in said("dead")["groups"]}
    assert groups.keys() == CAUSES.keys()
    for cause, (_, edit) in CAUSES.items():
        group, number = groups[cause], FEW if cause == ("rejected", 400) else EACH
        before = said("dead", "replay", group, "--yes")
        assert (before["survey"]["matched"], before["survey"]["sent"], before["job"]) == (number, 0, None)

        half = said("dead", "list", group, "--limit", str(number // 2))["items"]
        said("dead", "edit", *(one["id"] for one in half), "--set", edit, "--yes")
        plan = said("dead", "replay", group, "--dry-run")["survey"]
        passing = plan["sent"] + (plan["unsure"] if cause == ("rejected", 400) else 0)
        assert (plan["matched"], passing) == (number, number // 2)
        assert said("dead", "replay", group, "--yes")["job"]["counts"] == {"delivered": passing}

        said("dead", "edit", group, "--set", edit, "--yes")
        assert said("dead", "replay", group, "--yes")["job"]["counts"] == {"delivered": number // 2}
    account = night.account
    assert (account.dead, account.delivered) == (0, EACH + FAILED)
    assert said("dead")["items"] == []
    assert len({event["id"] for event in night.arrived()}) == account.delivered
    assert night.findings == []
