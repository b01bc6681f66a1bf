"""What earlier releases kept in Redis is read by this one: a file of every schema, see tests/support/snapshot.py."""

import json
import re

import pytest
import redis

from tests.support.payloads import payload
from tests.support.snapshot import FOLDER, put, take
from tests.support.stack import Stack
from tests.support.waiting import until
from worker.store.keys import SCHEMA, SHARDS
from worker.store.schema import GROWN, VERSION

FILES = sorted(FOLDER.glob("schema-*.json"))


@pytest.fixture
def filled(own_redis, tmp_path):
    """A server with what a file has, and a relay on it that is not started yet."""
    made = []

    def fill(path):
        server = own_redis()
        with redis.Redis.from_url(server.url) as client:
            put(client, json.loads(path.read_text()))
        # what was stored long ago must not be trimmed while it is looked at
        made.append(Stack(tmp_path / "stack", server.url, RELAY_RETENTION_S="2000000000", RELAY_LEASE_S="2"))
        made[-1].server = server
        return made[-1]

    yield fill
    for stack in made:
        stack.stop()


def test_every_schema_has_its_file():
    """Whoever makes a new one takes a snapshot of it, with `python -m tests.support.snapshot`."""
    assert [path.name for path in FILES] == [f"schema-{number}.json" for number in range(1, VERSION + 1)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_an_earlier_release_kept_is_read(filled, path):
    """Books, waiting events, dead letters, the past, people, jobs, holds and the configuration; then it goes on."""
    stack = filled(path).start()
    before = stack.account
    assert (before.dead, before.waiting, before.delivered, before.filtered) == (1, 6, 54, {"discarded": 1})
    for command, text in (
        (("audit",), "the books balance"),
        (("status",), "a pause"),
        (("config", "log"), "1"),
        (("dead",), "1 failed event"),
        (("trace", "waits-3"), "waits"),
        (("person", "user-3"), "SUBSCRIPTION_STARTED"),
        (("jobs",), "done"),
        (("suppress", "list"), "user-5"),
        (("actions",), "hold"),
        (("resume", "production"), ""),
    ):
        done = stack.relay(*command)
        assert (done.returncode, text in done.stdout) == (0, True), (command, done.stdout, done.stderr)
    assert stack.post([payload("ACTIVATE", event_id="waits-3", user_id="user-3")]).json()["duplicates"] == 1
    stack.post([payload("RENEWED_BY_THE_NEW_RELEASE", event_id="new", user_id="user-3")])
    until(lambda: not stack.account.waiting, "all is settled")
    arrived = {event["attributes"]["event_id"] for event in stack.arrived()}
    assert arrived == {"new", *(f"waits-{number}" for number in range(5))}  # user-5 is suppressed
    person = stack.inspect("people/id/user-3")["attributes"]
    assert "plan" not in person  # it is known that Customer.io has it: only what changed is said
    assert stack.relay("audit").returncode == 0


def test_a_release_too_old_says_so_and_serves_nothing(filled):
    """Every process and command, when a newer one has written; none takes an event."""
    stack = filled(FILES[-1])
    with redis.Redis.from_url(stack.server.url) as client:
        client.set(SCHEMA, GROWN + 1)
    _all_refuse(stack, rf"written by a newer release \(schema {GROWN + 1}; this one reads up to {GROWN}\)")


def test_a_wrong_number_of_shards_is_refused(filled):
    """Every process and command names the number that the store has."""
    stack = filled(FILES[-1])
    with redis.Redis.from_url(stack.server.url) as client:
        client.set(SHARDS, 7)
    _all_refuse(stack, r"RELAY_SHARDS is 4, but this Redis holds events spread over 7 shards: set RELAY_SHARDS=7")


def _all_refuse(stack, text):
    with redis.Redis.from_url(stack.server.url) as client:
        before = take(client)
    for name in ("web", "worker", "beat"):
        stack.start_as(name, name)
        assert stack.processes[name].wait(timeout=60) != 0
        assert re.search(text, stack.log(name)), stack.log(name)
    for command in (
        ("status",),
        ("audit",),
        ("dead",),
        ("trace", "waits-1"),
        ("person", "user-3"),
        ("hold", "production"),
        ("jobs",),
        ("replay", "--integration", "production", "--yes"),
        ("resync", "--integration", "production", "--yes"),
        ("forget", "user-3", "--yes"),
        ("reshard", "28", "--yes"),
        ("config", "plan", str(stack.path)),
    ):
        done = stack.relay(*command)
        assert done.returncode == 2, (command, done.stdout, done.stderr)
        assert re.search(text, done.stderr.replace("\n", " ")), (command, done.stderr)
    with redis.Redis.from_url(stack.server.url) as client:
        assert take(client) == before
