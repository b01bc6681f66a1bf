"""A night on call: six causes of failures, worked off by what is printed, at a simulator that goes on refusing."""

import json
from collections import Counter

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
    return after(stack, events, FAILED, monkeypatch)


def after(stack, events, failed, monkeypatch):
    """The stack once so many of these events have failed; commands run in this process, the sweep finds their jobs."""
    assert stack.post(events).status_code == 200
    until(lambda: (stack.account.dead, stack.account.waiting) == (failed, 0), "all are settled")
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


# Events that need a value of their own each, as the edit takes it from the event itself: the edit, the reason, what the
# events have, and what becomes of them (`left`: the edit does not fit).
EARLY_MS, LONG = 1_760_000_000_000, "x" * 2_000
EDITS = {
    ("--copy", "event_name=code"): (
        "no_event_name",
        {"event_name": None},
        [
            *(({"code": f"CODE_{n}"}, "sent") for n in range(6)),
            *(({"code": f"{n}" * 120}, "dead") for n in range(2)),  # over the limit of a name
            *(({}, "left") for _ in range(2)),
        ],
    ),
    ("--copy", "user_id=customer.id"): (
        "no_person",
        {"user_id": None, "anonymous_user_id": None},
        [
            *(({"customer": {"id": f"copied-{n}"}}, "sent") for n in range(6)),
            *(
                ({"customer": {"id": f"large-{n}"}, "plan": LONG}, "dead") for n in range(2)
            ),  # a property breaks a limit
            *(({"customer": "nobody"}, "left") for _ in range(2)),
        ],
    ),
    ("--ms", "event_created_at_ms"): (
        "invalid_time",
        {"event_created_at": None},
        [
            *(({"event_created_at_ms": EARLY_MS // 1000 + n}, "sent") for n in range(6)),
            *(({"event_created_at_ms": 12 + n}, "dead") for n in range(2)),  # as milliseconds it is before 2000 still
            *(({"event_created_at_ms": "soon"}, "left") for _ in range(2)),
        ],
    ),
}


@pytest.fixture
def sloppy(stack, monkeypatch):
    """Letters of which no two need the same value."""
    events = []
    for _, common, rows in EDITS.values():
        for fields, _ in rows:
            own = {"user_id": f"user-{len(events)}", "event_id": f"event-{len(events)}"}
            whole = {**payload("SUBSCRIPTION_STARTED", **own), **common, **fields}
            events.append({name: value for name, value in whole.items() if value is not None})
    return after(stack, events, len(events), monkeypatch)


def test_what_an_edit_of_many_says_will_pass_passes(sloppy):
    """Values copied from each event itself, seconds made milliseconds: what fails again is known before, too."""
    groups = {one["reason"]: str(one["number"]) for one in said("dead")["groups"]}
    for edit, (reason, _, rows) in EDITS.items():
        fates = Counter(fate for _, fate in rows)
        tried = said("dead", "edit", groups[reason], *edit, "--dry-run")["plan"]
        assert (tried["unfit"], tried["unchanged"]) == (fates["left"], 0)
        plan = tried["survey"]
        assert (plan["matched"], plan["sent"], sum(plan["dead"].values())) == (8, fates["sent"], fates["dead"])
        job = said("dead", "edit", groups[reason], *edit, "--yes")["job"]
        assert job["counts"] == {"edited": 8}
        assert said("dead", "replay", "--job", job["id"], "--dry-run")["survey"] == plan
        counts = failing("dead", "replay", "--job", job["id"], "--include-failing", "--yes")["job"]["counts"]
        assert counts == {"delivered": fates["sent"], "dead": fates["dead"]}
    arrived = sloppy.arrived()
    assert {one["name"] for one in arrived} == {*(f"CODE_{n}" for n in range(6)), "SUBSCRIPTION_STARTED"}
    assert sloppy.account.dead == 12
    assert sloppy.findings == []


def failing(*arguments):
    """The same of a command that finds something wrong."""
    ran = CliRunner().invoke(relay, [*arguments, "--json"])
    assert ran.exit_code == 1, f"{ran.output} {ran.exception!r}"
    return json.loads(ran.stdout)
