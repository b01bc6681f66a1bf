"""Golden cases: an event and an integration in, what is sent to Customer.io out (tests/golden/README.md)."""

import json
from typing import Any

import pytest

from config.catalogue import catalogue
from tests.support.golden import accept, cases, difference, expectation, result


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in cases().items()])
def test_case(case: dict[str, Any]) -> None:
    """The mapping makes of the event what the case says."""
    assert expectation(case), "a new case: `python -m tests --accept` writes what it expects; read it before you commit"
    made = result(case)
    if made != expectation(case):
        pytest.fail(difference(case, made), pytrace=False)


def test_no_two_cases_have_the_same_reason() -> None:
    """A file's cases differ in their reasons."""
    from tests.support.golden import files

    assert len(cases()) == sum(len(json.loads(path.read_text("utf-8"))) for path in files())


def test_every_code_has_a_case() -> None:
    """Each of the 44 codes is sent by at least one case."""
    sent = set()
    for case in cases().values():
        events = case["event"] if isinstance(case["event"], list) else [case["event"]]
        if "operations" in case:
            sent |= {event.get("event_name") for event in events}
    assert set(catalogue().events) - sent == set()


def test_a_failing_case_reads_well() -> None:
    """The difference names the reason and shows the one line that differs on both sides."""
    case = {"why": "renewals are renamed", "filtered": "event_off"}
    shown = difference(case, {"filtered": "environment"})
    assert "renewals are renamed" in shown
    assert '-  "filtered": "event_off"' in shown
    assert '+  "filtered": "environment"' in shown


EVENT = {"event_name": "ACTIVATE", "event_id": "e-1", "event_created_at_ms": 1702390766120, "user_id": "user_42"}
OLD = '{"why": "kept as it is: \\ud83d", "event": {},   "filtered": "not_what_the_relay_makes"}'


def test_accept_writes_the_expectation_of_a_new_case_and_nothing_else(tmp_path) -> None:
    """A payload and a sentence become a case; a case that has an expectation keeps it, byte for byte."""
    path = tmp_path / "new.json"
    rule = {"why": "switched off", "event": EVENT, "integration": {"events": {"*": False}}}
    path.write_text(f"[{OLD}, {json.dumps({'why': 'sent as it is', 'event': EVENT})},\n {json.dumps(rule)}]")
    assert accept(path, lambda _: None) == 2
    kept, sent, off = json.loads(path.read_text())
    assert path.read_text().startswith(f"[{OLD}, ")
    assert kept["filtered"] == "not_what_the_relay_makes"
    assert sent["operations"][0]["name"] == "ACTIVATE"
    assert result(sent) == expectation(sent)
    assert off == rule | {"filtered": "event_off"}
    assert accept(path, lambda _: None) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[\n{"why": "x",}]', "new.json line 2"),
        ('[{"why": "x"}]', "new.json: the case 'x' has no event"),
        (f'[{{"event": {json.dumps(EVENT)}}}]', "has no why"),
    ],
)
def test_accept_says_what_a_file_lacks(tmp_path, text: str, said: str) -> None:
    """A slip in a file is named with its place, and the file stays as it is."""
    path = tmp_path / "new.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=said.replace("(", ".")):
        accept(path, lambda _: None)
    assert path.read_text() == text
