"""`relay resume --rebuild`: a damaged state holds its integration, is named, and made again from the kept events."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.support.deadstack import event, opened
from worker.acts.rebuilding import Rebuilt, rebuild
from worker.acts.record import Doer
from worker.errors import OperatorError
from worker.ledger.figures import Ledger
from worker.people.person import VERSION, decode
from worker.store.lane import Lane

DAMAGED = b"\x93\x01\x02"


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio):
    """A relay, worked by hand; three people are known, each by two events."""
    with opened(tmp_path, redis_url, customerio) as stack:
        stack.deliver(*(event(number, "SUBSCRIPTION_STARTED") for number in range(3)))
        stack.deliver(*(event(number, "SUBSCRIPTION_RENEWED", plan=f"plan-{number}") for number in range(3)))
        yield stack


def states(stack):
    """Every stored state by its key."""
    server = stack.parts.redis
    return {key: server.get(key) for key in sorted(server.scan_iter("relay:{*}:person:*"))}


def relay(stack, *arguments):
    """What the command prints, with exit code 0."""
    run = [sys.executable, "-c", "from worker.cli import main; main()", *arguments]
    env = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")} | stack.environ
    ran = subprocess.run(run, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def damage(stack, blob=DAMAGED):
    """Damage one person's state; its key, shard and name."""
    key = next(iter(states(stack)))
    stack.parts.redis.set(key, blob)
    _, shard, _, _, digest = key.decode().split(":")
    return key, int(shard.strip("{}")), digest


def test_a_damaged_state_is_named_where_its_hold_is_looked_at(stack):
    """The shard and the state's name, which is no personal data, and the command that ends it."""
    _, shard, digest = damage(stack)
    stack.deliver(*(event(number, "ACTIVATE") for number in range(3)))
    hold = stack.account().hold
    assert (hold.kind, hold.message.partition(" (")[0]) == (
        "unknown_state",
        f"shard {shard}: the state {digest} is damaged",
    )
    (need,) = [one for one in Ledger(stack.parts).needs() if one.kind == "held"]
    assert f"the state {digest} is damaged" in need.message
    assert "relay resume production --rebuild" in need.advice
    said = " ".join(relay(stack, "status").split())
    assert f"shard {shard}: the state {digest} is damaged" in said
    assert "relay resume production --rebuild" in said


def test_a_damaged_state_is_what_it_was_after_its_rebuilding(stack):
    """Of the kept events that were settled, to the byte; the others are not touched, and what waited is delivered."""
    before = states(stack)
    key, shard, digest = damage(stack)
    stack.deliver(*(event(number, "ACTIVATE") for number in range(3)))
    assert stack.account().hold is not None
    done = json.loads(relay(stack, "resume", "production", "--rebuild", "--json"))
    assert done["rebuilt"] == [{"shard": shard, "state": digest, "events": 2}]
    assert stack.parts.redis.get(key) == before[key]
    damage(stack)
    assert f"shard {shard}, state {digest}: made again from 2 kept events" in relay(
        stack, "resume", "production", "--rebuild"
    )
    assert stack.parts.redis.get(key) == before[key]
    assert 0 < stack.parts.redis.ttl(key) <= stack.settings.person_ttl_s
    stack.deliver()
    account = stack.account()
    assert (account.waiting, account.delivered, account.hold) == (0, 9, None)


def test_what_waits_is_not_in_a_state_that_is_made_again(stack):
    """Customer.io would not hear of it when its turn comes, as it would be known already."""
    key, _, _ = damage(stack)
    stack.append(*(event(number, "SUBSCRIPTION_RENEWED", plan="waiting") for number in range(3)))
    rebuild(stack.parts, "production", Doer("me"))
    assert b"waiting" not in stack.parts.redis.get(key)


def test_a_state_of_which_no_event_is_kept_is_deleted(stack):
    """The person begins again with their next event."""
    key, shard, digest = damage(stack)
    for stream in list(stack.parts.redis.scan_iter("relay:{*}:events:app")):
        stack.parts.redis.xtrim(stream, maxlen=0)
    done = rebuild(stack.parts, "production", Doer("me"))
    assert (done.rebuilt, stack.parts.redis.exists(key)) == ([Rebuilt(shard, digest, 0)], 0)


def test_a_state_of_a_newer_release_is_left(stack):
    """It is whole, for the release that wrote it."""
    blob = msgspec.msgpack.encode([VERSION + 1, "another form"])
    key, _, _ = damage(stack, blob)
    done = rebuild(stack.parts, "production", Doer("me"))
    assert (done.rebuilt, done.newer, stack.parts.redis.get(key)) == ([], 1, blob)


def test_an_integration_that_there_is_not_is_refused(stack):
    """With those that there are, as every act says it."""
    with pytest.raises(OperatorError, match=r"is called prod; there are: production$"):
        rebuild(stack.parts, "prod", Doer("me"))


def test_a_stream_that_is_gone_has_no_events_to_rebuild_from(stack):
    """Where somebody deleted one, the others are read all the same."""
    key, shard, digest = damage(stack)
    for stream in stack.parts.redis.scan_iter("relay:{*}:events:app"):
        if stream.decode() != Lane("app", "production", shard).key("events"):
            stack.parts.redis.delete(stream)
    done = rebuild(stack.parts, "production", Doer("me"))
    assert [one.state for one in done.rebuilt] == [digest]
    decode(stack.parts.redis.get(key))
