"""The audit over a real server, with deliveries to a simulated Customer.io."""

import json
import os
import subprocess
import sys

import pytest

from config.settings import Settings
from tests.support.fakes import raw_event
from tests.support.parts import FILE, INTEGRATION
from worker.app import Relay
from worker.ledger.figures import Ledger
from worker.ledger.metrics import render
from worker.process.stop import Stop
from worker.simulator.accounts import Account
from worker.simulator.app import Options
from worker.simulator.faults import Faults
from worker.simulator.serve import running
from worker.store.keys import cause_key, shard_key

REFUSED = "REFUSED"


@pytest.fixture
def parts(tmp_path, redis_url, monkeypatch):
    """A relay that has delivered, filtered and buried some events; some more wait."""
    monkeypatch.setenv("T_KEY", "key")
    options = Options(accounts=(Account("key", "key", "eu"),), faults=Faults(reject_event_names=frozenset({REFUSED})))
    with running(options) as (url, _):
        path = tmp_path / "integrations.toml"
        table = INTEGRATION.format(name="production", base_url=url)
        table = table.replace('"*" = true', '"*" = true\nOFF = false')
        path.write_text(FILE.format(integrations=table).replace("env:PATH", "env:T_KEY"))
        parts = Relay(Settings(redis_url=redis_url, integrations=path, shards=2, data_dir=tmp_path, budget_s=60))
        parts.join()
        for lane in parts.lanes():
            store(parts, lane, *[raw_event(name, at) for at, name in enumerate(["A", "OFF", "B", REFUSED, "C"])])
            assert parts.delivery(lane, Stop()).run("token") == "empty"
            store(parts, lane, raw_event("D", 7), raw_event("E", 8))
        yield parts


def store(parts, lane, *raws):
    """Store events and count them, as the web door's script does."""
    for raw in raws:
        parts.redis.xadd(lane.key("events"), {"b": raw})
        parts.redis.hincrby(shard_key(lane.shard, "intake", lane.source), "accepted", 1)


def findings(parts):
    return [(finding.integration, finding.shard, finding.text) for finding in Ledger(parts).audit().findings]


def test_sound_books_balance(parts):
    """Delivered, filtered, dead and waiting events are all accounted for."""
    found = Ledger(parts).audit()
    assert found.findings == []
    assert [(b.accepted, b.delivered, b.filtered, b.dead, b.waiting) for b in found.books] == [(7, 3, 1, 1, 2)] * 2


def test_an_empty_server_has_no_books(tmp_path, redis_url, monkeypatch):
    """Nothing stored is nothing wrong."""
    monkeypatch.setenv("T_KEY", "key")
    path = tmp_path / "integrations.toml"
    table = INTEGRATION.format(name="production", base_url="http://127.0.0.1:9")
    path.write_text(FILE.format(integrations=table).replace("env:PATH", "env:T_KEY"))
    found = Ledger(Relay(Settings(redis_url=redis_url, integrations=path, shards=2))).audit()
    assert (found.books, found.findings) == ([], [])


def test_a_count_that_was_tampered_with_is_found(parts):
    """One delivery too many in the ledger is named with its shard."""
    parts.redis.hincrby(shard_key(1, "ledger", "production"), "delivered", 1)
    ((integration, shard, text),) = findings(parts)
    assert (integration, shard) == ("production", 1)
    assert "1 counted twice" in text


def test_a_dead_letter_that_vanished_is_found(parts):
    """The ledger, the letters and both their lists must agree."""
    (dead_id,) = parts.redis.hkeys(shard_key(0, "dead", "production"))
    parts.redis.hdel(shard_key(0, "dead", "production"), dead_id)
    assert [text for _, _, text in findings(parts)] == [
        "1 dead by the ledger, 0 dead letters are kept",
        "0 dead letters are kept, 1 are listed by time",
        "0 dead letters are kept, 1 are listed by cause",
    ]
    (cause,) = parts.redis.hkeys(shard_key(0, "deadcauses", "production"))
    parts.redis.zrem(shard_key(0, "deadtime", "production"), dead_id)
    parts.redis.zrem(cause_key(0, "production", cause.decode()), dead_id)
    assert len(findings(parts)) == 1


def test_trimmed_waiting_events_are_found(parts):
    """A stream cut too far has lost what nobody had read."""
    parts.redis.xtrim(shard_key(0, "events", "app"), maxlen=1, approximate=False)
    assert ("production", 0, "1 waiting events are no longer in the stream: lost") in findings(parts)


def test_a_deleted_waiting_event_is_found(parts):
    """An entry that somebody deleted before it was delivered is missed, though Redis itself cannot tell."""
    (newest, _) = parts.redis.xrevrange(shard_key(0, "events", "app"), count=1)[0]
    parts.redis.xdel(shard_key(0, "events", "app"), newest)
    assert findings(parts) == [("production", 0, "2 events wait by the ledger, 1 by Redis")]


def test_a_moved_cursor_is_found(parts):
    """A group that was set elsewhere skips events: the ledger knows better."""
    parts.redis.xgroup_setid(shard_key(0, "events", "app"), "production", "$", entries_read=7)
    texts = [text for _, _, text in findings(parts)]
    assert texts == [
        "the ledger is at 5 events, Redis's group at 7 (entries-read)",
        "2 events wait by the ledger, 0 by Redis",
    ]


def test_a_lost_group_is_found(parts):
    """Without its group nobody reads the stream."""
    parts.redis.xgroup_destroy(shard_key(0, "events", "app"), "production")
    assert findings(parts) == [("production", 0, "no consumer group reads the stream, which holds 7 events")]


def test_a_lost_stream_is_found(parts):
    """A ledger without its stream is reported."""
    parts.redis.delete(shard_key(0, "events", "app"))
    assert findings(parts) == [("production", 0, "the ledger is there, but its stream is gone")]


def test_a_foreign_writer_is_found(parts):
    """Events that did not come through the door are counted apart."""
    parts.redis.xadd(shard_key(1, "events", "app"), {"b": raw_event("X", 9)})
    ((integration, shard, text),) = findings(parts)
    assert (integration, shard) == ("", 1)
    assert text == "7 events of source app came through the door, 8 were added to its stream"


def run(parts, *arguments):
    env = {
        **os.environ,
        "RELAY_REDIS_URL": parts.settings.redis_url,
        "RELAY_INTEGRATIONS": str(parts.settings.integrations),
        "RELAY_SHARDS": "2",
    }
    command = [sys.executable, "-c", "from worker.cli import main; main()", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_the_command_says_what_does_not_add_up(parts):
    """Exit 0 and sums while all is well, exit 1 and the place when not; JSON for programs."""
    well = run(parts, "audit")
    assert (well.returncode, well.stderr) == (0, "")
    assert "production: accepted 14 = delivered 6 + filtered 2 + dead 2 + waiting 4  (2 shards)" in well.stdout
    parts.redis.hincrby(shard_key(1, "ledger", "production"), "delivered", -1)
    wrong = run(parts, "audit", "--json")
    assert wrong.returncode == 1
    told = json.loads(wrong.stdout)
    assert (told["items"][0]["unaccounted"], told["next"]) == (1, None)
    assert told["findings"][0]["shard"] == 1


def test_status_tells_the_same(parts):
    """The counts of `relay status` are those of the audit."""
    told = json.loads(run(parts, "status", "--json").stdout)
    (item,) = told["items"]
    assert {name: item[name] for name in ("state", "accepted", "delivered", "filtered", "dead", "waiting")} == {
        "state": "live",
        "accepted": 14,
        "delivered": 6,
        "filtered": {"event_off": 2},
        "dead": 2,
        "waiting": 4,
    }
    none = dict.fromkeys(("duplicates", "conflicting", "lost", "restored", "acknowledged"), 0)
    assert told["sources"] == [{"source": "app", "accepted": 14, **none}]


def test_what_redis_lost_is_named_until_somebody_acknowledges_it(parts):
    """By audit, status and metric; what came back is no finding."""
    parts.redis.hset(shard_key(0, "intake", "app"), mapping={"lost": 12, "restored": 12})
    parts.redis.hset(shard_key(1, "intake", "app"), mapping={"lost": 9, "restored": 4})
    wrong = run(parts, "audit")
    assert wrong.returncode == 1
    assert "shard 1: Redis lost 21 events of source app" in wrong.stdout
    told = json.loads(run(parts, "status", "--json").stdout)
    assert any("Redis lost 21 events" in one and "5 did not" in one for one in told["wrong"])
    exposed = render(Ledger(parts).figures()).decode()
    assert 'relay_redis_lost_writes_total{source="app"} 21.0' in exposed
    assert 'relay_redis_restored_writes_total{source="app"} 16.0' in exposed
    assert run(parts, "audit", "--acknowledge", "-m", "Tuesday's fail-over").returncode == 0
    assert run(parts, "audit").returncode == 0
    assert not any("lost" in one for one in json.loads(run(parts, "status", "--json").stdout)["wrong"])
    (action, *_) = json.loads(run(parts, "actions", "--json").stdout)["items"]
    assert (action["what"], action["why"], action["result"]) == ("acknowledge", "Tuesday's fail-over", "5 events")


def test_hold_and_resume(parts):
    """An operator's hold shows with its words, and ends with a wake-up for what waits."""
    assert run(parts, "hold", "production", "-m", "new keys on Monday").returncode == 0
    told = json.loads(run(parts, "status", "--json").stdout)["items"][0]
    assert (told["state"], told["hold"]["by"], told["hold"]["message"]) == ("held", "operator", "new keys on Monday")
    assert "new keys on Monday" in (shown := run(parts, "status").stdout)
    assert "relay resume production" in shown
    resumed = run(parts, "resume", "production", "--json")
    assert (resumed.returncode, json.loads(resumed.stdout)) == (
        0,
        {"integration": "production", "was_held": True, "woken": 2, "copied": True},
    )
    again = run(parts, "resume", "production")
    assert (again.returncode, again.stdout.split(";")[0]) == (1, "production was not held")
    unknown = run(parts, "hold", "prodution")
    assert unknown.returncode == 2
    assert unknown.stderr == "relay: no integration is called prodution; there are: production\n"
