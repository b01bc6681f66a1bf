"""Targets: read from the setting, never shown."""

import pytest

from worker.alerts.targets import LEAVING_S, PATIENCE_S, Target, read_targets
from worker.alerts.watchman import LEASE_MS
from worker.errors import OperatorError


def test_targets_are_separated_by_blanks():
    """Addresses hold commas."""
    first, second = read_targets("json://a/?to=x,y\n slack://TOKEN-A/TOKEN-B")
    assert (first.address, second.name) == ("json://a/?to=x,y", "2 (slack)")
    assert read_targets("") == []


def test_what_is_no_address_is_said_without_it():
    """It may be a token."""
    with pytest.raises(OperatorError, match="number 2 is no address") as raised:
        read_targets("json://a T0KEN")
    assert "T0KEN" not in str(raised.value)


def test_an_address_is_never_shown():
    """Not even by a traceback; Redis has a digest."""
    target = Target(1, "slack://T0KEN/x")
    assert "T0KEN" not in f"{target} {target!r} {target.name} {target.digest}"


def test_a_look_ends_well_within_its_lease():
    """Else another process would send the same again, while targets hang."""
    assert LEASE_MS >= 2 * (PATIENCE_S + LEAVING_S) * 1000
