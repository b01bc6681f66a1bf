"""Everything breaks at once, for a minute; the long run and its figures are in docs/reliability.md."""

import orjson
import pytest

from tests.chaos.identities import IDENTITY
from tests.chaos.plan import KINDS, make_plan
from tests.chaos.run import Chaos, make_histories, markdown
from tests.support.payloads import HISTORIES


@pytest.mark.timeout(400)
def test_every_promise_survives_a_minute_of_chaos(tmp_path):
    """Three thousand events, eighteen faults: nothing lost, doubled, out of order, wrong or unaccounted for."""
    summary = Chaos(tmp_path, events=3000, faults=18, seed=7).run()
    told = "\n".join([markdown(summary), *summary.proof.examples, *summary.findings, *summary.notes])
    assert summary.is_clean, told
    assert (sum(summary.faults.values()), summary.notes) == (18, []), told
    assert summary.events >= 3000


def test_a_plan_is_repeatable_and_spares_nothing():
    """The same seed, the same plan; another, another one; two hundred faults have every kind at least four times."""
    plan = make_plan(7, 200, 2.0)
    assert plan == make_plan(7, 200, 2.0)
    assert plan != make_plan(8, 200, 2.0)
    assert len(plan) == 200
    kinds = [fault.kind for fault in plan]
    assert min(kinds.count(kind) for track in KINDS.values() for kind in track) >= 4


def test_flags_add_their_kinds_to_a_plan():
    """Without a flag the plan has none of them."""
    plain = {fault.kind for fault in make_plan(7, 200, 2.0)}
    more = {fault.kind for fault in make_plan(7, 200, 2.0, dripping=True, nonsense=True)}
    assert more - plain == {"drip_head", "nonsense", "multi_stray_index", "babble redis"}


def test_the_people_of_a_run_are_repeatable():
    """The same seed, the same lives, of every kind there is."""
    people = make_histories(7, 3000)
    assert people == make_histories(7, 3000)
    assert people != make_histories(8, 3000)
    assert sum(map(len, people.values())) >= 3000
    assert len(people) > len(HISTORIES)


def test_two_identities_are_one_person():
    """A plan with two identities has every event once, under several identifiers of one person, and transfers."""
    histories = make_histories(7, 3000, two_identities=True)
    assert histories == make_histories(7, 3000, two_identities=True)
    ids = [orjson.loads(raw)["event_id"] for events in histories.values() for raw in events]
    assert len(ids) == len(set(ids))
    payloads = [orjson.loads(raw) for events in histories.values() for raw in events]
    assert {("user_id" in one, "anonymous_user_id" in one) for one in payloads} == {
        (True, True),
        (True, False),
        (False, True),
    }
    for name, events in histories.items():
        named = {
            one.get("customerio_user_id") or one["customerio_user_email"].lower() for one in map(orjson.loads, events)
        }
        assert named == {name}
    assert 'id = ["customerio_user_id"]' in IDENTITY  # else user_id comes first, and they are two people on purpose
    assert any(one.get("customerio_user_email", "").isupper() for one in payloads)
    assert {"SUBSCRIPTION_RECEIVED", "SUBSCRIPTION_TRANSFERRED"} <= {one["event_name"] for one in payloads}
