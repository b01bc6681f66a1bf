"""Forgetting a person who is named where other people's events and states are."""

import json

import orjson
import pytest
from click.testing import CliRunner

from tests.support.parts import append, make_parts
from worker.cli import relay as command
from worker.customerio.answer import Answer
from worker.ledger.figures import Ledger
from worker.mapping.identity import state_name
from worker.people.person import decode
from worker.process.stop import Stop
from worker.store.entries import read_range
from worker.store.keys import person_key
from worker.upkeep.forget import forget

LIFE_S = 5_000


class Taking:
    """A Customer.io that takes everything."""

    def batch(self, _request):
        return Answer(200)


@pytest.fixture
def parts(tmp_path, redis_url, monkeypatch):
    monkeypatch.setattr("worker.delivery.workshop.TrackApi", lambda *_: Taking())
    made = make_parts(tmp_path, redis_url, person_ttl_s=LIFE_S)
    made.join()
    monkeypatch.setattr("worker.app.relay", lambda: made)
    yield made
    made.redis.close()


def event(number, name="SUBSCRIPTION_RENEWED", **fields):
    return orjson.dumps(
        {
            "event_name": name,
            "event_id": f"e-{number}",
            "event_created_at_ms": 1_760_000_000_000 + number,
            "environment": "PRODUCTION",
            "purchasely_subscription_id": "subs_1",
            "plan": "monthly",
            **fields,
        }
    )


def transfer(number, loser, winner):
    return event(number, "SUBSCRIPTION_TRANSFERRED", user_id=loser, transferred_to_user_id=winner)


def deliver(parts, lane):
    return parts.delivery(lane, Stop()).run("token")


def state(parts, lane, kind, value):
    blob = parts.redis.get(person_key(lane.shard, lane.integration, state_name(kind, value)))
    return None if blob is None else decode(blob)


def stored(parts):
    """Everything the server holds, as bytes, but for stream blocks that Redis has yet to free."""
    streams = [lane.key("events") for lane in parts.lanes()]
    found = [raw for key in streams for _, raw in read_range(parts.redis, key)]
    rest = [key for key in parts.redis.keys("*") if key.decode() not in streams]
    return b"".join([*found, *(parts.redis.dump(key) or b"" for key in rest)])


def test_a_name_goes_out_of_other_peoples_states(parts):
    """Who got a subscription is named in the state of who lost it, once for the person and once for the holding."""
    lane = parts.lanes()[0]
    append(parts, lane, event(1, user_id="loser"), transfer(2, "loser", "jeff"))
    deliver(parts, lane)
    assert state(parts, lane, "id", "loser").moved_to[1] == "jeff"
    removed = forget(parts, "jeff")
    left = state(parts, lane, "id", "loser")
    assert (removed.cleared, removed.mentions, removed.states, removed.left) == (1, 1, 0, [])
    assert left.moved_to == (1_760_000_000_002, "")
    assert left.subscriptions["subs_1"].moved_to == (1_760_000_000_002, "")
    assert left.subscriptions["subs_1"].moved_ms == 1_760_000_000_002
    assert 0 < parts.redis.ttl(person_key(lane.shard, lane.integration, state_name("id", "loser"))) <= LIFE_S
    assert b"jeff" not in stored(parts)
    assert [one.text for one in Ledger(parts).audit().findings if one.integration] == []


def test_the_other_persons_waiting_event_is_left_and_said(parts):
    """What has yet to be delivered for somebody else is theirs; once it is, the next run removes it."""
    lane = parts.lanes()[0]
    append(parts, lane, transfer(1, "loser", "jeff"))
    removed = forget(parts, "jeff")
    assert (removed.entries, removed.mentions) == (0, 0)
    assert [(one.count, "wait" in one.what) for one in removed.left] == [(1, True)]
    deliver(parts, lane)
    again = forget(parts, "jeff")
    assert (again.mentions, again.cleared, again.left) == (1, 1, [])
    assert b"jeff" not in stored(parts)


def test_an_address_is_forgotten_in_every_spelling(parts):
    """Ann@X.io and ann@x.io are one person, also where an address was taken for an id of the app."""
    lane = parts.lanes()[0]
    append(
        parts,
        lane,
        event(1, customerio_user_id="Ann@X.io"),
        event(2, customerio_user_id="ANN@x.io"),
        event(3, customerio_user_email="ann@X.IO"),
    )
    deliver(parts, lane)
    parts.redis.delete(lane.key("events"))  # as if the retention time had passed: only the states know the spellings
    parts.join()
    assert forget(parts, "ann@x.io").states == 3
    assert b"ann@x.io" not in stored(parts).lower()


def test_a_state_under_another_identifier_is_found(parts):
    """Known to Customer.io by an id, with the app's own user id within: nothing of the stream need be left."""
    lane = parts.lanes()[0]
    append(parts, lane, event(1, customerio_user_id="cio-7", user_id="jeff"), event(2, user_id="ann"))
    deliver(parts, lane)
    parts.redis.delete(lane.key("events"))
    parts.join()
    assert forget(parts, "jeff").states == 1
    assert state(parts, lane, "id", "cio-7") is None
    assert state(parts, lane, "id", "ann") is not None


def test_a_state_of_a_former_integration_is_found(parts):
    """An integration that is in the file no more has states until they expire."""
    lane = parts.lanes()[0]
    append(parts, lane, event(1, user_id="jeff"))
    deliver(parts, lane)
    digest = state_name("id", "jeff")
    former = person_key(lane.shard, "former", digest)
    parts.redis.copy(person_key(lane.shard, lane.integration, digest), former)
    assert forget(parts, "jeff").states == 2
    assert not parts.redis.exists(former)


def test_what_is_left_is_said_with_the_reason(parts):
    """The suppression list, and states that this release cannot read: one line each, and in the JSON."""
    lane = parts.lanes()[0]
    parts.suppressed.add("jeff")
    parts.redis.set(person_key(lane.shard, lane.integration, "0" * 24), b"\xff")
    append(parts, lane, transfer(1, "loser", "jeff"))
    done = CliRunner().invoke(command, ["forget", "jeff", "--yes", "--json"], catch_exceptions=False)
    left = json.loads(done.output)["left"]
    assert [one["count"] for one in left] == [1, 1, 1]
    assert all(one["why"] for one in left)
    done = CliRunner().invoke(command, ["forget", "jeff", "--yes"], catch_exceptions=False)
    assert done.output.count("\nleft: 1 ") == 3


def test_fields_of_an_identity_chain_name_a_person_too(tmp_path, redis_url):
    """An upstream's own field is looked at wherever it is in the chain, not only where it decides the shard."""
    path = tmp_path / "integrations.toml"
    made = make_parts(tmp_path, redis_url)
    chain = '[sources.app.identity]\nid = ["member", "user_id"]\nemail = ["contact"]\n[integrations.production]'
    path.write_text(path.read_text().replace("[integrations.production]", chain, 1))
    made.join()
    append(made, made.lanes()[0], event(1, member="m1", contact="Jeff@x.io"), event(2, member="m2"))
    assert forget(made, "jeff@x.io").entries == 1
    made.redis.close()
