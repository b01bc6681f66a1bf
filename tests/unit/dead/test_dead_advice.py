"""Advice for on-call."""

import re
from pathlib import Path
from typing import get_args

import pytest

from worker.dead.advice import ADVICE, HOLDS, advice
from worker.mapping.outcome import DeadReason
from worker.store.holds import HoldKind

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"


def test_every_way_of_dying_has_advice():
    """No reason and no kind of hold is without words on what to do."""
    assert set(ADVICE) == set(get_args(DeadReason))
    assert set(HOLDS) == set(get_args(HoldKind))


def test_advice_names_the_field_at_fault():
    """The words fit the cause, also one that has no field, and one of another release."""
    assert advice("too_large", "plan").startswith("plan breaks a limit")
    assert advice("too_large", "").startswith("A field breaks a limit")
    assert advice("of the future", "") == "Read one (dead show)."


@pytest.mark.parametrize("name", [*get_args(DeadReason), *get_args(HoldKind)])
def test_the_runbook_has_a_section_for_it(name):
    """On-call finds each reason and each kind of hold under a heading of its own."""
    assert re.search(rf"^### .*`{name}`", RUNBOOK.read_text(), re.MULTILINE)
