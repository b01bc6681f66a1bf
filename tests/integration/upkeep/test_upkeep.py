"""The sweep and the trim on a real server: which lanes are woken, and what may be dropped."""

import pytest
import redis

from tests.support.parts import append, make_parts
from worker.errors import OperatorError
from worker.ledger.figures import Ledger
from worker.revisions.store import Revision, digest_of
from worker.store.keys import REVISIONS
from worker.store.settling import Settlement
from worker.upkeep.rounds import Rounds


@pytest.fixture
def parts(tmp_path, redis_url):
    made = make_parts(tmp_path, redis_url, sweep_interval_s=0.2)
    made.join()
    yield made
    made.redis.close()


def woken(parts):
    return sorted(lane.shard for lane, _ in Rounds(parts).sweep())


def pass_over(parts, lane, ids):
    parts.streams.take(lane, "t", 1000)
    parts.streams.settle(lane, "t", 1, Settlement(ids[-1], len(ids), {"delivered": len(ids)}, {}), 0, ids[-1])
    parts.streams.release(lane, "t", ids[-1], keep=False)


def test_idle_lanes_cost_no_message(parts):
    """Nothing waits: nothing is sent, and nothing written."""
    assert woken(parts) == []
    assert parts.redis.keys("*wake*") == []


def test_a_forgotten_backlog_is_found(parts):
    """With a mark, so that appends and further sweeps send none meanwhile."""
    lane = parts.lanes()[1]
    append(parts, lane, b"{}")
    assert woken(parts) == [1]
    assert parts.redis.exists(lane.key("wake"))
    assert woken(parts) == []


def test_a_message_that_was_lost_is_sent_again(parts):
    """The mark outlives it, but not the sweep's patience: two intervals."""
    lane = parts.lanes()[0]
    append(parts, lane, b"{}")
    assert woken(parts) == [0]
    parts.redis.pexpire(lane.key("wake"), 60_000 - 401)
    assert woken(parts) == [0]


def test_a_lane_in_work_is_left_alone(parts):
    """Its holder looks again before it lets go."""
    lane = parts.lanes()[0]
    append(parts, lane, b"{}", b"{}")
    parts.streams.take(lane, "t", 1)
    assert woken(parts) == []
    parts.redis.delete(lane.key("lease"))
    assert woken(parts) == [0]


def test_a_server_that_was_emptied_is_joined_again_from_its_first_event(parts):
    """What the web door stored before anybody noticed was accepted, so it is delivered."""
    first, second = parts.lanes()
    append(parts, first, b"{}")
    parts.redis.flushdb()
    append(parts, first, b"after 1", b"after 2")
    with pytest.raises(redis.ResponseError):
        parts.streams.take(first, "t", 9)
    Rounds(parts).sweep()
    assert woken(parts) == [0]
    assert [raw for _, raw in parts.streams.take(first, "t", 9).entries] == [b"after 1", b"after 2"]
    assert parts.streams.take(second, "t", 9).entries == []


def test_a_new_integration_on_a_known_server_begins_now(parts, tmp_path, redis_url):
    """Only a server that is new, or was emptied, is read from its start."""
    lane = parts.lanes()[0]
    append(parts, lane, b"{}")
    more = make_parts(tmp_path, redis_url, "production", "second")
    more.join()
    waiting = {backlog.lane: backlog.waiting for backlog in Rounds(more).backlogs()}
    assert [(lane.integration, lane.shard, count) for lane, count in waiting.items()] == [
        ("production", 0, 1),
        ("production", 1, 0),
        ("second", 0, 0),
        ("second", 1, 0),
    ]
    more.redis.close()


def test_another_number_of_shards_is_refused(parts, tmp_path, redis_url):
    """A person's events must not be spread over two orders."""
    other = make_parts(tmp_path, redis_url, shards=3)
    with pytest.raises(OperatorError, match="set RELAY_SHARDS=2"):
        other.join()
    other.redis.close()


def test_only_what_every_integration_is_past_is_trimmed(tmp_path, redis_url):
    """A dead destination keeps its events, whatever the retention."""
    parts = make_parts(tmp_path, redis_url, "production", "second", retention_s=0, shards=1)
    parts.join()
    quick, slow = parts.lanes()
    ids = append(parts, quick, *[b"{}"] * 500)
    pass_over(parts, quick, ids)
    pass_over(parts, slow, ids[:250])
    Rounds(parts).trim()
    left = parts.redis.xrange(quick.key("events"))
    assert left[0][0].decode() <= ids[250]
    assert left[-1][0].decode() == ids[-1]
    assert [entry_id for entry_id, _ in parts.streams.take(slow, "t", 1000).entries] == ids[250:]
    assert len(left) < 500
    parts.redis.close()


def test_what_is_young_is_kept_as_the_archive(parts):
    """The retention counts from when an event was stored."""
    lane = parts.lanes()[0]
    ids = append(parts, lane, *[b"{}"] * 500)
    pass_over(parts, lane, ids)
    assert Rounds(parts).trim() == 0
    assert [finding for finding in Ledger(parts).audit().findings if finding.integration] == []


def test_a_group_of_a_newer_configuration_keeps_its_events(tmp_path, redis_url):
    """A host whose older file does not have an integration trims nothing that waits for it."""
    newer = make_parts(tmp_path, redis_url, "production", "second", retention_s=0, shards=1)
    newer.join()
    older = make_parts(tmp_path, redis_url, "production", retention_s=0, shards=1)
    (lane,) = older.lanes()
    pass_over(older, lane, append(older, lane, *[b"{}"] * 500))
    assert Rounds(older).trim() == 0
    newer.redis.close()
    older.redis.close()


def test_a_removed_source_leaves_nothing(tmp_path, redis_url):
    """Its integration's groups go with the revision that removes it; its streams once the retention is over."""
    parts = make_parts(tmp_path, redis_url, "production", shards=1, data_dir=tmp_path)
    parts.role = "worker"
    parts.begin()
    (lane,) = parts.lanes()
    append(parts, lane, *[b"{}"] * 500)
    text = parts.live.loaded.revision.text.replace("[sources.app]", "[sources.other]").replace('"app"', '"other"')
    text = text.replace("integrations.production", "integrations.another")
    parts.revisions.publish(Revision(text, digest_of(text), "a test", 1, origin="file"), 1)
    assert parts.live.look(force=True)
    Rounds(parts).trim()
    assert parts.redis.xlen(lane.key("events")) == 500
    parts.settings = parts.settings.model_copy(update={"retention_s": 0})
    parts.redis.xtrim(lane.key("events"), maxlen=0)
    Rounds(parts).trim()
    assert parts.redis.keys("*:events:app") == []
    assert {name.decode() for name in parts.redis.smembers("relay:sources")} == {"other"}
    assert "production" in parts.known_integrations(), "nobody gave its name: dead letters and books stay"
    parts.redis.close()


def test_who_runs_a_revision_that_was_lost_gives_nothing_up(tmp_path, redis_url):
    """A fail-over lost it, and its number is that of another one, which still has the integration: what waits stays."""
    parts = make_parts(tmp_path, redis_url, "production", "second", shards=1, data_dir=tmp_path)
    parts.role = "worker"
    parts.begin()
    text = parts.live.loaded.revision.text
    lost = text.replace("integrations.second", "integrations.third")
    parts.revisions.publish(Revision(lost, digest_of(lost), "a test", 1), 1)
    assert parts.live.look(force=True)
    parts.redis.hdel(REVISIONS, "2", f"digest:{digest_of(lost)}")
    parts.redis.hset(REVISIONS, "head", "1")
    again = f"# another\n{text}"
    assert parts.revisions.publish(Revision(again, digest_of(again), "a test", 1), 1) == 2
    Rounds(parts).trim()
    (events,) = parts.redis.keys("*:events:app")
    assert {group["name"] for group in parts.redis.xinfo_groups(events)} >= {b"production", b"second"}
    parts.redis.close()
