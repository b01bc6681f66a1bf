"""Layouts: how they follow each other, and where people were before."""

import pytest

from worker.purchasely.person import shard_of
from worker.store.layout import Former, Layout


def test_a_shard_is_divided_into_others_of_its_own():
    """Whoever is on a new shard was on the one that it comes from: order and states need no other."""
    grown = Layout(4).grown(12, 5)
    assert (grown.epoch, grown.shards, grown.before, grown.moving) == (2, 12, 4, True)
    assert list(grown.children) == [4, 5, 6, 7, 8, 9, 10, 11]
    for number in range(500):
        person = f"user-{number}"
        now, then = shard_of(person, 12), shard_of(person, 4)
        assert grown.relatives(now, 60, now_s=1) == ([] if now == then else [then])


def test_former_shards_are_looked_at_as_long_as_ids_are_remembered():
    """The last growth first, each shard once."""
    layout = Layout(32, 4, (Former(16, 9_000), Former(8, 6_000), Former(4, 1_000)))
    assert layout.formerly == (16, 8, 4)
    assert layout.relatives(29, 60, now_s=10) == [13, 5, 1]
    assert layout.relatives(29, 5, now_s=10) == [13, 5]
    assert layout.relatives(29, 0.5, now_s=10) == []
    assert layout.relatives(16, 60, now_s=10) == [0]


@pytest.mark.parametrize("shard", [0, 3])
def test_a_shard_that_stays_has_no_others(shard):
    """What it had it has."""
    assert Layout(4).grown(8, 5).relatives(shard, 60, now_s=1) == []
