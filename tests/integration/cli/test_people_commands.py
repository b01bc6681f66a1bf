"""Suppress, forget, explain and the pace, on a real server and with a simulated Customer.io."""

import json
import re
import shlex
import time
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from click.testing import CliRunner
from redis import Redis

from tests.support.parts import append, make_parts
from tests.support.unseen import unseen
from worker.cli import relay as command
from worker.customerio.answer import Answer
from worker.customerio.rate_limit import RequestPace
from worker.errors import OperatorError
from worker.ledger.figures import Ledger
from worker.process.stop import Stop
from worker.purchasely.person import shard_of
from worker.store.entries import read_range
from worker.store.lane import Lane
from worker.upkeep.forget import forget


@pytest.fixture
def parts(tmp_path, redis_url, customerio, monkeypatch):
    made = make_parts(tmp_path, redis_url, base_url=customerio[0])
    made.join()
    monkeypatch.setattr("worker.app.relay", lambda: made)
    yield made
    made.redis.close()


def body(number, person, **fields):
    return orjson.dumps(
        {
            "event_name": "SUBSCRIPTION_RENEWED",
            "event_id": f"e-{number}",
            "event_created_at_ms": 1_760_000_000_000 + number,
            "environment": "PRODUCTION",
            "purchasely_subscription_id": f"subs_{person}",
            "plan": "monthly",
            "user_id": person,
            **fields,
        }
    )


def run(*arguments, stdin=None):
    done = CliRunner().invoke(command, list(arguments), input=stdin, catch_exceptions=False)
    return done.exit_code, done.output


class Silent:
    """A Customer.io that takes everything."""

    def __init__(self):
        self.bodies = []

    def batch(self, request):
        self.bodies.append(request)
        return Answer(200)


@pytest.fixture
def silent(monkeypatch):
    api = Silent()
    monkeypatch.setattr("worker.delivery.workshop.TrackApi", lambda *_: api)
    return api


def deliver(parts, lane):
    return parts.delivery(lane, Stop()).run("token")


def test_a_suppressed_person_is_filtered_until_removed(parts, silent):
    """From the next batch on nothing is sent about them; the count says why; removing ends it."""
    lane = parts.lanes()[0]
    assert run("suppress", "add", "Jeff@Example.com")[0] == 0
    append(parts, lane, body(1, "jeff@example.com"), body(2, "ann"))
    assert deliver(parts, lane) == "empty"
    ledger = parts.redis.hgetall(lane.key("ledger"))
    assert (ledger[b"filtered:suppressed"], ledger[b"delivered"]) == (b"1", b"1")
    code, said = run("suppress", "list", "--json")
    assert (code, [one["person"] for one in json.loads(said)["items"]]) == (0, ["jeff@example.com"])
    assert run("suppress", "remove", "jeff@example.com")[0] == 0
    append(parts, lane, body(3, "jeff@example.com"))
    deliver(parts, lane)
    assert parts.redis.hget(lane.key("ledger"), "delivered") == b"2"
    assert run("suppress", "remove", "nobody")[0] == 1


@pytest.fixture
def tokyo(monkeypatch):
    """This machine is in Japan."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_who_is_suppressed_is_listed_in_the_zone_of_the_machine(parts):
    """It was UTC without saying so, while `relay actions` had the machine's time for the same act."""
    parts.suppressed.add("jeff@example.com")
    ((person, since_ms),) = parts.suppressed.list().items()
    there = datetime.fromtimestamp(since_ms / 1000, UTC) + timedelta(hours=9)
    assert run("suppress", "list") == (0, f"{there:%Y-%m-%d %H:%M:%S}  {person}\n")


def test_forgetting_removes_a_person_everywhere_and_nobody_else(parts, silent):
    """Delivered and waiting events, dead letters and state go, on all shards; the books stay balanced."""
    first, second = parts.lanes()
    append(parts, first, body(1, "jeff"), body(2, "ann"), body(3, "jeff", event_created_at_ms=5))
    deliver(parts, first)
    append(parts, first, body(4, "jeff"), body(5, "ann"))
    append(parts, second, body(6, "other", customerio_user_id="jeff"))
    removed = forget(parts, "jeff")
    assert (removed.entries, removed.waiting, removed.dead_letters, removed.states) == (4, 2, 1, 1)
    assert [one.text for one in Ledger(parts).audit().findings if one.integration] == []
    streams = [lane.key("events") for lane in parts.lanes()]
    assert b"jeff" not in b"".join(raw for key in streams for _, raw in read_range(parts.redis, key))
    rest = [key for key in parts.redis.keys("*") if key.decode() not in streams]
    assert b"jeff" not in b"".join(parts.redis.dump(key) or b"" for key in rest)
    assert deliver(parts, first) == "empty"
    ledger = parts.redis.hgetall(first.key("ledger"))
    assert (ledger[b"delivered"], ledger[b"filtered:forgotten"], ledger[b"dead"]) == (b"3", b"2", b"0")
    assert b"jeff" not in silent.bodies[-1]


def test_forgetting_waits_for_the_worker_that_has_the_lane(parts):
    """A lane in work is not touched; the command says so after a while."""
    lane = parts.lanes()[0]
    append(parts, lane, body(1, "jeff"))
    parts.streams.take(lane, "somebody", 10)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        parts.redis.delete(lane.key("lease"), lane.key("flight"))

    assert forget(parts, "jeff", sleep).waiting == 1
    assert slept == [0.1]


def test_the_forget_command_says_what_it_removed(parts, silent):
    """As one line, or as JSON; without --yes it asks, and where nobody can be asked it does nothing."""
    append(parts, parts.lanes()[0], body(1, "jeff"))
    for arguments in ([], ["--json"]):
        code, text = run("forget", "jeff", *arguments)
        assert (code, "nobody can be asked here: add --yes" in text) == (2, True)
    code, said = run("forget", "jeff", "--yes", "--json")
    assert code == 0
    assert json.loads(said)["entries"] == 1


def test_the_next_page_of_an_odd_person_can_be_pasted(parts, silent):
    """An id that begins as an option does, with what a shell would take for its own; the options go on too."""
    odd = "-Zoë's $(id) 猫"
    lane = parts.lanes()[0]
    append(
        parts,
        Lane(lane.source, lane.integration, shard_of(odd, parts.settings.shards)),
        *(body(n, odd) for n in range(3)),
    )
    code, text = run("person", "--limit", "2", "--utc", "--", odd)
    assert (code, text.count(" UTC  SUBSCRIPTION_RENEWED")) == (0, 2)
    (more,) = re.findall("^more: relay (.*)$", text, re.MULTILINE)
    code, text = run(*shlex.split(more))
    assert (code, text.count(" UTC  SUBSCRIPTION_RENEWED")) == (0, 1)


def test_explain_names_the_rule_that_stopped_an_event(tmp_path, parts):
    """With the line of the file, and nothing after it."""
    path = tmp_path / "event.json"
    path.write_bytes(body(1, "jeff", environment="SANDBOX"))
    code, said = run("explain", str(path), "--json")
    told = json.loads(said)["integrations"][0]
    assert (code, told["outcome"], told["reason"]) == (0, "filtered", "environment_unclaimed")
    stopped = told["stages"][-1]
    lines = (tmp_path / "integrations.toml").read_text().splitlines()
    assert (stopped["stage"], lines[stopped["line"] - 1]) == ("environment", 'environments = ["PRODUCTION"]')


def test_explain_shows_operations_and_the_state_before_and_after(parts, silent):
    """For an event still in a stream, with what is known of its person; and nothing changes by looking."""
    lane = next(lane for lane in parts.lanes() if lane.shard == 0)
    append(parts, lane, body(1, "jeff"))
    deliver(parts, lane)
    (entry,) = append(parts, lane, body(2, "jeff", plan="yearly"))
    before = parts.redis.hgetall(lane.key("ledger"))
    code, said = run("explain", f"0/{entry}", "--json")
    told = json.loads(said)
    one = told["integrations"][0]
    assert (code, one["outcome"]) == (0, "sent")
    assert [op["action"] for op in one["operations"]] == ["identify", "event"]
    assert parts.redis.hgetall(lane.key("ledger")) == before
    code, message = run("explain", f"0/{entry}")
    assert code == 0
    assert "SUBSCRIPTION_RENEWED" in message
    assert "✓ filter" in message


def test_explain_says_what_it_cannot_find(parts):
    """A name that is no file, no entry and not JSON is an error of one line."""
    for argument in ("nonsense", "0/1-0"):
        done = CliRunner().invoke(command, ["explain", argument])
        assert done.exit_code != 0
    done = CliRunner().invoke(command, ["explain", "-"], input="{")
    assert done.exit_code != 0
    done = CliRunner().invoke(command, ["explain", "-"], input="")
    assert "standard input is empty" in str(done.exception)


def test_explain_finds_an_event_where_it_must_not_see_files(parts, tmp_path):
    """Typed in the home of somebody whose files the user of the relay does not see."""
    lane = next(lane for lane in parts.lanes() if lane.shard == 0)
    (entry,) = append(parts, lane, body(1, "jeff"))
    assert run("explain", f"0/{entry}")[0] == 0  # what it needs is loaded
    with unseen(tmp_path):
        code, message = run("explain", f"0/{entry}")
        with pytest.raises(OperatorError, match=r"no event of this id is kept.* may not read it"):
            run("explain", "event.json")
    assert (code, "SUBSCRIPTION_RENEWED" in message) == (0, True)


def test_the_pace_is_kept_over_all_workers(redis_url):
    """No more requests a second than allowed, whoever sends them; the rest wait their turn."""
    slept = []

    class Enough(Exception):  # noqa: N818 - ends the wait
        pass

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) > 3:
            raise Enough

    with Redis.from_url(redis_url) as client:
        two = [RequestPace(client, "production", 5, sleep) for _ in range(2)]
        turns = 0
        with pytest.raises(Enough):
            for turns in range(20):
                two[turns % 2].wait()
    assert 5 <= turns <= 10


def test_permits_are_taken_several_at_a_time(redis_url):
    """At 1,000 a second one question to Redis is good for ten requests; the limit holds all the same."""
    slept = []
    with Redis.from_url(redis_url) as client:
        pace = RequestPace(client, "production", 1000, slept.append)
        client.config_resetstat()
        for _ in range(100):
            pace.wait()
        assert client.info("commandstats")["cmdstat_evalsha"]["calls"] <= 11
        two = [RequestPace(client, "other", 200, lambda _: pytest.fail("enough")) for _ in range(2)]
        with pytest.raises(pytest.fail.Exception):
            for turn in range(500):
                two[turn % 2].wait()
        assert turn <= 400


def test_a_server_that_cannot_count_stops_nothing():
    """Redis away: the request goes out all the same."""
    with Redis(port=1, socket_connect_timeout=0.1, retry=None) as client:
        RequestPace(client, "production", 5, pytest.fail).wait()
