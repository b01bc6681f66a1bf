"""The simulator on a real socket, called by a real client."""

import base64
import json
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
import requests
from click.testing import CliRunner

from tests.support.processes import started
from tests.support.waiting import until
from worker.cli.simulate import as_block, simulate, variable_suffixes
from worker.simulator.accounts import Account, Host
from worker.simulator.app import Options
from worker.simulator.faults import KINDS
from worker.simulator.limits import Rules
from worker.simulator.serve import running

US, EU = Account("us-site", "us-key", "us", 3), Account("eu-site", "eu-key", "eu", 4)
ULID = "01BX5ZZKBKACTAV9WEVGEMMVRY"
WHO = {"type": "person", "identifiers": {"id": "42"}, "timestamp": 1772013598}
IDENTIFY = {**WHO, "action": "identify", "attributes": {"plan": "pro"}}
EVENT = {**WHO, "action": "event", "name": "purchase", "id": ULID, "attributes": {"a": 1}}
BAD = {**WHO, "action": "identify", "attributes": {"plan": "x" * 1001}}
SUCCESS = (200, "{}\n")


class Caller:
    """A client of one workspace."""

    def __init__(self, url, account=US):
        self.url = url
        self._session = requests.Session()
        self._session.auth = (account.site_id, account.api_key)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._session.close()

    def call(self, method, path, body=None, **more):
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        more = {"timeout": 5, "allow_redirects": False, **more}
        return self._session.request(method, self.url + path, data=data, **more)

    def batch(self, *entities, **more):
        return self.call("POST", "/api/v2/batch", {"batch": entities}, **more)

    def inspect(self, path, **parameters):
        answer = self.call("GET", f"/_inspect/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def break_things(self, **faults):
        answer = self.call("POST", "/_inspect/faults", faults)
        assert answer.status_code == 200, answer.text

    def events(self):
        return [event["name"] for event in self.inspect("events")["items"]]


@contextmanager
def calling(clock=time.time, **options):
    with running(Options(accounts=(US, EU), **options), clock) as (url, _), Caller(url) as caller:
        yield caller


@pytest.fixture(scope="module")
def _server():
    with calling() as caller:
        yield caller


@pytest.fixture
def caller(_server):
    """A simulator as it is at the start."""
    _server.call("POST", "/_inspect/reset")
    return _server


def said(answer):
    return answer.status_code, answer.text


def test_success_is_as_recorded(caller):
    """Success is 200, an empty object and a newline, with the headers of the live API."""
    answer = caller.batch(IDENTIFY, EVENT)
    assert said(answer) == SUCCESS
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache, no-store, must-revalidate, max-age=0"
    assert answer.headers["content-length"] == "3"
    person = caller.inspect("people/id/42")
    assert person["attributes"] == {"plan": "pro"}
    assert person["times"] == {"plan": 1772013598}
    [event] = person["events"]
    assert event["received_ms"] > 1.7e12
    assert {**event, "received_ms": 0} == {
        "seq": 1,
        "action": "event",
        "name": "purchase",
        "id": ULID,
        "timestamp": 1772013598,
        "received_ms": 0,
        "holder": 1,
        "person": {"id": "42"},
        "attributes": {"a": 1},
    }


def basic(text, encode=base64.b64encode):
    return "Basic " + encode(text.encode()).decode()


@pytest.mark.parametrize(
    "header", ["", "Basic", basic("us-site:wrong"), basic("us-site"), "Bearer us-key", basic("us-site:eu-key")]
)
def test_wrong_credentials(caller, header):
    """Anything but a workspace's own credentials is a 401, and changes nothing."""
    answer = requests.post(
        caller.url + "/api/v2/batch", json={"batch": [EVENT]}, headers={"Authorization": header}, timeout=5
    )
    assert (answer.status_code, answer.json()) == (401, {"meta": {"error": "Unauthorized"}})
    assert caller.inspect("stats")["items"]["accepted"] == 0


def test_workspaces_are_apart(caller):
    """Two workspaces have their own people and their own ULIDs."""
    caller.batch(EVENT)
    with Caller(caller.url, EU) as other:
        other.batch(EVENT, {**IDENTIFY, "identifiers": {"id": "only-here"}})
    assert caller.inspect("stats")["people"] == 1
    assert caller.inspect("stats", workspace="eu-site")["people"] == 2
    assert caller.inspect("stats", workspace="eu-site")["events"] == 1
    assert caller.call("GET", "/_inspect/stats?workspace=nobody").status_code == 404


def test_region_of_a_workspace(caller):
    """The region endpoint tells a workspace where it lives."""
    answer = caller.call("GET", "/api/v1/accounts/region")
    expected = {"url": "https://track.customer.io", "region": "us", "environment_id": 3}
    assert (answer.status_code, answer.json()) == (200, expected)


def test_batch_names_its_invalid_items(caller):
    """A 207 lists the failed items only; the valid ones are applied."""
    answer = caller.batch(IDENTIFY, BAD, EVENT)
    assert answer.status_code == 207
    assert answer.json() == {
        "errors": [
            {
                "batch_index": 1,
                "reason": "invalid",
                "field": "attributes.plan",
                "message": "property value cannot be longer than 1000 bytes",
            }
        ]
    }
    assert caller.events() == ["purchase"]
    assert caller.inspect("stats")["items"] == {"accepted": 2, "rejected": 1}


def test_all_invalid(caller):
    """A batch without a valid item is a 207 as well, or a 400 by a knob."""
    assert caller.batch(BAD, BAD).status_code == 207
    with calling(rules=Rules(all_invalid=400)) as strict:
        assert strict.batch(BAD, BAD).status_code == 400


@pytest.mark.parametrize("body", [b"", b"{", b'{"batch":[]}', b'{"batch":[NaN]}', b'{"batch":7}'])
def test_malformed_batch(caller, body):
    """A batch that is none is a 400 with errors."""
    answer = caller.call("POST", "/api/v2/batch", body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["reason"] in ("parse_error", "invalid", "required")


def sized(size, wrap):
    body = json.dumps(wrap({**EVENT, "attributes": {"a": ""}}))
    return body.replace('"a": ""', '"a": "%s"' % ("x" * (size - len(body)))).encode()


@pytest.mark.parametrize("status", [400, 413])
def test_sizes(status):
    """An entity has 32 kb, a batch 500 kb; one byte more is refused whole, and nothing is applied."""
    with calling(rules=Rules(oversize_status=status)) as caller:
        answer = caller.call("POST", "/api/v2/entity", sized(32_001, lambda entity: entity))
        assert answer.status_code == status
        small = [{**EVENT, "id": None, "attributes": {"a": "x" * 30_000}}] * 16
        answer = caller.call("POST", "/api/v2/batch", sized(500_001, lambda e: {"batch": [*small, e]}))
        assert answer.status_code == status
        answer = caller.call("POST", "/api/v2/batch", b" " * 5_000_000)
        assert answer.status_code == status
        assert caller.inspect("stats")["events"] == 0
        answer = caller.call("POST", "/api/v2/entity", sized(32_000, lambda entity: entity))
        assert said(answer) == SUCCESS
        answer = caller.call("POST", "/api/v2/batch", sized(500_000, lambda e: {"batch": [*small, e]}))
        assert said(answer) == SUCCESS


def test_one_large_item(caller):
    """In a batch an item over 32 kb fails alone."""
    large = {**EVENT, "attributes": {"a": "x" * 33_000}}
    answer = caller.batch(large, IDENTIFY)
    assert answer.status_code == 207
    assert [error["batch_index"] for error in answer.json()["errors"]] == [0]


def test_entity(caller):
    """One entity is applied with 200, or refused with 400 and errors."""
    assert said(caller.call("POST", "/api/v2/entity", EVENT)) == SUCCESS
    answer = caller.call("POST", "/api/v2/entity", BAD)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "attributes.plan"
    assert caller.call("POST", "/api/v2/entity", b"[]").json()["errors"][0]["reason"] == "parse_error"


def test_v1(caller):
    """The calls of v1 do what their v2 counterparts do."""
    customer = "/api/v1/customers/user%2Fwith%2Fslashes"
    calls = [
        ("PUT", customer, {"email": "Ada@example.com", "_timestamp": 1772013598}),
        ("POST", f"{customer}/events", {"name": " tracked ", "data": {"a": 1}, "id": ULID}),
        ("PUT", "/api/v1/customers/ada%40example.com", {"plan": "pro", "anonymous_id": "x"}),
        ("POST", "/api/v1/events", {"name": "anonymous", "anonymous_id": "x"}),
        ("PUT", f"{customer}/devices", {"device": {"id": "t/1", "platform": "ios"}}),
        ("PUT", "/api/v1/customers/a%2Bb%40x.com", {"city": "Paris"}),
        (
            "POST",
            "/api/v1/merge_customers",
            {"primary": {"id": "user/with/slashes"}, "secondary": {"email": "a+b@x.com"}},
        ),
    ]
    for method, path, body in calls:
        assert said(caller.call(method, path, body)) == SUCCESS, path
    person = caller.inspect("people/id/user%2Fwith%2Fslashes")
    assert person["identifiers"]["email"] == "ada@example.com"
    assert person["attributes"] == {"plan": "pro", "anonymous_id": "x", "city": "Paris"}
    assert [event["name"] for event in person["events"]] == ["tracked", "anonymous"]
    assert [device["token"] for device in person["devices"]] == ["t/1"]
    for method, path in [
        ("DELETE", f"{customer}/devices/t%2F1"),
        ("POST", f"{customer}/suppress"),
        ("POST", f"{customer}/unsuppress"),
        ("DELETE", customer),
    ]:
        assert said(caller.call(method, path)) == SUCCESS, path
    assert caller.inspect("stats")["people"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("PUT", "/customers/1", b"[]", "body must be a JSON object"),
        ("PUT", "/customers/1", {"id": 1}, "id attribute must be a string value"),
        ("PUT", "/customers/" + "x" * 151, {}, "id attribute cannot be longer than 150 bytes"),
        ("DELETE", "/customers/" + "x" * 151, None, "id attribute cannot be longer than 150 bytes"),
        ("POST", "/customers/1/events", {"name": ""}, "event name must not be blank"),
        ("POST", "/events", {"name": "x", "data": []}, "event data must be a hash"),
        ("PUT", "/customers/1/devices", {}, "device id must be present"),
        ("POST", "/merge_customers", {"primary": {"id": "1"}}, "secondary must be present"),
    ],
)
def test_v1_refusals(caller, method, path, body, message):
    """v1 refuses with 400 and one message."""
    answer = caller.call(method, "/api/v1" + path, body)
    assert (answer.status_code, answer.json()) == (400, {"meta": {"error": message}})


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/segments/7/add_customers", {"ids": ["1", "2"]}, 200),
        ("/api/v1/segments/7/remove_customers?id_type=email", {"ids": ["a@example.com"]}, 200),
        ("/api/v1/segments/7/add_customers", {"ids": ["1"] * 1001}, 400),
        ("/api/v1/segments/7/add_customers?id_type=phone", {"ids": ["1"]}, 400),
        ("/api/v1/segments/7/add_customers", {}, 400),
        ("/api/v1/forms/f1/submit", {"data": {"email": "a@example.com"}}, 204),
        ("/api/v1/forms/f1/submit", {}, 400),
        ("/api/v1/metrics", {"delivery_id": "d", "metric": "opened", "timestamp": 1}, 200),
        ("/api/v1/push/events", {"delivery_id": "d", "event": "opened", "timestamp": 1}, 200),
        ("/unsubscribe/d1", {"unsubscribe": True}, 200),
        ("/unsubscribe/d1", b"[", 400),
    ],
)
def test_documented_routes_without_effect(caller, path, body, status):
    """Documented routes that change nothing here answer as documented, and are listed as not simulated."""
    assert caller.call("POST", path, body).status_code == status
    assert caller.inspect("stats")["not_applied"] == ({} if status == 400 else {"not simulated": 1})


def test_routes_without_credentials(caller):
    """Segments want credentials; what browsers and devices call does not, but wrong ones are refused."""
    bare = {"data": b"{}", "timeout": 5}
    assert requests.post(f"{caller.url}/api/v1/segments/7/add_customers", **bare).status_code == 401
    assert requests.post(f"{caller.url}/unsubscribe/d1", **bare).status_code == 200
    assert requests.post(f"{caller.url}/api/v1/metrics", auth=("x", "y"), **bare).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8085"}, 200),
        ({"Host": "simulator:8085"}, 200),
        ({"Host": "[::1]:8085"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:8085"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "http://evil.example"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/", "/_inspect/people", "/_inspect/reset"])
def test_another_site_may_not_look(caller, headers, status, path):
    """A name that a stranger made resolve here, or a stranger's script, can neither read nor reset."""
    method = "POST" if path.endswith("reset") else "GET"
    assert caller.call(method, path, headers=headers).status_code == status


def test_a_link_on_another_site_leads_to_the_page(caller):
    """As that of a chat or of a wiki; a form there changes nothing."""
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert caller.call("GET", "/", headers=link).status_code == 200
    form = {**link, "Origin": "http://evil.example"}
    assert caller.call("POST", "/_inspect/reset", headers=form).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/api/v1/customers/a/b", 404),
        ("POST", "/api/v3/batch", 404),
        ("GET", "/api/v2/batch", 405),
        ("POST", "/api/v1/customers/1", 405),
    ],
)
def test_unknown_routes(caller, method, path, status):
    """An unknown path is 404, a wrong method 405."""
    assert caller.call(method, path, {}).status_code == status


def test_reset_before_applying(caller):
    """The connection is reset and nothing was applied."""
    caller.break_things(arm={"reset_before": {"next": 1}})
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        caller.batch(EVENT)
    assert caller.events() == []
    assert said(caller.batch(EVENT)) == SUCCESS
    stats = caller.inspect("stats")
    assert stats["requests"] == {"reset": 1, "200": 1}
    assert stats["faults"] == {"reset_before": 1}


def test_reset_after_applying(caller):
    """The connection is reset though all was applied; the resend is a duplicate."""
    caller.break_things(arm={"reset_after": {"next": 1}})
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        caller.batch(EVENT)
    assert caller.events() == ["purchase"]
    assert said(caller.batch(EVENT)) == SUCCESS
    assert caller.events() == ["purchase"]
    assert caller.inspect("stats")["duplicates"] == 1
    assert caller.inspect("stats")["defects"] == 0
    assert caller.inspect("activity")["items"][0]["kind"] == "duplicate"


def test_error_after_applying(caller):
    """An error can be a lie: all was applied."""
    caller.break_things(arm={"error_after": {"next": 1}}, error_after_status=503, body="html")
    answer = caller.batch(EVENT)
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert caller.events() == ["purchase"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("status_")])
def test_errors_before_applying(caller, kind):
    """An error of a status applies nothing, and the next request is served."""
    caller.break_things(arm={kind: {"next": 1}}, retry_after="seconds", retry_after_s=7)
    answer = caller.batch(EVENT)
    assert answer.status_code == int(kind[-3:])
    assert answer.headers.get("retry-after") == ("7" if kind[-3:] in ("408", "413", "429", "503") else None)
    assert caller.events() == []
    assert said(caller.batch(EVENT)) == SUCCESS


def test_unauthorized(caller):
    """A 401 for everybody, until it ends."""
    caller.break_things(arm={"unauthorized": {"probability": 1}})
    assert caller.batch(EVENT).status_code == 401
    caller.break_things()
    assert caller.batch(EVENT).status_code == 200


def test_truncated(caller):
    """The body ends before its length, though all was applied."""
    caller.break_things(arm={"truncated": {"next": 1}})
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        caller.batch(EVENT)
    assert caller.events() == ["purchase"]


def test_slow(caller):
    """An answer comes late, or after the caller has gone; all was applied at once."""
    caller.break_things(arm={"slow": {"next": 2}}, slow_s=0.3)
    with pytest.raises(requests.exceptions.ReadTimeout):
        caller.batch(EVENT, timeout=0.1)
    assert caller.events() == ["purchase"]
    assert said(caller.batch(EVENT)) == SUCCESS
    assert caller.inspect("stats")["requests"] == {"caller gone": 1, "200": 1}
    assert caller.inspect("stats")["defects"] == 0


def test_slow_before(caller):
    """A caller that goes while it waits to be served has nothing applied."""
    caller.break_things(arm={"slow_before": {"next": 1}}, slow_s=5)
    with pytest.raises(requests.exceptions.ReadTimeout):
        caller.batch(EVENT, timeout=0.1)
    assert caller.events() == []


def test_drip(caller):
    """An answer can come byte by byte: no single wait is long, and it is whole in the end."""
    caller.break_things(arm={"drip": {"next": 1}}, drip_s=0.002)
    started = time.monotonic()
    answer = caller.batch(EVENT, timeout=0.1)
    assert time.monotonic() - started >= 0.1
    assert (answer.status_code, answer.json()) == (200, {})


def test_header_bytes_that_drip_never_end(caller):
    """No single wait is long, and there is no answer; what was sent is applied."""
    caller.break_things(arm={"drip_head": {"next": 1}}, drip_s=0.002)
    with raw_request(caller) as raw:
        received = b""
        while len(received) < 200:
            received += raw.recv(4096)
    assert received.startswith(b"HTTP/1.1 200 OK\r\nX-Drip: xxx")
    assert b"\n" not in received[20:]
    assert caller.events() == ["purchase"]


def test_nonsense_is_no_http(caller):
    """Bytes, and the end of the connection."""
    caller.break_things(arm={"nonsense": {"next": 1}})
    with raw_request(caller) as raw:
        received = b"".join(iter(lambda: raw.recv(4096), b""))
    assert received.startswith(b"\x00\xff+OK")
    assert caller.events() == ["purchase"]


@contextmanager
def raw_request(caller):
    """The connection of a request that was sent."""
    with socket.create_connection(("127.0.0.1", int(caller.url.rpartition(":")[2])), timeout=5) as raw:
        body = json.dumps({"batch": [EVENT]}).encode()
        head = f"POST /api/v2/batch HTTP/1.1\r\nHost: x\r\nAuthorization: {basic('us-site:us-key')}\r\n"
        raw.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        yield raw


def test_hangup(caller):
    """A kept-alive connection is closed after the answer, which the next request finds out."""
    caller.break_things(arm={"hangup": {"next": 1}})
    raw = socket.create_connection(("127.0.0.1", int(caller.url.rpartition(":")[2])))
    with raw:
        body = json.dumps({"batch": [EVENT]}).encode()
        head = f"POST /api/v2/batch HTTP/1.1\r\nHost: x\r\nAuthorization: {basic('us-site:us-key')}\r\n"
        raw.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        received = b"".join(iter(lambda: raw.recv(4096), b""))
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"\r\n\r\n{}\n")
    assert b"connection: close" not in received.lower()


def test_redirects(caller):
    """A redirect leads to another host, and nothing was applied."""
    caller.break_things(arm={"redirect": {"next": 1}}, redirect_to="http://127.0.0.1:1", redirect_status=307)
    answer = caller.batch(EVENT)
    assert (answer.status_code, answer.headers["location"]) == (307, "http://127.0.0.1:1/api/v2/batch")
    assert caller.events() == []


@pytest.mark.parametrize(("wrong_region", "status"), [("redirect", 301), ("proxy", 200), ("401", 401)])
def test_wrong_region(wrong_region, status):
    """An EU workspace at the US host is redirected, served, or refused; its region is named anyway."""
    with calling(host=Host(region="us", wrong_region=wrong_region)) as caller:
        with Caller(caller.url, EU) as european:
            answer = european.batch(EVENT)
            region = european.call("GET", "/api/v1/accounts/region").json()
        expected = "https://track-eu.customer.io/api/v2/batch" if status == 301 else None
        assert (answer.status_code, answer.headers.get("location")) == (status, expected)
        assert (region["url"], region["region"]) == ("https://track-eu.customer.io", "eu")
        assert caller.inspect("stats", workspace="eu-site")["events"] == (status == 200)
        assert said(caller.batch(EVENT)) == SUCCESS


SHAPES = {
    "ok_with_errors": (200, b'"errors"'),
    "ok_empty_body": (200, b"^$"),
    "multi_no_errors": (207, b'{"errors":\\[\\]}'),
    "multi_only_index": (207, b'{"batch_index":0}'),
    "multi_stray_index": (207, b"99999"),
    "multi_no_index": (207, b'{"reason":"invalid"}'),
    "multi_not_json": (207, b"<html>"),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_odd_answers(caller, kind):
    """An answer can be odd in every way seen in the field; all was applied."""
    caller.break_things(arm={kind: {"next": 1}})
    answer = caller.batch(EVENT)
    status, pattern = SHAPES[kind]
    assert answer.status_code == status
    assert re.search(pattern, answer.content)
    assert caller.events() == ["purchase"]


def test_event_names_that_fail(caller):
    """A named event is the invalid item of a 207, or makes the whole batch a 400 or a 500."""
    other = {**EVENT, "name": "other", "id": None}
    caller.break_things(reject_event_names=["purchase"])
    answer = caller.batch(EVENT, other)
    assert answer.status_code == 207
    assert [error["batch_index"] for error in answer.json()["errors"]] == [0]
    caller.break_things(refuse_event_names=["purchase"])
    assert caller.batch(EVENT, other).status_code == 400
    assert caller.call("POST", "/api/v2/entity", EVENT).status_code == 400
    caller.break_things(fail_event_names=["purchase"])
    assert caller.batch(EVENT, other).status_code == 500
    assert caller.call("POST", "/api/v2/entity", EVENT).status_code == 500
    assert caller.events() == ["other"]


def test_unknown_fault(caller):
    """A fault nobody knows is refused with what is wrong."""
    answer = caller.call("POST", "/_inspect/faults", {"arm": {"earthquake": {"next": 1}}})
    assert answer.status_code == 400
    assert "earthquake" in answer.json()["description"]
    assert set(caller.inspect("faults")["kinds"]) == set(KINDS)


@pytest.mark.parametrize(("over_limit", "status", "events"), [("429", 429, 1), ("drop", 200, 1)])
def test_rate_limit(over_limit, status, events):
    """Over the rate requests are refused, or accepted and lost."""
    with calling(lambda: 1.772e9, rate_limit=1, over_limit=over_limit) as caller:
        answers = [caller.batch({**EVENT, "id": None}).status_code for _ in range(3)]
        assert answers == [200, status, status]
        assert caller.inspect("stats")["events"] == events


def test_defects_are_listed(caller):
    """A careless client is accepted and its defects are listed."""
    caller.batch({**EVENT, "id": None, "timestamp": 1_772_013_598_000})
    listed = caller.inspect("defects")
    assert [(note["kind"], note["value"]) for note in listed["items"]] == [
        ("timestamp_in_ms", 1_772_013_598_000),
        ("event_without_id", "purchase"),
    ]
    assert listed["counts"] == {"timestamp_in_ms": 1, "event_without_id": 1}
    assert caller.call("POST", "/api/v1/events", {"name": "x"}).status_code == 200
    assert caller.inspect("stats")["defects_by_kind"]["event_without_anyone"] == 1


def test_one_person_in_two_requests_at_once(caller):
    """A person in two requests that overlap in time is a defect; the people beside it are not."""
    caller.break_things(arm={"slow": {"next": 1}}, slow_s=0.3)
    other = {**IDENTIFY, "identifiers": {"id": "other"}}
    with Caller(caller.url) as second:
        slow = threading.Thread(target=caller.batch, args=(EVENT, other))
        slow.start()
        until(lambda: second.inspect("stats")["faults"], "the slow request is in hand", every_s=0.005)
        second.batch(IDENTIFY)
        slow.join()
        second.batch(IDENTIFY, other)
        listed = second.inspect("defects")["items"]
    assert [(note["kind"], note["value"]) for note in listed] == [("concurrent_person", "id:42")]


def test_pages(caller):
    """Lists are read in pages, from the cursor of the one before, to the end."""
    caller.batch(*({**EVENT, "id": None, "name": f"e{n % 2}", "identifiers": {"id": n}} for n in range(25)))
    for path, field in (("events", "seq"), ("people", "serial"), ("defects", "seq")):
        seen, after = [], 0
        while after is not None:
            page = caller.inspect(path, limit=10, after=after)
            seen += [item[field] for item in page["items"]]
            after = page["next"]
        assert seen == list(range(1, 26)), path
    named = caller.inspect("events", name="e1", limit=100)
    assert [event["seq"] for event in named["items"]] == list(range(2, 25, 2))
    assert [event["seq"] for event in caller.inspect("events", person="7")["items"]] == [8]
    assert caller.inspect("events", person="nobody") == {"items": [], "next": None}
    newest = caller.inspect("people", newest="true", limit=1)
    assert newest["items"][0]["identifiers"]["id"] == "24"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("people?limit=x", 400),
        ("people?limit=0", 400),
        ("events?after=-1", 400),
        ("people/id/nobody", 404),
        ("people/find?text=nobody", 404),
        ("people/find", 400),
    ],
)
def test_inspection_refusals(caller, path, status):
    """What cannot be shown says so."""
    assert caller.call("GET", f"/_inspect/{path}").status_code == status


def test_find(caller):
    """A person is found by any identifier."""
    caller.batch({**IDENTIFY, "attributes": {"email": "Ada@example.com"}})
    assert caller.inspect("people/find", text="ADA@example.com")["identifiers"]["id"] == "42"


def test_reset(caller):
    """After a reset all is as at the start: nobody, nothing counted, no fault."""
    caller.break_things(arm={"status_500": {"probability": 1}})
    caller.batch(EVENT)
    caller.call("POST", "/_inspect/reset")
    stats = caller.inspect("stats")
    assert (stats["people"], stats["requests"], stats["faults"]) == (0, {}, {})
    assert said(caller.batch(EVENT)) == SUCCESS


def test_the_page_stands_alone(caller):
    """The page needs nothing from elsewhere, and puts nothing received into HTML."""
    answer = caller.call("GET", "/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    parts = [caller.call("GET", path) for path in ("/page.css", "/page.js")]
    assert [part.headers["content-type"].split(";")[0] for part in parts] == ["text/css", "text/javascript"]
    text = answer.text + "".join(part.text for part in parts)
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|innerHTML|document\.write""", text)
    assert not re.search(r"<style|<script>| style=| on[a-z]+=", answer.text)


def test_refused_requests_are_listed(caller):
    """What was answered with an error is listed with its status, its cause and its person; never a key."""
    caller.batch(EVENT, BAD)
    caller.call("PUT", "/api/v1/customers/5", {"id": 5})
    caller.call("POST", "/api/v2/batch", {})
    requests.post(f"{caller.url}/api/v2/batch", auth=("us-site", "secret"), timeout=5)
    found = caller.inspect("refused")
    assert found["counts"] == {"207": 1, "400": 2, "401": 1}
    assert [(note["kind"], note["person"], note["why"]) for note in found["items"]] == [
        ("207", "id:42", "attributes.plan property value cannot be longer than 1000 bytes"),
        ("400", "id:5", "id attribute must be a string value"),
        ("400", "", "batch is required"),
        ("401", "", "wrong API key"),
    ]
    assert caller.inspect("stats")["refused"] == found["counts"]


@pytest.mark.parametrize(("what", "key"), [("events", "seq"), ("people", "serial"), ("defects", "seq")])
def test_newest_first_and_filtered(caller, what, key):
    """Every list goes back from the newest, page by page, and shows only what contains a text."""
    caller.batch(*({**EVENT, "identifiers": {"id": f"u{n}"}, "name": f" N{n} ", "id": f"{n}"} for n in range(4)))
    first = caller.inspect(what, newest="true", limit=3)
    rest = caller.inspect(what, newest="true", limit=300, after=first["next"])
    numbers = [item[key] for item in first["items"] + rest["items"]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == len(set(numbers)) == len(caller.inspect(what)["items"])
    found = caller.inspect(what, newest="true", text="U2")["items"]
    assert found
    assert all("u2" in json.dumps(item) for item in found)


def test_the_us_host_serves_eu_workspaces():
    """`--region us` routes an EU workspace to the EU, as the clients' READMEs say, unless asked otherwise."""
    with calling(host=Host(region="us")) as caller, Caller(caller.url, EU) as european:
        assert said(european.batch(EVENT)) == SUCCESS


def test_the_command_starts_and_stops():
    """`relay simulate` says where it listens, serves, and ends at an interrupt."""
    code = "from worker.cli.simulate import simulate; simulate()"
    command = [sys.executable, "-c", code, "--port", "0", "--json", "--fault", "503=next:1"]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said_where = json.loads(process.stdout.readline())
            with Caller(said_where["url"], Account("sandbox-site", "sandbox-key")) as caller:
                assert caller.batch(EVENT).status_code == 503
                assert said(caller.batch(EVENT)) == SUCCESS
        finally:
            process.send_signal(2)
        rest = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, ("", ""))
    assert "sandbox-key" not in json.dumps(said_where)


def test_help_lists_every_fault_and_groups_the_flags():
    """The help has every flag in a section, and every kind of fault with what it does."""
    lines = CliRunner().invoke(simulate, ["--help"]).output.splitlines()
    heads = [line for line in lines if line and not line.startswith(" ")]
    assert heads[1:] == [
        "Listening:",
        "Workspaces and regions:",
        "Faults:",
        "Limits and memory:",
        "Where the documents are silent:",
        "Kinds of --fault:",
    ]
    kinds = {line.split()[0] for line in lines[lines.index("Kinds of --fault:") :] if line.startswith("  ")}
    assert kinds >= KINDS.keys()


def test_every_workspace_has_its_own_variables():
    """Two workspaces have a header and variable names of their own; one has the plain names."""
    block = as_block("http://127.0.0.1:8085", Options(accounts=(US, EU)))
    assert "Workspace us-site, under [integrations.NAME]:" in block
    names = re.findall(r"env:(\w+)", block)
    assert len(set(names)) == 4
    assert "CUSTOMERIO_SITE_ID_EU_SITE=eu-site" in block
    assert set(re.findall(r"env:(\w+)", as_block("http://x", Options()))) == {
        "CUSTOMERIO_SITE_ID",
        "CUSTOMERIO_API_KEY",
    }


def test_site_ids_that_read_alike_have_variables_of_their_own():
    """Site ids that differ only in what a variable name cannot hold are numbered."""
    assert variable_suffixes(["a-b", "a.b"]) == {"a-b": "_A_B_1", "a.b": "_A_B_2"}


def test_the_port_is_taken():
    """A taken port is one clear line and exit code 2, as of `relay up`."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(simulate, ["--port", str(port)])
    assert result.exit_code == 2
    assert result.output.endswith(
        f"\nError: cannot listen on 127.0.0.1:{port}: Address already in use; choose another with --port\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--workspace", "site"],
        ["--workspace", "a:b", "--workspace", "a:c"],
        ["--fault", "slow"],
        ["--fault", "earthquake=next:1"],
        ["--region", "fr"],
        ["--kb", "1"],
    ],
)
def test_wrong_flags(arguments):
    """A flag that cannot be read is exit code 2."""
    assert CliRunner().invoke(simulate, arguments).exit_code == 2


def test_a_mistyped_fault_is_named_with_the_nearest():
    """Rather than with a list of all."""
    output = CliRunner().invoke(simulate, ["--fault", "truncate=next:1"]).output
    assert 'unknown fault "truncate"; did you mean "truncated"?' in output
