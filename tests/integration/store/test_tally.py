"""The tally over a real server: streams, groups and ledgers of all shards, and what is missing."""

from tests.support.parts import append, make_parts
from worker.ledger.figures import Ledger
from worker.store.lane import Lane
from worker.store.scripts import call_all
from worker.store.tally import GroupTally, Tally, tally


def test_every_shard_is_counted_with_its_groups(tmp_path, redis_url):
    """Entries, ids, the ledger and the first event that waits; integrations without a group are listed as such."""
    parts = make_parts(tmp_path, redis_url, shards=2)
    parts.join()
    first, _ = parts.lanes()
    ids = append(parts, first, b"{}", b"{}")
    found = tally(parts.redis, {"app": ["production", "other"]}, range(2))
    ledger = ["base", "0", "position", "0", "dead", "0"]
    joined = GroupTally("production", "0-0", ids[0], 0, 2, ledger, 0, 0, 0)
    absent = GroupTally("other", "", "", -1, -1, [], 0, 0, 0)
    assert found["app", 0] == Tally(2, 2, ids[0], ids[1], "0-0", [], [joined, absent])
    assert (found["app", 1].added, found["app", 1].first, found["app", 1].groups[0].following) == (0, "", "")


def test_a_shard_without_a_stream(redis_client):
    """Nothing was ever stored: -1 says so."""
    absent = GroupTally("production", "", "", -1, -1, [], 0, 0, 0)
    assert tally(redis_client, {"app": ["production"]}, [0]) == {("app", 0): Tally(-1, 0, "", "", "", [], [absent])}


def test_a_server_that_forgot_its_scripts_is_given_them_again(redis_client):
    """After a fail-over or SCRIPT FLUSH."""
    lane = Lane("app", "production", 0)
    for _ in range(2):
        redis_client.script_flush()
        assert call_all(redis_client, "mark", [([lane.key("wake")], [1000])]) == [b"OK"]


def test_one_reading_serves_all_figures(tmp_path, redis_url):
    """Accounts and intake are sums over the shards of one look."""
    parts = make_parts(tmp_path, redis_url, shards=3)
    parts.join()
    for lane in parts.lanes():
        append(parts, lane, b"{}")
    figures = Ledger(parts).figures()
    assert [(one.integration, one.accepted, one.waiting) for one in figures.accounts] == [("production", 3, 3)]
    assert set(figures.intake["app"].values()) == {0}
