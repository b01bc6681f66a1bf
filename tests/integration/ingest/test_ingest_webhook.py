"""Purchasely's webhook, over a socket."""

import json
import time

import pytest

from tests.support.door import OLD_SECRET, SECRET, signed

EVENT = {"event_id": "e-1", "event_name": "ACTIVATE", "user_id": "jeff"}


def is_problem(answer, status, title=None):
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json["type"] == "about:blank"
    assert title is None or answer.json["title"] == title
    return answer.json.get("detail", "")


def test_a_signed_event_is_stored_as_it_came(door):
    """200 once it is in the stream, byte for byte, and its lanes are woken."""
    body = b' {"event_id" : "e-1","user_id":"jeff", "price":1.10,\n"id":12345678901234567890123}'
    answer = door.webhook(body)
    assert (answer.status, answer.json) == (200, {"accepted": 1, "duplicates": 0})
    assert answer.headers["content-type"] == "application/json"
    assert door.stored() == [body]
    assert sorted(integration for integration, _ in door.wakes) == ["one", "two"]


def test_an_event_that_comes_again_is_answered_and_not_stored_again(door):
    """Purchasely repeats what it has no answer for; the repetition is a 200 too."""
    assert door.webhook(EVENT).json == {"accepted": 1, "duplicates": 0}
    assert door.webhook(EVENT).json == {"accepted": 0, "duplicates": 1}
    assert len(door.stored()) == 1


def test_an_object_that_is_no_event_is_stored(door):
    """A known sender said it: the worker makes it a dead letter with the reason."""
    assert door.webhook(b"{}").json == {"accepted": 1, "duplicates": 0}
    assert door.stored() == [b"{}"]


@pytest.mark.parametrize(
    "media", ["application/json", "text/plain", "application/x-www-form-urlencoded", "x" * 3000, "\xff"]
)
def test_any_content_type_will_do(door, media):
    """Which one Purchasely sends is not documented."""
    assert door.webhook({"event_id": media}, Content_Type=media).status == 200


def test_any_of_the_secrets_will_do(door):
    """During a rotation both are in use."""
    assert door.webhook({"event_id": "a"}, secret=SECRET).status == 200
    assert door.webhook({"event_id": "b"}, secret=OLD_SECRET).status == 200
    assert door.webhook({"event_id": "c"}, source="signed-only").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-PURCHASELY-TIMESTAMP": "1698322022"},
        {"X-PURCHASELY-REQUEST-SIGNATURE": "0" * 64},
        {"X-PURCHASELY-REQUEST-SIGNATURE": "0" * 64, "X-PURCHASELY-TIMESTAMP": "1698322022"},
        {"X-PURCHASELY-REQUEST-SIGNATURE": "é" * 64, "X-PURCHASELY-TIMESTAMP": "ü"},
        {"X-PURCHASELY-REQUEST-SIGNATURE": "0" * 9000, "X-PURCHASELY-TIMESTAMP": "9" * 9000},
        {"X-PURCHASELY-SIGNATURE": "0" * 64, "X-PURCHASELY-TIMESTAMP": "1698322022"},
        {"Authorization": "Bearer upstream-token"},
    ],
)
def test_without_a_good_signature_nothing_is_stored(door, headers):
    """401, and a hint of what is missing; a token is no signature."""
    answer = door.ask("POST", "/webhooks/purchasely/app", b"{}", headers)
    is_problem(answer, 401, "Unauthorized")
    assert answer.headers["www-authenticate"] == "Purchasely-Signature"
    assert door.stored() == []


def test_a_signature_given_twice_is_none(door):
    """Neither the first nor the last is picked."""
    lines = [f"{name}: {value}" for name, value in signed(b"{}").items()]
    head = "\r\n".join(["POST /webhooks/purchasely/app HTTP/1.1", "Host: d", *lines, lines[0], "Content-Length: 2"])
    answer = door.raw(f"{head}\r\nConnection: close\r\n\r\n{{}}".encode())
    assert answer.startswith(b"HTTP/1.1 401")


def test_a_source_for_upstream_services_only_takes_no_webhook(door):
    """It has no secret, and nothing is signed with none."""
    for secret in ("", SECRET):
        is_problem(door.webhook(EVENT, source="tokens-only", secret=secret), 401)


def test_a_source_may_ask_for_fresh_signatures(door):
    """Of the last minutes; any other source takes what is as old as Purchasely's retries."""
    path = "/webhooks/purchasely/punctual"
    hour_old = signed(b"{}", timestamp=str(int(time.time()) - 3600))
    assert "300 s" in is_problem(door.ask("POST", path, b"{}", hour_old), 401)
    assert door.ask("POST", "/webhooks/purchasely/app", b"{}", hour_old).status == 200
    years_old = signed(b"{}", timestamp="1698322022")
    assert "1814400 s" in is_problem(door.ask("POST", "/webhooks/purchasely/app", b"{}", years_old), 401)
    assert door.ask("POST", path, b"{}", signed(b"{}", timestamp=str(int(time.time())))).status == 200


@pytest.mark.parametrize("source", ["nobody", "APP", "app%2Fx", "..", "%00", "%ff", "a" * 5000, "app%20"])
def test_an_unknown_source_is_not_found(door, source):
    """Whatever its name looks like."""
    is_problem(door.webhook(EVENT, source=source), 404)


def test_an_event_nested_too_deep_is_refused_and_half_a_character_is_stored(door):
    """422 for what no worker could read; what a sender cannot help is taken as it came."""
    deep = b'{"event_id":"d","a":' + b"[" * 260 + b"]" * 260 + b"}"
    assert "more than 64 deep" in is_problem(door.webhook(deep), 422, "Nested too deep")
    assert "the event at position 1 " in is_problem(door.post(b"[{},%b]" % deep), 422, "Nested too deep")
    assert door.stored() == []
    half = rb'{"event_id":"h","plan":"caf\ud83d"}'
    assert door.webhook(half).status == 200
    assert door.post(b"[%b,{}]" % half).json == {"accepted": 1, "duplicates": 1}
    assert sorted(door.stored()) == [rb'{"event_id":"h","plan":"caf\ud83d"}', b"{}"]
    assert door.webhook(rb'{"event_id":"\ud83d","event_name":"\ud83d","user_id":"\ud83d"}').json["accepted"] == 1


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"NaN", b"[" * 60])
def test_what_is_not_json_is_refused(door, body):
    """400, in fixed words."""
    assert is_problem(door.webhook(body), 400, "Not JSON").startswith("the body is not JSON in UTF-8")
    assert door.stored() == []


@pytest.mark.parametrize("body", [b"[{}]", b"[]", b"7", b'"x"', b"null"])
def test_what_is_no_object_is_refused(door, body):
    """422: one event a request."""
    is_problem(door.webhook(body), 422, "Not an event")


def test_no_more_is_read_of_a_webhook_than_one_event_may_have(door):
    """The sender is not known before all is read, so the limit of one event holds for the request."""
    limit = door.parts.settings.max_event_bytes
    body = json.dumps({"event_id": "big", "x": ""}).encode()
    body = body[:-2] + b"x" * (limit - len(body)) + body[-2:]
    assert len(body) == limit
    assert door.webhook(body).status == 200
    assert str(limit) in is_problem(door.webhook(body + b" "), 413, "Too large")


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x"])
def test_a_compressed_body_is_refused_by_name(door, coding):
    """Not as "not JSON": the signature covers the bytes sent, and which bytes those are is not documented."""
    is_problem(door.webhook(EVENT, Content_Encoding=coding), 415, "Unsupported content encoding")
    assert door.webhook(EVENT, Content_Encoding="Identity").status == 200


def test_no_answer_and_no_line_of_the_log_repeats_the_request(door, caplog):
    """Neither a person nor a secret leaves by way of an error."""
    caplog.set_level(0)
    secretive = b'{"user_id":"jeff-the-person", oops}'
    answers = [
        door.webhook(secretive),
        door.webhook(secretive, secret="wrong-secret"),
        door.webhook(b'["jeff-the-person"]'),
        door.webhook(secretive, source="jeff-the-person"),
        door.post(b"[" + secretive + b"]"),
        door.post(secretive, token="jeff-the-person"),
        door.post(secretive, Content_Type="jeff/the-person"),
        door.post(secretive, Content_Encoding="jeff-the-person"),
        door.ask("JEFF", "/jeff-the-person?jeff=person", secretive),
        door.ask("PUT", "/v1/events/app?jeff=person", secretive),
    ]
    for answer in answers:
        assert 400 <= answer.status < 500
        assert b"jeff" not in answer.body.lower()
        assert b"Traceback" not in answer.body
        assert not any("jeff" in value.lower() for value in answer.headers.values())
    assert "jeff" not in caplog.text
