"""Runs of events over several leases: what is known of a person between them."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.integrations import parse
from tests.support.payloads import DAY_MS, START_MS
from worker.ingest.bodies import read_one
from worker.mapping.mapper import Mapper
from worker.people.person import decode
from worker.people.properties import properties
from worker.purchasely.event import read_event

_FILE = """
[sources.app]
tokens = ["env:S"]
[integrations.p]
source = "app"
region = "eu"
site_id = "env:S"
api_key = "env:S"
merge_transfers = {merge}
[integrations.p.identity]
anonymous = "{anonymous}"
[integrations.p.events]
"*" = true
OFF = false
[integrations.p.user_properties]
{properties}
"""


def mapper(properties="last_event = true", anonymous="profile", merge="false", **more):
    text = _FILE.format(merge=merge, anonymous=anonymous, properties=properties)
    return Mapper(parse(text, "i.toml", {"S": "x"}).integrations["p"], **more)


class Lane:
    """The states of people between runs."""

    def __init__(self, mapping):
        self.mapper, self.states = mapping, {}

    def run(self, *events, now_ms=None):
        """The operations of events, each received when it happened."""
        read = [
            read_event(f"{event.get('received_ms', event['event_created_at_ms'])}-0", orjson.dumps(event))
            for event in events
        ]
        decisions = [self.mapper.decide(event, now_ms or event.received_ms) for event in read]
        composed = self.mapper.compose(decisions, self.states)
        self.states |= composed.people
        return [orjson.loads(operation.body) for operation in composed.operations]


def happened(name, day=0, **fields):
    return {
        "event_name": name,
        "event_id": f"{name}-{day}",
        "event_created_at_ms": START_MS + day * DAY_MS,
        "environment": "PRODUCTION",
        "purchasely_subscription_id": "subs_1",
        **fields,
    }


def merges(operations):
    return [(one["primary"]["id"], one["secondary"]["id"]) for one in operations if one["action"] == "merge"]


def test_a_pair_is_merged_once_over_all_runs():
    """The siblings of the transfer ask again; a purchase under the same anonymous id a day later does not."""
    lane = Lane(mapper(merge="true"))
    transfer = happened("SUBSCRIPTION_TRANSFERRED", anonymous_user_id="A", transferred_to_user_id="U1")
    assert merges(lane.run(transfer)) == [("U1", "A")]
    assert merges(lane.run(happened("DEACTIVATE", anonymous_user_id="A"))) == [("U1", "A")]
    assert merges(lane.run(happened("SUBSCRIPTION_STARTED", 1, anonymous_user_id="A"))) == []
    assert merges(lane.run(happened("ACTIVATE", 2, anonymous_user_id="A", transferred_to_user_id="U1"))) == []
    login = happened("SUBSCRIPTION_TRANSFERRED", 3, anonymous_user_id="A", transferred_to_user_id="U2")
    assert merges(lane.run(login)) == [("U2", "A")]


def test_the_one_who_gets_it_merges_once_too():
    """A renewal that still names where the subscription came from merges nobody."""
    lane = Lane(mapper(merge="true", properties=""))
    origin = {"user_id": "U1", "transferred_from_anonymous_user_id": "A"}
    assert merges(lane.run(happened("SUBSCRIPTION_RECEIVED", **origin))) == [("U1", "A")]
    assert merges(lane.run(happened("SUBSCRIPTION_RENEWED", 30, **origin))) == []


def test_a_placeholder_is_merged_with_nobody():
    """Or all who came from "undefined" would be one person for good."""
    lane = Lane(mapper(merge="true"))
    got = happened("SUBSCRIPTION_RECEIVED", user_id="U1", transferred_from_anonymous_user_id="undefined")
    assert merges(lane.run(got)) == []


@pytest.mark.parametrize("far", [[], ["nested"]])
def test_whom_to_merge_is_known_without_reading_the_event_again(far, monkeypatch):
    """It was read as a dictionary for each event of such an integration, which doubled what an event costs."""
    monkeypatch.setattr("worker.mapping.composing.read_object", None)
    lane = Lane(mapper(merge="true"))
    away = happened("SUBSCRIPTION_TRANSFERRED", anonymous_user_id=" A ", transferred_to_user_id=" U1", far=far)
    got = happened("SUBSCRIPTION_RECEIVED", user_id="U2", transferred_from_anonymous_user_id="B\u200b", far=far)
    assert merges(lane.run(away, got)) == [("U1", "A"), ("U2", "B")]


def test_an_anonymous_id_is_set_at_the_login_alone():
    """Once: it cannot be used again, and other events do not name it."""
    lane = Lane(mapper(anonymous="event"))
    got = lane.run(happened("SUBSCRIPTION_RECEIVED", user_id="U1", transferred_from_anonymous_user_id="A"))
    assert got[0]["attributes"] == {"last_event": "SUBSCRIPTION_RECEIVED", "anonymous_id": "A"}
    renewed = lane.run(happened("SUBSCRIPTION_RENEWED", 30, user_id="U1"))
    assert renewed[0]["attributes"] == {"last_event": "SUBSCRIPTION_RENEWED"}


def test_an_event_that_is_off_is_told_only_where_it_changes_something():
    """The second one says what is known."""
    lane = Lane(mapper(properties="plan = true"))
    assert len(lane.run(happened("OFF", user_id="U", plan="a"))) == 1
    assert lane.run(happened("OFF", 1, user_id="U", plan="a")) == []
    assert lane.run(happened("OFF", 2, user_id="U", plan="b"))[0]["attributes"] == {"plan": "b"}


def test_an_event_that_is_sent_answers_for_the_properties():
    """A sibling that is off and comes later does not take that over."""
    mapping = mapper(properties="plan = true")
    events = [happened("E", user_id="U", plan="a"), happened("OFF", user_id="U", plan="b")]
    read = [read_event(f"{START_MS}-{n}", orjson.dumps(event)) for n, event in enumerate(events)]
    composed = mapping.compose([mapping.decide(event, START_MS) for event in read], {})
    assert [operation.cause for operation in composed.operations] == [0, 0]


@pytest.mark.parametrize(("tolerance_ms", "plan"), [(60_000, "ahead"), (59_999, "now")])
def test_a_clock_may_be_ahead_by_the_tolerance(tolerance_ms, plan):
    """Within it the order is the sender's; beyond it that of the receipt, and whatever comes next is newer."""
    lane = Lane(mapper(properties="plan = true", clock_tolerance_ms=tolerance_ms))
    lane.run(happened("E", user_id="U", plan="ahead", event_created_at_ms=START_MS + 60_000, received_ms=START_MS))
    lane.run(happened("E", user_id="U", plan="now", event_created_at_ms=START_MS + 1, event_id="e-2"))
    (state,) = lane.states.values()
    assert properties(decode(state), {})["plan"] == plan


def test_an_identify_is_never_dated_in_the_future():
    """Though the clock of the sender is ahead within the tolerance."""
    lane = Lane(mapper())
    ahead = happened("E", user_id="U", event_created_at_ms=START_MS + 60_000, received_ms=START_MS)
    identify, event = lane.run(ahead)
    assert (identify["timestamp"], event["timestamp"]) == (START_MS // 1000, START_MS // 1000 + 60)


def test_addresses_in_another_case_share_a_state():
    """Over several runs: the second one knows what the first said."""
    lane = Lane(mapper(properties="plan = true\nstore = true"))
    lane.run(happened("E", customerio_user_email="Ann@x.io", plan="a"))
    told = lane.run(happened("E", 1, customerio_user_email="ann@X.io", store="STRIPE"))
    assert told[0]["attributes"] == {"store": "STRIPE", "plan": "a"}
    assert len(lane.states) == 1


@pytest.mark.parametrize("shards", [1, 16, 4096])
def test_one_customerio_id_ends_active_whoever_is_logged_in(shards):
    """A transfer from an anonymous purchase to the login of the same person, over the door's own shards."""
    lanes = {}
    cio = {"customerio_user_id": "C", "subscription_status": "AUTO_RENEWING"}
    for place, body in enumerate(
        [
            happened("SUBSCRIPTION_STARTED", anonymous_user_id="A", **cio),
            happened("SUBSCRIPTION_RECEIVED", 1, user_id="U", transferred_from_anonymous_user_id="A", **cio),
            happened("SUBSCRIPTION_TRANSFERRED", 1, anonymous_user_id="A", transferred_to_user_id="U", **cio),
        ]
    ):
        (stored,) = read_one("app", orjson.dumps(body | {"n": place}), shards, 10_000)
        lane = lanes.setdefault(stored.shard, Lane(mapper(properties="has_active_subscription = true")))
        told = lane.run(body)
    assert len(lanes) == 1
    assert told[0]["attributes"] == {"has_active_subscription": True}


IDS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("user_id", "anonymous_user_id"), st.sampled_from(["a", "b", " a ", "undefined", "", 7]))
)


@given(st.lists(IDS, max_size=8))
def test_who_an_event_is_about_does_not_depend_on_the_one_before(told):
    """Siblings find their person at once; whatever came before, each event is about who it names."""
    events = [happened("SUBSCRIPTION_RENEWED", day, **ids) for day, ids in enumerate(told)]
    read = [read_event(f"{START_MS}-{n}", orjson.dumps(event)) for n, event in enumerate(events)]
    shared = mapper()
    assert [shared.decide(event, START_MS) for event in read] == [mapper().decide(event, START_MS) for event in read]
