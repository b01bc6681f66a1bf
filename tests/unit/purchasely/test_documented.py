"""A payload read as documented means what it means as a dictionary."""

from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.integrations import parse
from tests.support.payloads import CODES, START_MS, payload
from worker.mapping.mapper import Mapper
from worker.purchasely import event as events
from worker.purchasely.documented import FIELDS, Documented
from worker.purchasely.event import read_event
from worker.purchasely.learnt import Learner, as_sent

FILE = """
[sources.app]
tokens = ["env:S"]

[integrations.production]
source = "app"
region = "eu"
site_id = "env:S"
api_key = "env:S"
environments = ["PRODUCTION", "SANDBOX"]

[integrations.production.identity]
anonymous = "profile"

[integrations.production.events]
"*" = true

[integrations.production.user_properties]
plan = true
"""


def mapper(more="", late="mark"):
    """The mapper of that file, with a few more lines."""
    text = FILE.replace('region = "eu"', f'region = "eu"\nlate = "{late}"') + more
    return Mapper(parse(text, "integrations.toml", {"S": "x"}).integrations["production"])


MAPPER = mapper()
CHOSEN = """
[integrations.production.event_attributes]
exclude = ["plan", "new_field"]
rename = { product = "offer", purchase_token = "token", amount_in_eur = "amount", get = "got" }
"""
FEW = """
[integrations.production.event_attributes]
include = ["plan", "product", "amount_in_eur", "purchase_token", "new_field"]
"""
OTHERS = {"late": mapper(), "excluded and renamed": mapper(CHOSEN, "send"), "included": mapper(FEW, "send")}
DAYS_MS = 5 * 86_400_000
EXPECTED = {"late": (True, True), "excluded and renamed": (None, False), "included": (None, True)}
SCALARS = (
    st.booleans()
    | st.none()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", " ", "x" * 5000, "é" * 2000, "SANDBOX", "CONSUMABLE ", "2025-10-09T08:53:20.000Z", START_MS])
)
ODD = st.dictionaries(
    st.sampled_from(
        [
            *sorted(FIELDS),
            "purchase_token",
            "recipient",
            "new_field",
            "get",
            "class",
            "cumulated_revenues_in_gbp",
            "cumulated_revenues_in_zzz",
        ]
    ),
    SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=3), SCALARS, max_size=2),
    max_size=3,
)
FULL = st.builds(
    lambda code, once, odd: payload(code, purchase=once) | odd, st.sampled_from(sorted(CODES)), st.booleans(), ODD
)


LEARNER = Learner()


class Ignorant(Learner):
    """Reads everything as a dictionary."""

    def read(self, raw):  # noqa: ARG002 - as the other
        return None


def both(raw, monkeypatch, decide=None):
    """The event and the decision on it, read the fast way and as a dictionary."""
    decide = decide or (lambda event: MAPPER.decide(event, START_MS))
    found = []
    for learner in (LEARNER, Ignorant()):
        monkeypatch.setattr(events, "LEARNER", learner)
        read_event(f"{START_MS}-0", raw)  # what it holds may be new
        event = read_event(f"{START_MS}-0", raw)
        found.append((event, decide(event)))
    return found


def parts_of(decision):
    """A decision in parts; of what is sent what it says, not in which order; 10 and 10.0 are not the same."""
    parts = [(name, part) for name, part in decision.__rich_repr__() if name not in {"raw", "head", "attributes"}]
    body = getattr(decision, "body", None)
    return [*parts, ("body", repr(sorted_json(body)))] if body else parts


def sorted_json(body):
    """The fields of an item by name."""
    item = orjson.loads(body)
    return item | {"attributes": sorted(item["attributes"].items())}


@given(st.one_of(FULL, ODD), st.sets(st.sampled_from(sorted(FIELDS))))
@settings(max_examples=400, deadline=None)
def test_both_ways_come_to_the_same(body, without):
    """The event, the item that is sent and all that is learnt of the person."""
    raw = orjson.dumps({field: value for field, value in body.items() if field not in without})
    with pytest.MonkeyPatch.context() as monkeypatch:
        (fast, decision), (slow, expected) = both(raw, monkeypatch)
    assert (fast.name, fast.key, fast.time_ms) == (slow.name, slow.key, slow.time_ms)
    assert parts_of(decision) == parts_of(expected)
    assert type(slow.payload) is dict


@pytest.mark.parametrize("which", sorted(OTHERS))
@given(body=st.one_of(FULL, ODD))
@settings(max_examples=100, deadline=None)
def test_both_ways_choose_the_same_fields(which, body):
    """What an integration leaves out, renames or marks as late is the same of a struct as of a dictionary."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = both(orjson.dumps(body), monkeypatch, lambda event: OTHERS[which].decide(event, START_MS + DAYS_MS))
    (_, decision), (_, expected) = found
    assert parts_of(decision) == parts_of(expected)


@pytest.mark.parametrize("which", sorted(OTHERS))
def test_no_dictionary_is_made_where_fields_are_chosen(which, monkeypatch):
    """It was made of the bytes a second time, for each event of such an integration."""
    raw = orjson.dumps(payload("SUBSCRIPTION_RENEWED") | {"amount_in_eur": 10})
    monkeypatch.setattr(events.Event, "fields", None)
    sent = orjson.loads(OTHERS[which].decide(read_event(f"{START_MS}-0", raw), START_MS + DAYS_MS).body)["attributes"]
    amount = sent.get("amount_in_eur", sent.get("amount"))
    assert (repr(amount), sent.get("late"), "plan" in sent) == ("10", *EXPECTED[which])


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_as_documented_takes_the_fast_way(code):
    """Or it would be for nothing."""
    raw = orjson.dumps(payload(code))
    event = read_event(f"{START_MS}-0", raw)
    assert isinstance(event.payload, Documented)
    assert raw in MAPPER.decide(event, START_MS).body


@pytest.mark.parametrize(
    "raw",
    [
        b'{"plan":"\xff"}',
        b'{"plan":"\x01"}',
        b'{"plan":"a"} x',
        b'{"plan":"a",}',
        b'{"plan":"\xed\xa0\x80"}',
        b'{"amount_in_eur":NaN}',
        b'{"amount_in_eur":01}',
        b"\xef\xbb\xbf{}",
        b"[]",
        b"{",
        b"",
    ],
)
def test_what_is_no_json_is_none_the_fast_way(raw):
    """It must not pass on as received what the other way refuses."""
    assert LEARNER.read(raw) is None
    with pytest.raises(ValueError):
        read_event("1-0", raw)


@pytest.mark.parametrize(
    ("raw", "sent"),
    [
        (b'{"plan":"a","purchase_token":"t\\"x","new":1}', b'{"plan":"a","new":1}'),
        (b'{"product":"b,","channel":null,"plan":null,"store":"c"}', b'{"store":"c","product":"b,"}'),
        (b'{"channel":null,"plan":"a"}', b'{"plan":"a"}'),
        (b'{"plan":"null","channel":null}', b'{"plan":"null"}'),
        (b'{"plan":"a","channel":"b","channel":null}', b'{"plan":"a"}'),
        (
            b'{"amount_in_eur":10,"plan_price_in_eur":10.0,"channel":null}',
            b'{"amount_in_eur":10,"plan_price_in_eur":10.0}',
        ),
        (b'{"plan":"a","purchase_token":null}', b'{"plan":"a"}'),
        (b'{"channel":null,"purchase_token":"t","plan":"a","purchase\\u005ftoken":"u"}', b'{"plan":"a"}'),
    ],
)
def test_what_is_never_sent_is_left_out(raw, sent):
    """Once such a payload was met: secrets are cut out of the bytes; beside nulls, what is left is written again."""
    learner = Learner()
    assert learner.read(raw) is None
    learner.learn(orjson.loads(raw))
    payload = learner.read(raw)
    assert payload is not None
    assert as_sent(raw, payload) == sent


@pytest.mark.parametrize(
    "raw",
    [
        b'{"plan":"a","purchase_token":"t","purchase_token":"u"}',
        b'{"purchase_token":"t","plan":"a"}',
        b'{"plan":"a","purchase\\u005ftoken":"t"}',
        b'{"plan":"a", "purchase_token": "t"}',
        b'{"plan":"a","purchase_token": "t","new":1}',
        b'{"plan":"a","purchase_token":"t","purchase\\u005ftoken":"u"}',
        b'{"plan":"purchase_token","new":1}',
        b'{"plan":"a","new":"' + b"x" * 20_000 + b'"}',
    ],
)
def test_what_cannot_be_cut_for_certain_is_written_again(raw):
    """Twice, the first field, a name with escapes, blanks, a text that looks like a name, a large payload."""
    learner = Learner()
    learner.learn({"purchase_token": "t", "new": 1})
    payload = learner.read(raw)
    assert payload is not None
    assert as_sent(raw, payload) is None


def test_a_secret_beside_nulls_stays_in_the_event():
    """Another integration may ask for it, as the person it names: what is sent is made of a copy."""
    raw = b'{"plan":"a","recipient":"anna","channel":null}'
    learner = Learner()
    learner.learn(orjson.loads(raw))
    payload = learner.read(raw)
    assert as_sent(raw, payload) == b'{"plan":"a"}'
    assert payload.get("recipient") == "anna"


def test_a_payload_full_of_nulls_is_read_once(monkeypatch):
    """Some senders write a null for each field that an event does not have: no dictionary is made of it."""
    body = payload("SUBSCRIPTION_RENEWED")
    raw = orjson.dumps(dict.fromkeys(sorted(FIELDS - {*body})) | body)
    monkeypatch.setattr(events, "LEARNER", Learner())
    read_event(f"{START_MS}-0", raw)
    monkeypatch.setattr(events.Event, "fields", None)
    decision = MAPPER.decide(read_event(f"{START_MS}-0", raw), START_MS)
    assert sorted_json(decision.body)["attributes"] == sorted(body.items())


def test_revenue_is_a_number_of_one_kind(monkeypatch):
    """Whether or not a field is null beside it: equal states have equal bytes."""
    (fast, decision), (_, expected) = both(
        (SAME % '"cumulated_revenues_in_eur":10,"channel":null').encode(), monkeypatch
    )
    assert isinstance(fast.payload, Documented)
    assert [repr(one.facts.revenue) for one in (decision, expected)] == ["[('eur', 10.0)]"] * 2


SAME = r'{"event_name":"ACTIVATE","event_id":"event-id-1","user_id":"u","plan":"a",%s}'


@pytest.mark.parametrize(
    "fields",
    [
        '"purchase_token": "secret"',
        '"purchase_token":"secret","new":1,"purchase\\u005ftoken":"other"',
        '"channel":"b","channel":null',
        '"purchase_token":["secret"],"new":"\\"purchase_token\\":"',
        '"__bool__":1',
        '"__weakref__":1',
    ],
)
def test_both_ways_send_the_same_of_what_no_serializer_writes(fields, monkeypatch):
    """Whoever writes JSON by hand: no part of a secret is sent, and what is sent is JSON."""
    (_, decision), (_, expected) = both((SAME % fields).encode(), monkeypatch)
    sent, same = orjson.loads(decision.body), orjson.loads(expected.body)
    assert sent == same
    assert "secret" not in str(sent)


@pytest.mark.parametrize("name", ["__bool__", "__getattr__", "__len__", "__post_init__", "__weakref__", "_", "x" * 65])
def test_no_name_changes_what_other_payloads_are(name):
    """A name like a method's is not learnt, nor one without end: other events go on as before."""
    learner = Learner()
    learner.learn({name: 1, "new": 1})
    payload = learner.read(b'{"plan":"a","new":2}')
    assert payload is not None
    assert (payload.get("new"), payload.get("nothing"), bool(payload)) == (2, None, True)
    assert learner.read(b'{"%b":1}' % name.encode()) is None


def test_a_person_may_be_named_by_what_is_never_sent(monkeypatch):
    """An identity chain may use such a field: it is read as any other one, and not sent."""
    table = FILE.replace('anonymous = "profile"', 'anonymous = "profile"\nid = ["recipient"]')
    monkeypatch.setitem(globals(), "MAPPER", Mapper(parse(table, "", {"S": "x"}).integrations["production"]))
    (fast, decision), (_, expected) = both((SAME % '"recipient":"anna"').encode(), monkeypatch)
    assert isinstance(fast.payload, Documented)
    assert parts_of(decision) == parts_of(expected)
    assert decision.who.value == "anna"


def test_what_several_threads_learn_is_known_of_all():
    """Lanes are read side by side: no field is taken for learnt that decoding does not know."""
    learner = Learner()
    names = [f"field_{n}" for n in range(96)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: learner.learn({name: 1}), names))
    assert learner.read(orjson.dumps(dict.fromkeys(names, 1))) is not None


def test_names_are_learnt_up_to_a_number():
    """They are the sender's to choose; what is beyond is read as a dictionary, as ever."""
    learner = Learner()
    for n in range(300):
        learner.learn({f"field_{n}": 1})
    assert learner.read(b'{"field_99":1}') is not None
    assert learner.read(b'{"field_100":1}') is None
