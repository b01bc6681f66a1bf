"""Layouts in a real server: which number of shards is served, and what shards refuse that know it."""

import msgspec
import pytest
import redis

from config.settings import Settings
from worker.app import Relay
from worker.errors import OperatorError
from worker.store.appending import append_event
from worker.store.keys import LAYOUT, SCHEMA, SHARDS
from worker.store.lane import Lane
from worker.store.layout import (
    Layout,
    broken_off,
    closed_lanes,
    find_layout,
    note_barriers,
    open_lanes,
    open_shards,
    read_layout,
    tell_shards,
    write_layout,
)
from worker.store.stream import Streams
from worker.store.taken import Taken

GROWN = Layout(4).grown(8, 5)
NAMES = ("production",)


@pytest.fixture
def streams(redis_client):
    made = Streams(redis_client, 5_000, 60, 60_000)
    made.join_all((Lane("app", "production", shard), "now") for shard in range(8))
    return made


def append(client, key, shard, epoch, window_s=60):
    return append_event(client, "app", shard, NAMES, key, "", b"{}", window_s, epoch)


def test_redis_decides_how_many_shards_there_are(redis_client):
    """A default gives way, a former number too; one that never was is refused in one line that says what to set."""
    assert find_layout(redis_client, 4, is_set=True) is None
    redis_client.set(SHARDS, 4)
    assert find_layout(redis_client, 4, is_set=True) == find_layout(redis_client, 16, is_set=False) == Layout(4)
    write_layout(redis_client, GROWN)
    for asked, is_set in ((4, True), (8, True), (16, False)):
        assert find_layout(redis_client, asked, is_set=is_set) == GROWN
    with pytest.raises(OperatorError, match=r"RELAY_SHARDS is 16.*over 8 shards: set RELAY_SHARDS=8") as refused:
        find_layout(redis_client, 16, is_set=True)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("chosen", [{}, {"shards": 16}], ids=["unset", "former"])
def test_only_a_number_that_was_set_is_to_be_corrected(redis_url, redis_client, caplog, chosen):
    """Without one there is nothing to set: the default of before the growth is nobody's wish."""
    write_layout(redis_client, Layout(16).grown(32, 5))
    parts = Relay(Settings(redis_url=redis_url, **chosen), "worker")
    parts.check_store()
    assert parts.layout.shards == 32
    assert ("RELAY_SHARDS is 16; set it to 32" in caplog.text) == bool(chosen)
    parts.redis.close()


def test_earlier_releases_serve_nothing_after_a_growth(redis_client):
    """They compare the schema, and the number when all have moved, and know no layout."""
    redis_client.set(SHARDS, 4)
    write_layout(redis_client, GROWN)
    assert (redis_client.get(SCHEMA), redis_client.get(SHARDS)) == (b"2", b"4")
    assert read_layout(redis_client) == GROWN
    write_layout(redis_client, msgspec.structs.replace(GROWN, moving=False))
    assert (redis_client.get(SCHEMA), redis_client.get(SHARDS)) == (b"2", b"8")


def test_a_layout_that_a_fail_over_took_back_is_not_in_force(redis_client):
    """On another node of a cluster than the number: what is left says the number of before."""
    redis_client.set(SHARDS, 4)
    write_layout(redis_client, GROWN)
    redis_client.delete(LAYOUT)
    assert find_layout(redis_client, 4, is_set=True) == Layout(4)


def test_a_shard_that_was_told_refuses_the_former_layout(redis_client, streams):
    """Nothing is stored, noted or woken for it; the layout in force is taken."""
    assert append(redis_client, "a", 1, 1).stored
    tell_shards(redis_client, GROWN)
    before = redis_client.dbsize()
    for shard in (1, 5):
        with pytest.raises(redis.ResponseError, match=r"^LAYOUT"):
            append(redis_client, "b", shard, 1)
    assert redis_client.dbsize() == before
    assert append(redis_client, "b", 1, 2).stored
    assert append(redis_client, "c", 5, 2).stored


def test_a_shard_that_was_not_told_refuses_the_next_layout(redis_client, streams):
    """Else events of the former one could come behind those of the next."""
    with pytest.raises(redis.ResponseError, match=r"^LAYOUT"):
        append(redis_client, "a", 5, 2)


def test_telling_again_changes_nothing(redis_client, streams):
    """Whoever is killed in between, or several doors at once; lanes that were opened stay open."""
    lanes = [Lane("app", "production", shard) for shard in range(8)]
    tell_shards(redis_client, GROWN)
    assert closed_lanes(redis_client, lanes) == lanes[4:]
    open_lanes(redis_client, lanes[4:6])
    tell_shards(redis_client, GROWN)
    assert closed_lanes(redis_client, lanes) == lanes[6:]
    tell_shards(redis_client, Layout(4))
    assert closed_lanes(redis_client, lanes) == lanes[6:]
    open_lanes(redis_client, lanes[6:])
    open_shards(redis_client, GROWN)
    assert closed_lanes(redis_client, lanes) == []
    assert {redis_client.hgetall(f"relay:{{{n}}}:layout")[b"epoch"] for n in range(8)} == {b"2"}
    tell_shards(redis_client, msgspec.structs.replace(GROWN, moving=False))
    assert closed_lanes(redis_client, lanes) == []


def test_nothing_of_a_closed_lane_is_delivered(redis_client, streams):
    """Its mark of a wake-up goes, so that the first event behind the opening gets one."""
    tell_shards(redis_client, GROWN)
    lane = Lane("app", "production", 5)
    assert append(redis_client, "a", 5, 2).wake == NAMES
    assert streams.take(lane, "t", 10) == streams.take(lane, "t", 10, probe=True) == "held"
    assert not redis_client.exists(lane.key("wake"), lane.key("lease"))
    open_lanes(redis_client, [lane])
    taken = streams.take(lane, "t", 10)
    assert isinstance(taken, Taken)
    assert len(taken.entries) == 1


def test_barriers_are_noted_once(redis_client, streams):
    """What comes later is of people who stay."""
    entry = append(redis_client, "a", 1, 1).entry
    tell_shards(redis_client, GROWN)
    first = note_barriers(redis_client, GROWN, ["app", "other"])
    assert first["app", 1] == entry
    assert first["app", 0] == first["other", 3] == "0-0"
    append(redis_client, "b", 1, 2)
    assert note_barriers(redis_client, GROWN, ["app", "other"]) == first


def test_a_growth_that_nobody_is_at_is_found(redis_client):
    """A command that was killed leaves its lease for seconds."""
    assert broken_off(redis_client) == 0
    write_layout(redis_client, GROWN)
    assert broken_off(redis_client) == 8
    redis_client.set("relay:layout:lease", "t")
    assert broken_off(redis_client) == 0
