"""Upstream services' route, over a socket."""

import json

import pytest

from tests.integration.ingest.test_ingest_webhook import is_problem
from tests.support.door import OLD_TOKEN
from worker.cli.status import read
from worker.purchasely.event import read_event

LINES = {"Content_Type": "application/x-ndjson"}


def events(*ids):
    return [{"event_id": one, "user_id": "jeff"} for one in ids]


def ids(stored):
    return [json.loads(raw)["event_id"] for raw in stored]


def test_one_event_an_array_and_lines_are_taken(door):
    """Each kept as its own bytes, in order."""
    assert door.post(events("a")[0]).json == {"accepted": 1, "duplicates": 0}
    assert door.post(events("b", "a", "c")).json == {"accepted": 2, "duplicates": 1}
    lines = b"".join(json.dumps(one).encode() + b"\r\n\n" for one in events("d", "e"))
    assert door.post(lines, **LINES).json == {"accepted": 2, "duplicates": 0}
    assert ids(door.stored()) == ["a", "b", "c", "d", "e"]


def test_a_long_array_keeps_its_order(door):
    """Over several scripts."""
    names = [f"n{n}" for n in range(1000)]
    assert door.post(events(*names)).json == {"accepted": 1000, "duplicates": 0}
    assert ids(door.stored()) == names


def test_an_empty_array_is_no_fault(door):
    """There was nothing to send this time."""
    assert door.post([]).json == {"accepted": 0, "duplicates": 0}


@pytest.mark.parametrize(
    "media", ["", "application/json; charset=utf-8", "application/cloudevents+json", "Application/JSON"]
)
def test_json_goes_by_several_names(door, media):
    """Without one it is taken for JSON."""
    assert door.post(events(media), Content_Type=media).status == 200


@pytest.mark.parametrize("media", ["application/x-ndjson; charset=utf-8", "application/jsonl", "application/ndjson"])
def test_lines_go_by_several_names(door, media):
    """All the usual ones."""
    assert door.post(b'{"a":1}\n{"b":2}', Content_Type=media).json == {"accepted": 2, "duplicates": 0}


@pytest.mark.parametrize("media", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "json", "\xff"])
def test_another_content_type_is_refused(door, media):
    """415, before anything is read."""
    assert "application/json" in is_problem(door.post(events("a"), Content_Type=media), 415)
    assert door.stored() == []


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_body_is_refused(door, coding):
    """Said plainly."""
    is_problem(door.post(events("a"), Content_Encoding=coding), 415, "Unsupported content encoding")


def test_any_of_the_tokens_will_do(door):
    """Also one that is not ASCII, which a client sends as UTF-8."""
    assert door.post(events("a"), token=OLD_TOKEN).status == 200
    assert door.post(events("b"), source="tokens-only").status == 200


@pytest.mark.parametrize("token", ["", "wrong", "upstream-toke", "upstream-token2", "hush"])
def test_without_a_token_nothing_is_stored(door, token):
    """401 with the scheme to use."""
    answer = door.post(events("a"), token=token)
    is_problem(answer, 401, "Unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert door.stored() == []


def test_a_source_for_webhooks_only_takes_no_token(door):
    """It has none."""
    for token in ("", "hush"):
        is_problem(door.post(events("a"), source="signed-only", token=token), 401)


@pytest.mark.parametrize(
    ("body", "headers", "status", "where"),
    [
        (b'[{"event_id":"a"},7,{"event_id":"b"}]', {}, 422, "the event at position 1 "),
        (b'{"event_id":"a"}\n\n[]\n', LINES, 422, "the line at position 2 "),
        (b'{"event_id":"a"}\n{"event_id":\n', LINES, 400, "the line at position 1 "),
        (b'[{"event_id":"a"},{"event_id":"\xff"}]', {}, 400, "the event at position 1 "),
        (b'[{"event_id":"a"},', {}, 400, "the body "),
    ],
)
def test_one_bad_event_and_nothing_is_stored(door, body, headers, status, where):
    """The sender corrects it and sends all again; its position is named."""
    assert is_problem(door.post(body, **headers), status).startswith(where)
    assert door.stored() == []
    assert door.wakes == []


def test_too_large_is_said_of_the_event_or_of_the_body(door):
    """An event within a request, the number of events, the request."""
    chosen = door.parts.settings
    big = b'{"x":"' + b"x" * chosen.max_event_bytes + b'"}'
    assert is_problem(door.post(b"[{},%b]" % big), 413).startswith("the event at position 1 ")
    assert "more than 10000 events" in is_problem(door.post(b"{}\n" * 10_001, **LINES), 413)
    assert str(chosen.max_body_bytes) in is_problem(door.post(b"[" + b" " * chosen.max_body_bytes + b"]"), 413)
    assert door.stored() == []


def test_an_authorization_is_looked_at_before_the_body(door):
    """Nobody unknown fills the memory with megabytes."""
    answer = door.post(b"[" + b" " * 6_000_000 + b"]", token="wrong")
    assert answer.status == 401


def test_an_event_under_an_id_in_use_is_stored_counted_and_shown(door):
    """An upstream service that enriches an event and keeps its id; whoever posts an id first hides nobody's event."""
    real = {"event_id": "e-1", "event_name": "SUBSCRIPTION_RENEWED", "user_id": "u", "environment": "PRODUCTION"}
    rich = {**real, "event_name": "Renewed, enriched"}
    assert door.post(real).json == {"accepted": 1, "duplicates": 0}
    assert door.post([rich, rich, real]).json == {"accepted": 1, "duplicates": 2}
    assert door.webhook({**real, "environment": "SANDBOX"}).json == {"accepted": 1, "duplicates": 0}
    assert [json.loads(raw)["event_name"] for raw in door.stored()] == [
        real["event_name"],
        rich["event_name"],
        real["event_name"],
    ]
    keys = {read_event("1-0", raw).key for raw in door.stored()}
    assert len(keys) == 3
    assert "e-1" in keys
    assert b'relay_conflicting_event_ids_total{source="app"} 2.0' in door.ask("GET", "/metrics").body
    sources = [one for one in read(door.parts)["sources"] if one["source"] == "app"]
    (counts,) = sources
    assert [counts[name] for name in ("accepted", "duplicates", "conflicting")] == [3, 2, 2]


@pytest.mark.parametrize("event_id", [" ", "undefined"])
def test_events_without_a_real_id_do_not_hide_each_other(door, event_id):
    """Their bytes tell them apart."""
    rows = [{"event_id": event_id, "event_name": name, "user_id": "u"} for name in ("A", "B", "A")]
    assert door.post(rows).json == {"accepted": 2, "duplicates": 1}
