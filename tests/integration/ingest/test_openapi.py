"""The door against its own description: what it promises to answer is what it answers."""

import hashlib
import hmac
import json
import time
from importlib.resources import files

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis import checks, openapi

from tests.support.door import SECRET, TOKEN, signed
from worker.ingest.bodies import MOST_EVENTS

bounded = hypothesis.settings(
    max_examples=15,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
checks.load_all_checks()
CHECKS = checks.CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "unsupported_method",
        "allow_header_conformance",
    ]
)


class Known(requests.auth.AuthBase):
    """Signs or authorizes whatever is sent, as a known sender would."""

    def __call__(self, request):
        body = request.body or b""
        if not isinstance(body, bytes):
            body = body.encode()
        request.headers.update(signed(body))
        request.headers["Authorization"] = f"Bearer {TOKEN}"
        return request


@pytest.fixture
def served(door):
    """The description that the door serves."""
    return openapi.from_url(f"http://127.0.0.1:{door.port}/openapi.json")


@pytest.fixture
def session():
    """One that knows no proxy."""
    with requests.Session() as made:
        made.trust_env = False
        yield made


def shown(answer):
    """What no answer may be or hold."""
    assert answer.status_code < 500
    assert "Traceback" not in answer.text
    assert 'File "' not in answer.text


def operations(served):
    """Each with a strategy for well-formed and for malformed requests."""
    for found in served.get_all_operations():
        operation = found.ok()
        for mode in schemathesis.GenerationMode:
            # what is not described cannot be malformed
            if mode.is_positive or operation.body or operation.path_parameters:
                yield operation, operation.as_strategy(generation_mode=mode)


def test_a_stranger_gets_described_answers(served, session):
    """Whatever is sent, to whatever source, with whatever headers."""
    for _, strategy in operations(served):

        @bounded
        @hypothesis.given(strategy)
        def asks(case):
            answer = case.call(session=session)
            shown(answer)
            case.validate_response(answer, checks=CHECKS)
            assert case.operation.method != "post" or answer.status_code in {401, 404}

        asks()


def test_a_known_sender_gets_described_answers(served, session, door):
    """Whatever is in the body: it is stored, or refused as described."""
    seen = set()
    for operation, strategy in operations(served):
        if operation.method != "post":
            continue

        @bounded
        @hypothesis.given(strategy)
        def sends(case):
            case.path_parameters = {"source": "app"}
            answer = case.call(session=session, auth=Known())
            shown(answer)
            case.validate_response(answer, checks=CHECKS)
            seen.add(answer.status_code)

        sends()
    assert {200, 422} <= seen <= {200, 400, 413, 415, 422}
    assert door.stored()


def test_it_is_served_as_it_is_packaged(door):
    """Byte for byte."""
    answer = door.ask("GET", "/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == files("worker.ingest").joinpath("openapi.json").read_bytes()


def test_its_examples_are_taken(door, served):
    """Whoever tries them out sees them stored."""
    [example] = served.raw_schema["components"]["schemas"]["Event"]["examples"]
    assert door.post(example).json == {"accepted": 1, "duplicates": 0}
    body = json.dumps(example).encode() + b"\n"
    now = str(int(time.time()))
    signature = hmac.new(SECRET.encode(), now.encode() + body, hashlib.sha256).hexdigest()
    names = [one["name"] for one in served.raw_schema["components"]["securitySchemes"].values() if "name" in one]
    headers = dict(zip(names, [signature, now], strict=True))
    assert door.ask("POST", "/webhooks/purchasely/app", body, headers).json == {"accepted": 0, "duplicates": 1}
    operation = served.raw_schema["paths"]["/v1/events/{source}"]["post"]
    lines = operation["requestBody"]["content"]["application/x-ndjson"]["example"].encode()
    assert door.post(lines, Content_Type="application/x-ndjson").json == {"accepted": 2, "duplicates": 0}


def test_its_limit_is_the_doors(served):
    """The number of events in one request."""
    operation = served.raw_schema["paths"]["/v1/events/{source}"]["post"]
    forms = operation["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert [form["maxItems"] for form in forms if "maxItems" in form] == [MOST_EVENTS]
    assert str(MOST_EVENTS) in operation["description"]
