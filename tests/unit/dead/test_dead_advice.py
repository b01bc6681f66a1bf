"""Advice for on-call."""

import re
from pathlib import Path
from typing import get_args

import pytest

from worker.dead.advice import ADVICE, HOLDS, advice, hold_advice, hold_steps, remedy
from worker.mapping.outcome import DeadReason
from worker.store.holds import HoldKind

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"


def test_every_way_of_dying_has_advice():
    """No reason and no kind of hold is without words on what to do."""
    assert set(ADVICE) == set(get_args(DeadReason))
    assert set(HOLDS) == set(get_args(HoldKind))


def test_advice_names_the_field_at_fault():
    """The words fit the cause, also one that has no field, and one of another release."""
    assert advice("too_large", "plan", "").startswith("plan breaks a limit")
    assert advice("too_large", "", "").startswith("A field breaks a limit")
    assert advice("of the future", "", "") == "Read one (dead show)."


@pytest.mark.parametrize("field", ["event_name", "user_id", "customerio_user_id"])
def test_what_an_event_needs_is_not_to_be_left_out(field):
    """A name or an id that is too long is replaced: without it the event would fail again for want of it."""
    assert "leave" not in advice("too_large", field, "") + remedy("too_large", field, "4")
    assert f"relay dead edit 4 --set {field}=" in remedy("too_large", field, "4")


@pytest.mark.parametrize("file", ["", "/etc/relay/integrations.toml"])
def test_where_a_file_owns_the_configuration_no_advice_is_a_command_that_refuses(file):
    """`relay config apply` is said where it works; else the file to change, and what puts it in force."""
    texts = [*(advice(reason, "plan", file) for reason in ADVICE), *(hold_advice(kind, file) for kind in HOLDS)]
    texts += [hold_steps(kind, "crm", "its api_key", file) for kind in HOLDS]
    apply, change = "relay config apply FILE", f"change {file}, restart a process that has it, such as beat"
    said, unsaid = (change, apply) if file else (apply, "restart a process")
    assert sum(said in text for text in texts) == 6
    assert not any(unsaid in text for text in texts)


@pytest.mark.parametrize("name", [*get_args(DeadReason), *get_args(HoldKind)])
def test_the_runbook_has_a_section_for_it(name):
    """On-call finds each reason and each kind of hold under a heading of its own."""
    assert re.search(rf"^### .*`{name}`", RUNBOOK.read_text(), re.MULTILINE)
