"""The plan of a replay."""

import msgspec
import pytest

from tests.support.deadletter import letter
from tests.support.deadstack import event
from tests.support.fakes import integration
from worker.dead.letter import event_of
from worker.delivery.deciding import decide
from worker.mapping.mapper import LATE_MS, Mapper
from worker.mapping.outcome import Dead
from worker.people.facts import read_facts
from worker.people.person import Person, absorb, encode
from worker.replay.judgement import Judged, judge
from worker.replay.survey import Survey, Surveyor

NOW_MS = 1_760_000_000_000 + 2 * LATE_MS


def decided(mapper, one):
    """The decision on a letter's event."""
    return decide(mapper, lambda: event_of(one), NOW_MS)


def judged(one, mapper=None, state=None):
    """The fate of a letter."""
    mapper = mapper or Mapper(integration())
    return judge(mapper, one, decided(mapper, one), state)


def made_of(one):
    """What a delivery makes of the letter's event, as a burial keeps it."""
    mapper = Mapper(integration())
    composed = mapper.compose([decided(mapper, one)], {})
    return [op.body.decode() for op in composed.operations]


@pytest.mark.parametrize(
    ("one", "fate"),
    [
        (letter(dead=Dead("no_person", "map", "user_id")), Judged("sent")),
        (letter(event(1, user_id=None)), Judged("dead", "no_person", "customerio_user_id")),
        (letter(event(1, "OFF")), Judged("filtered", "event_off")),
        (letter(b"["), Judged("dead", "not_json")),
        (letter(event(1, plan="x" * 1001), dead=Dead("too_large", "map", "plan")), Judged("dead", "too_large", "plan")),
        (letter(dead=Dead("too_large", "map", "plan")), Judged("sent")),
        # it failed before anybody came to its size
        (
            letter(event(1, plan="x" * 1001), dead=Dead("no_person", "map", "user_id")),
            Judged("dead", "too_large", "plan"),
        ),
        (
            letter(event(1, plan="x" * 1001), dead=Dead("rejected", "send", "name", 207)),
            Judged("dead", "too_large", "plan"),
        ),
    ],
)
def test_a_letter_is_judged_by_the_present_configuration(one, fate):
    """The mapping of today decides, with the person's past where it matters."""
    assert judged(one) == fate


def test_a_refused_name_is_the_same_until_the_name_changes():
    """Neither another property of the person nor another attribute is a fix of the event's name."""
    one = letter(operations=made_of(letter()))
    assert judged(one) == Judged("same", "rejected")
    no_plan = Mapper(integration('[integrations.production.event_attributes]\nexclude = ["plan"]\n'))
    assert judged(one, no_plan) == Judged("same", "rejected")
    event_alone = letter(operations=made_of(letter())[1:])
    assert judged(event_alone).fate == "same"
    other_properties = [made_of(letter())[0].replace("monthly", "yearly"), made_of(letter())[1]]
    assert judged(letter(operations=other_properties)).fate == "same"
    renamed = letter(event(1, "SUBSCRIPTION_STARTED"), operations=made_of(letter()))
    assert judged(renamed) == Judged("sent")


def test_a_refused_attribute_is_the_same_until_that_attribute_changes():
    """The field that Customer.io named decides; where it named all attributes, another one may have changed."""
    refused = Dead("rejected", "send", "attributes.plan", 207, "invalid")
    one = letter(dead=refused, operations=made_of(letter()))
    assert judged(one).fate == "same"
    renamed = letter(event(1, "SUBSCRIPTION_STARTED"), dead=refused, operations=made_of(letter()))
    assert judged(renamed).fate == "same"
    no_plan = Mapper(integration('[integrations.production.event_attributes]\nexclude = ["plan"]\n'))
    assert judged(one, no_plan).fate == "sent"
    vague = letter(dead=Dead("rejected", "send", "attributes", 207, "invalid"), operations=made_of(letter()))
    assert (judged(vague).fate, judged(vague, no_plan).fate) == ("same", "unsure")


def test_a_refused_request_is_the_same_while_each_item_is():
    """A 400 names no item: whatever changes, nobody knows whether it was that."""
    refused = Dead("rejected", "send", status=400, message="invalid")
    one = letter(dead=refused, operations=made_of(letter()))
    assert judged(one).fate == "same"
    no_plan = Mapper(integration('[integrations.production.event_attributes]\nexclude = ["plan"]\n'))
    assert judged(one, no_plan).fate == "unsure"


def test_refused_properties_are_the_same_until_something_changes():
    """Also of an event that is not sent: what was refused are its person's properties."""
    for name in ("E", "OFF"):
        one = letter(event(1, name), dead=Dead("properties_rejected", "send"), settled="delivered")
        made = letter(event(1, name), operations=made_of(one), dead=Dead("properties_rejected", "send"))
        assert judged(made) == Judged("same", "properties_rejected")
        assert judged(made, Mapper(integration("last_event = true\n"))).fate == "unsure"  # no field was named
        named = msgspec.structs.replace(made, field="attributes.plan", status=207)
        assert judged(named, Mapper(integration("last_event = true\n"))).fate == "same"
        assert judged(msgspec.structs.replace(named, raw=named.raw.replace("monthly", "yearly"))).fate == "sent"


def survey(letters, *, fixed=False, failing=False, states=None):
    """The survey of letters and those that pass it."""
    known = states or {}
    surveyor = Surveyor(
        {"production": Mapper(integration())},
        lambda keys: [known.get(key) for key in keys],
        frozenset(),
        NOW_MS,
        fixed=fixed,
        failing=failing,
    )
    return list(surveyor.pass_on(letters)), surveyor.survey


def letters():
    """Letters of every fate."""
    return [
        letter(event(1), id="production.2.1-0", dead=Dead("no_person", "map")),
        letter(event(1, event_created_at_ms=NOW_MS), id="production.2.2-0", dead=Dead("no_person", "map")),
        letter(event(2, user_id=None), id="production.2.3-0"),
        letter(event(3, "OFF"), id="production.2.4-0"),
        letter(event(4), id="production.2.5-0", operations=made_of(letter(event(4)))),
        letter(event(5), id="production.2.6-0", dead=Dead("crashed_worker", "map")),
        letter(event(6), id="gone.2.7-0", integration="gone"),
    ]


def test_a_survey_counts_what_a_replay_would_do():
    """How many, how late, whose, and what would become of them; what is known to fail again is left out."""
    passed, found = survey(letters())
    assert [one.id for one in passed] == [f"production.2.{n}-0" for n in (1, 2, 4, 6)]
    assert len(survey(letters(), failing=True)[0]) == 6
    assert found == Survey(
        matched=6,
        integrations={"production": 6},
        late=5,
        people=4,
        sent=2,
        same=1,
        refused={"rejected:name": 1},
        unknown=1,
        filtered={"event_off": 1},
        dead={"no_person": 1},
        fields={"no_person:customerio_user_id": 1},
        orphans={"gone": 1},
    )
    assert found.again == 2


def test_fixed_takes_only_what_would_be_sent():
    """What fails again, is not wanted any more, or cannot be tried here is left alone and not counted."""
    passed, found = survey(letters(), fixed=True)
    assert [one.id for one in passed] == ["production.2.1-0", "production.2.2-0"]
    assert (found.matched, found.sent, found.again) == (2, 2, 0)


def test_people_with_newer_updates_are_counted_once():
    """A person whose state is newer than one of the letters is reported: its properties stay as they are."""
    newer = event(1, event_created_at_ms=event(1)["event_created_at_ms"] + 5)
    person = Person()
    absorb(person, read_facts(event_of(letter(newer))))
    mapper = Mapper(integration())
    digest = mapper.person_of(decided(mapper, letter()))
    _, found = survey([letter(), letter()], states={f"relay:{{2}}:person:production:{digest}": encode(person)})
    assert (found.people, found.newer) == (1, 1)
