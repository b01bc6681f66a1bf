"""Which node has which slot, and which slot a command is of."""

import pytest

from worker.store.keys import JOBS, OPEN_JOBS, cause_key, job_key, job_part_key, person_key, shard_key
from worker.store.topology import SLOTS, CrossSlotError, keys_of, read_slots, slot_of, slot_of_all


def test_all_keys_of_a_shard_are_in_one_slot():
    """Whatever else is in the name: so one script may touch them all; and all of the jobs' are in another."""
    keys = [shard_key(7, "events", "app"), person_key(7, "{production}", "d"), cause_key(7, "production", "c")]
    keys.append(job_part_key(7, "replay", "production", "j"))
    assert len({slot_of(key) for key in keys}) == 1
    assert len({slot_of(key) for key in (JOBS, OPEN_JOBS, job_key("j"), job_key("j", "lease"))}) == 1
    assert slot_of(b"relay:{7}:x") == slot_of("relay:{7}:y")


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        (("EVALSHA", "sha", 2, "a", "b", "argument"), ("a", "b")),
        (("XINFO", "STREAM", "a"), ("a",)),
        (("XINFO STREAM", "a"), ("a",)),
        (("XGROUP DESTROY", "a", "group"), ("a",)),
        (("SCRIPT LOAD", "text"), ()),
        (("INFO", "memory"), ()),
        (("DEL", "a", "b"), ("a", "b")),
        (("hset", "a", "field", "value"), ("a",)),
        (("MULTI",), ()),
    ],
)
def test_the_keys_of_a_command(command, keys):
    """As redis-py writes it, and as it is written here."""
    assert tuple(keys_of(command)) == keys


def test_a_command_of_several_slots_is_refused():
    """It can be no one node's."""
    assert slot_of_all(("MGET", "{a}1", "{a}2")) == slot_of("a")
    assert slot_of_all(("PING",)) is None
    with pytest.raises(CrossSlotError, match="MGET names keys of 2 slots"):
        slot_of_all(("MGET", "a", "b"))


def test_the_table_is_whole_or_none():
    """A node that does not know its host is where it was asked; while a slot is nobody's, nothing is believed."""
    first = [0, 99, [b"10.0.0.1", 6379, b"id"], [b"10.0.0.2", 6379, b"id"]]
    rest = [100, SLOTS - 1, [b"", 7000, b"id"]]
    table = read_slots([first, rest], ("10.0.0.9", 7001))
    assert table is not None
    assert (len(table), table[0], table[99], table[100]) == (
        SLOTS,
        ("10.0.0.1", 6379),
        ("10.0.0.1", 6379),
        ("10.0.0.9", 7000),
    )
    assert read_slots([first], ("10.0.0.9", 7001)) is None
