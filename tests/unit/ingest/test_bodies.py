"""What a request body holds."""

import json
import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.integrations import default_identity
from worker.errors import SenderError
from worker.ingest.bodies import MOST_EVENTS, read_many, read_one
from worker.purchasely.event import CONFLICT_MARK, event_key, read_event
from worker.purchasely.person import shard_of, shard_person

LIMIT = 2000
SHARDS = 8

# Text that is valid in UTF-8, and numbers that JSON parsers agree on.
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
LEAF = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
VALUE = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=4
)
FIELD = st.sampled_from(["event_id", "user_id", "anonymous_user_id", "device_id", "event_name"]) | TEXT
EVENT = st.dictionaries(FIELD, VALUE, max_size=4)
LAYOUT = st.sampled_from([{"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def many(body, *, lines=False, limit=LIMIT):
    return read_many("app", body, SHARDS, limit, lines=lines)


def refused(body, *, lines=False, limit=LIMIT):
    with pytest.raises(SenderError) as caught:
        many(body, lines=lines, limit=limit)
    return caught.value.status, caught.value.detail


@given(EVENT, LAYOUT)
def test_an_object_is_kept_as_its_bytes(event, layout):
    """Nothing is decoded and encoded again."""
    body = json.dumps(event, **layout).encode()
    for taken in (read_one("app", body, SHARDS, 10_000), many(body, limit=10_000)):
        assert [one.raw for one in taken] == [body]
        assert 0 <= taken[0].shard < SHARDS
        assert taken[0].source == "app"


@given(EVENT, LAYOUT)
def test_the_identity_is_that_of_the_whole_body(event, layout):
    """However little of it was looked at: the same key and shard as of all its fields."""
    body = json.dumps(event, **layout).encode()
    fields = orjson.loads(body)
    key = event_key(fields, body)
    (taken,) = read_one("app", body, SHARDS, 10_000)
    assert (taken.key, taken.shard) == (key, shard_of(shard_person(fields, default_identity()) or key, SHARDS))


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 400, b"9" * 5000])
def test_a_number_beyond_all_machines_is_json(number):
    """Wherever it is: beside anything nested, or as an id, it was called no JSON, and the whole request refused."""
    for body in (b'{"event_id":"e","amount":%b}', b'{"event_id":"e","amounts":[%b]}', b'{"event_id":"e","user_id":%b}'):
        (taken,) = read_one("app", body % number, SHARDS, 10_000)
        assert (taken.key, taken.raw) == ("e", body % number)


@given(st.lists(EVENT, max_size=6), LAYOUT, st.sampled_from([b"", b" ", b"\r\n\t"]))
def test_an_array_comes_apart_into_the_bytes_of_its_elements(events, layout, blank):
    """In order, each a piece of the body that means the same."""
    body = blank + json.dumps(events, **layout).encode() + blank
    taken = many(body, limit=10_000)
    assert [json.loads(one.raw) for one in taken] == events
    at = 0
    for one in taken:
        at = body.index(one.raw, at) + len(one.raw)
    assert [(one.key, one.shard) for one in taken] == [
        (again.key, again.shard) for one in taken for again in read_one("app", one.raw, SHARDS, 10_000)
    ]


@given(st.lists(EVENT, min_size=1, max_size=6), st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \n\t\n"]), st.booleans())
def test_ndjson_is_an_event_a_line(events, between, is_ended):
    """Blank lines and CRLF are passed over."""
    lines = [json.dumps(event).encode() for event in events]
    body = between.join(lines) + (between if is_ended else b"")
    assert [one.raw for one in many(body, lines=True, limit=10_000)] == lines


ANY = st.binary(max_size=60) | st.text('[]{}":,0 \n\\u', max_size=40).map(str.encode)


@given(ANY)
def test_any_bytes_are_events_or_a_refusal(body):
    """They are taken exactly when they are an object, or an array of nothing else."""
    try:
        value = orjson.loads(body)
    except ValueError:
        assert refused(body)[0] == 400
        return
    wanted = value if isinstance(value, list) else [value]
    if all(isinstance(one, dict) for one in wanted):
        assert [orjson.loads(one.raw) for one in many(body)] == wanted
    else:
        assert refused(body)[0] == 422


@given(ANY)
def test_any_bytes_are_lines_or_a_refusal(body):
    """They are taken exactly when every line that is not blank is an object."""
    try:
        taken = many(body, lines=True)
    except SenderError as error:
        assert error.status in {400, 422}
    else:
        assert [orjson.loads(one.raw) for one in taken] == [
            orjson.loads(row) for row in body.split(b"\n") if row.strip()
        ]
        assert all(isinstance(orjson.loads(one.raw), dict) for one in taken)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"{",
        b'{"a":1}}',
        b'{"a":1}{"b":2}',
        b'{"a":"\xff"}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":01}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":"\n"}',
        '{"a":1}'.encode("utf-16"),
        b"[{}",
        b"[{},]",
        b"[{}]]",
        b'[{"a":"\xff"}]',
        b"\x1f\x8b\x08\x00",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_not_json_is_refused(body):
    """400, without a word of the body."""
    status, detail = refused(body, limit=1_000_000)
    assert status == 400
    assert "not JSON" in detail or "no line" in detail
    assert refused(body, lines=True, limit=1_000_000)[0] == 400


@pytest.mark.parametrize("body", [b"null", b"true", b"5", b'"text"', b"1.5"])
def test_json_that_is_no_object_is_refused(body):
    """422, for a webhook and for an upstream service."""
    assert refused(body) == (422, "the body is not a JSON object; nothing of this request was stored")
    with pytest.raises(SenderError, match="is not a JSON object"):
        read_one("app", body, SHARDS, LIMIT)


def test_a_webhook_is_one_event():
    """Purchasely never sends an array; one that is signed is refused as a whole."""
    with pytest.raises(SenderError) as caught:
        read_one("app", b"[{}]", SHARDS, LIMIT)
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("body", "lines", "status", "where"),
    [
        (b'[{},{},"x",{}]', False, 422, "the event at position 2 "),
        (b"[{},[],5]", False, 422, "the event at position 1 "),
        (b'[{},{"a":"\xff"}]', False, 400, "the event at position 1 "),
        (b"{}\n\n{}\n7\n{}", True, 422, "the line at position 3 "),
        (b"{}\r\n{]\r\n", True, 400, "the line at position 1 "),
        (b'[{},{"a":"' + b"x" * LIMIT + b'"}]', False, 413, "the event at position 1 is 2008 bytes; the limit is 2000"),
        (b'{}\n{"a":"' + b"x" * LIMIT + b'"}', True, 413, "the line at position 1 "),
    ],
)
def test_the_first_event_at_fault_is_named_by_its_position(body, lines, status, where):
    """Counted from 0, as in the array or by line; the refusal says that nothing was stored."""
    found, detail = refused(body, lines=lines)
    assert found == status
    assert detail.startswith(where)
    assert detail.endswith("nothing of this request was stored")


def test_an_empty_array_holds_nothing():
    """It is no fault."""
    assert many(b"[]") == []


def test_a_single_event_over_the_limit_is_refused():
    """At the limit it is taken."""
    body = b'{"a":"' + b"x" * (LIMIT - 8) + b'"}'
    assert len(body) == LIMIT
    assert many(body)[0].raw == body
    assert refused(body + b" ")[0] == 413


@pytest.mark.parametrize("lines", [False, True])
def test_too_many_events_are_refused(lines):
    """One request must not hold up the others for long."""
    rows = [b"{}"] * (MOST_EVENTS + 1)
    whole, fewer = (
        (b"\n".join(rows), b"\n".join(rows[1:]))
        if lines
        else (b"[%b]" % b",".join(rows), b"[%b]" % b",".join(rows[1:]))
    )
    assert refused(whole, lines=lines) == (
        413,
        "more than 10000 events in one request; nothing of this request was stored",
    )
    assert len(many(fewer, lines=lines)) == MOST_EVENTS


def test_long_numbers_keep_their_digits():
    """A store's transaction id may be longer than any machine number; a float must not change its look."""
    element = b'{"store_transaction_id":123456789012345678901234567890,"price":1.10,"price":1.10}'
    assert many(b"[%b,{}]" % element)[0].raw == element


@pytest.mark.parametrize(
    ("event_id", "key"),
    [("e-1", "e-1"), (7, "7"), ("7", "7"), ("e\x00", "e\x00"), (-1, "-1"), ("é" * 300, "é" * 300)],
)
def test_a_text_or_an_integer_identifies_an_event(event_id, key):
    """As it is written."""
    assert read_one("app", json.dumps({"event_id": event_id}).encode(), SHARDS, LIMIT)[0].key == key


@pytest.mark.parametrize(
    "event_id",
    [
        " ",
        "\t\n",
        "undefined",
        "null",
        "NULL",
        "None",
        " NaN ",
        "[object Object]",
        "nil",
        "\x00",
        "\u200b",
        " " * 30 + "undefined\ufeff",
        "0" * 8 + "-0000" * 3 + "-" + "0" * 12,
    ],
)
def test_what_a_program_writes_for_no_id_is_none(event_id):
    """Every event that says so would be a duplicate of the first one."""
    one, other = (
        read_one("app", json.dumps({"event_id": event_id, "n": n}).encode(), SHARDS, LIMIT)[0] for n in (1, 2)
    )
    assert one.key != other.key
    assert one.key.startswith("sha256:")
    assert read_event("1-0", one.raw).key == one.key


def test_what_an_event_is_about_tells_it_apart():
    """Name, person and environment; nothing else, and however the environment is written."""

    def about(**fields):
        return read_one("app", json.dumps({"event_id": "e", "user_id": "u", **fields}).encode(), SHARDS, LIMIT)[0].about

    assert about(plan="x") == about(environment="production ") == about(environment=None, extra=[1])
    assert len({about(), about(event_name="N"), about(user_id="v"), about(environment="SANDBOX")}) == 4


def test_nobody_can_send_the_mark_of_a_conflict():
    """It is the relay's own: stripped from what comes in."""
    body = b'{"event_id":"e"}'
    assert read_one("app", body + CONFLICT_MARK, SHARDS, LIMIT)[0].raw == body
    assert read_one("app", body + CONFLICT_MARK + CONFLICT_MARK, SHARDS, LIMIT)[0].raw == body


@pytest.mark.parametrize("event_id", ["", None, True, 1.5, [], {}, ["e-1"]])
def test_any_other_id_is_none(event_id):
    """Then the bytes identify the event: the same ones are the same event, others are not."""
    one, same, other = (
        read_one("app", json.dumps({"event_id": event_id, "n": n}).encode(), SHARDS, LIMIT)[0].key for n in (1, 1, 2)
    )
    assert one == same != other
    assert one.startswith("sha256:")


@pytest.mark.parametrize(
    ("person", "decides"),
    [
        ({"user_id": "jeff"}, "jeff"),
        ({"user_id": 42}, "42"),
        ({"user_id": "  ", "anonymous_user_id": "anon"}, "anon"),
        ({"user_id": True, "anonymous_user_id": ["x"], "device_id": "d"}, "d"),
        ({"user_id": {"id": 1}, "customerio_user_id": "c"}, "c"),
        ({"user_id": None, "customerio_user_email": "a@b.example"}, "a@b.example"),
    ],
)
def test_the_person_decides_the_shard(person, decides):
    """The first usable identifier; what is no identifier is passed over."""
    assert read_one("app", json.dumps(person).encode(), 4096, LIMIT)[0].shard == shard_of(decides, 4096)


def test_an_event_of_nobody_has_a_shard_too():
    """Its own key decides, so that it is always the same."""
    one, same = (read_one("app", b'{"event_id":"e-1"}', 4096, LIMIT)[0].shard for _ in range(2))
    assert one == same == shard_of("e-1", 4096)


def nested(depth, opening=b'{"a":', closing=b"}"):
    """An object of that depth: itself, and what lies in it."""
    return opening * (depth - 1) + b"{}" + closing * (depth - 1)


def test_an_event_may_be_nested_64_deep():
    """Brackets in texts, and many beside each other, are no depth."""
    beside = b'{"a":[%b],"text":"%b"}' % (b",".join([b"[{}]"] * 100), b"[{" * 100)
    for body in (nested(64), b'{"a":%b}' % (b"[" * 63 + b"]" * 63), beside):
        assert read_one("app", body, SHARDS, LIMIT)[0].raw == body
        assert [one.raw for one in many(b"[{},%b]" % body)] == [b"{}", body]


@pytest.mark.parametrize("depth", [65, 260, 1500, 20_000])
@pytest.mark.parametrize("pair", [(b'{"a":', b"}"), (b'{"a":[', b"]}")], ids=["objects", "lists"])
def test_what_is_nested_deeper_is_refused_by_its_position(depth, pair):
    """422: every decoder gives up somewhere, and what the worker cannot read would be taken for what killed it."""
    deep = nested(depth, *pair)
    told = "is nested more than 64 deep; nothing of this request was stored"
    assert refused(deep, limit=1_000_000) == (422, f"the body {told}")
    assert refused(b"[{},%b,{}]" % deep, limit=1_000_000) == (
        422,
        f"the event at position 1 {told}",
    )
    assert refused(b"{}\n\n%b\n{}" % deep, lines=True, limit=1_000_000) == (422, f"the line at position 2 {told}")
    with pytest.raises(SenderError) as caught:
        read_one("app", deep, SHARDS, 1_000_000)
    assert caught.value.status == 422


@pytest.mark.parametrize("text", [rb"caf\ud83d", rb"\ude00x", rb"\uD83D\uD83D\uDE00", rb"\ud83d\n", rb"\\\ud83d"])
def test_half_a_character_is_stored_as_it_came(text):
    """JavaScript cuts texts within an emoji: refused, the sender would send it again for weeks."""
    body = b'{"event_id":"e","user_id":"u","plan":"%b"}' % text
    (taken,) = read_one("app", body, SHARDS, LIMIT)
    assert (taken.raw, taken.key, taken.shard) == (body, "e", shard_of("u", SHARDS))


def test_half_a_character_takes_no_other_event_of_its_array_down():
    """Each is stored as the bytes it came in."""
    rows = [b'{"event_id":"a","n":[1, 2]}', rb'{"event_id":"b","plan":"caf\ud83d"}', b"{ }", rb'{"c":"\ud83d\ude00"}']
    assert [one.raw for one in many(b" [ " + b" ,\n ".join(rows) + b" ] ")] == rows
    assert [one.raw for one in many(b"\n".join(rows), lines=True)] == rows
    assert refused(b"[" + b",".join([*rows, b"{]"]) + b"]")[0] == 400


def test_a_byte_order_mark_is_no_part_of_an_event():
    """Some editors and exports begin a file with it; no decoder takes it, so it is not stored."""
    mark = b"\xef\xbb\xbf"
    assert read_one("app", mark + b'{"event_id":"e"}', SHARDS, LIMIT)[0].raw == b'{"event_id":"e"}'
    for body, lines in ((b"{}", False), (b"[{},{}]", False), (b"{}\n%b{}" % mark, True)):
        assert {one.raw for one in many(mark + body, lines=lines)} == {b"{}"}


def test_an_array_is_counted_before_it_is_built():
    """Millions of elements are refused at the first that is no event or too many, before all are in memory."""
    tracemalloc.start()
    try:
        assert refused(b"[{},1" + b",1" * 2_400_000 + b"]") == (
            422,
            "the event at position 1 is not a JSON object; nothing of this request was stored",
        )
        assert refused(b"[{}" + b",{}" * 1_500_000 + b"]")[0] == 413
        assert refused(b"{}\n" * 1_500_000, lines=True)[0] == 413
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
