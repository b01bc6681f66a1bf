"""The trail's records: codes for every outcome, small, and readable by the next release."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.mapping.outcome import DeadReason, FilterReason
from worker.store.trail import (
    CODES,
    DEAD_OTHER,
    FILTERED_OTHER,
    OUTCOMES,
    Change,
    Changed,
    Run,
    code_of,
    counts,
    decode_change,
    decode_run,
    encode_record,
    outcome_of,
)

PLACES = st.tuples(st.integers(0, 2**45), st.integers(0, 2**20))
NUMBERS = st.integers(0, 2**31)


@pytest.mark.parametrize("reason", get_args(FilterReason))
def test_every_reason_to_filter_has_a_code_of_its_own(reason):
    """A reason added to the mapping without a code here would read as "other"."""
    assert code_of("filtered", reason) != FILTERED_OTHER


@pytest.mark.parametrize("reason", get_args(DeadReason))
def test_every_reason_to_fail_has_a_code_of_its_own(reason):
    """As for filtered."""
    assert code_of("dead", reason) != DEAD_OTHER


def test_codes_are_bytes_and_no_two_outcomes_share_one():
    """One byte an event."""
    assert len(OUTCOMES) == len(CODES)
    assert all(0 < code < 256 for code in OUTCOMES)


def test_codes_never_change():
    """Trails of former releases are read by this one: a code keeps its meaning for ever; new ones may be added."""
    assert (
        CODES.items()
        >= {
            "delivered": 1,
            "filtered:discarded": 3,
            "filtered:event_off": 19,
            "filtered:forgotten": 23,
            "dead:rejected": 69,
            "dead:crashed_worker": 70,
        }.items()
    )


@given(PLACES, PLACES, NUMBERS, st.binary(max_size=600))
def test_a_run_is_read_as_it_was_written(first, last, number, outcomes):
    """Whatever its numbers are."""
    run = Run(first, last, number, 200, 3, number, outcomes)
    assert decode_run(encode_record(run)) == run


def test_a_change_is_read_as_it_was_written():
    """With its entry, as the scripts put it together, and the job; the head may hold any byte."""
    for took_ms in range(0, 70_000, 977):
        change = Change(1_764_115_200_000, 7, 207, 1, took_ms, "job 1")
        changed = decode_change(b"3-4 filtered:discarded " + encode_record(change))
        assert changed == Changed((3, 4), "filtered:discarded", change)


@pytest.mark.parametrize("start", [b"", b"1-2 ", b"x-y delivered ", b"1-2 \xff "])
def test_a_change_with_foreign_bytes_is_none(start):
    """Never an exception."""
    assert decode_change(start + encode_record(Change(1))) is None


def test_a_batch_costs_a_byte_an_event_and_some_thirty():
    """280 events of one batch, at today's times."""
    run = Run((1_764_115_200_000, 0), (1_764_115_200_900, 12), 4321, 200, 1, 120, bytes(280))
    assert len(encode_record(run)) < 280 + 45


LATER = b"\x98\x09" + encode_record(Run((1, 1), (1, 1), 1, 1, 1, 1, b""))[2:]


@pytest.mark.parametrize("blob", [b"", b"\x00", b"\xff" * 20, b"{}", LATER, encode_record(Change(1))])
def test_foreign_bytes_and_later_releases_are_no_run(blob):
    """None, never an exception and never a guess."""
    assert decode_run(blob) is None
    assert decode_change(b"1-1 delivered " + blob[:-1]) is None


def test_a_code_of_a_later_release_is_said_to_be_unknown():
    """With its number."""
    assert outcome_of(250) == ("unknown", "code 250")


def test_counts_add_up_over_runs():
    """Under the names of the ledger."""
    run = Run((1, 0), (1, 3), 1, 200, 1, 5, bytes([1, 1, 19, 69]))
    assert counts([run, run]) == {"delivered": 4, "filtered:event_off": 2, "dead:rejected": 2}
