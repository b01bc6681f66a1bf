"""What is asked of replicas behind the appends of a trip."""

import pytest

from worker.ingest.confirmation import Confirmation


def asked(confirmation):
    """The commands, decoded."""
    return [b"".join(command).decode().split("\r\n")[2::2] for command in confirmation.commands]


def test_memory_is_asked_once():
    """A replica has what it is asked for by the time it reads the question."""
    assert asked(Confirmation(2, 1250, on_disk=False)) == [["WAIT", "2", "1250"]]


def test_disks_are_asked_again():
    """A replica answers before it has written; asked once, a lone event waited for up to a second."""
    waits = asked(Confirmation(1, 1250, on_disk=True))
    assert [command[:-1] for command in waits] == [["WAITAOF", "0", "1"]] * 6
    assert [int(command[-1]) for command in waits] == [5, 20, 50, 100, 200, 875]


@pytest.mark.parametrize("within_ms", [1, 4, 19, 25, 80, 250, 500, 5000])
def test_all_of_it_takes_no_longer_than_it_may(within_ms):
    """Together they have the time that one had, and none waits for ever (0)."""
    times = [int(command[-1]) for command in asked(Confirmation(1, within_ms, on_disk=True))]
    assert sum(times) == within_ms
    assert all(ms > 0 for ms in times)


@pytest.mark.parametrize(
    ("reply", "is_given"),
    [([0, 2], True), ([1, 1], False), (2, True), (1, False), (ValueError(), False), (b"2", False)],
)
def test_the_last_answer_counts(reply, is_given):
    """Of both commands; an error confirms nothing."""
    assert Confirmation(2, 1250, on_disk=True).is_given(reply) is is_given
