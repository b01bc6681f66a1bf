"""Golden cases: an event and an integration in, what Customer.io is told out.

A case is `{"why", "event", "integration", and one of "operations" | "filtered" | "dead"}` in a JSON file under
`tests/golden/`; `event` may be a list, mapped as one run; `integration` holds what differs from the defaults below,
`identity` the identity table of the source, `received_ms` when the events arrive. An event that is filtered may say
something of its person: such a case has both `filtered` and `operations`.
"""

import difflib
import json
from pathlib import Path
from typing import Any

import pytest

from config.catalogue import catalogue
from config.integrations import parse
from worker.mapping.mapper import Mapper
from worker.purchasely.event import read_event

GOLDEN = Path(__file__).parents[2] / "golden"
NOW_MS = 1_702_900_000_000
DEFAULTS: dict[str, Any] = {
    "source": "app",
    "region": "eu",
    "site_id": "env:T_KEY",
    "api_key": "env:T_KEY",
    "environments": ["PRODUCTION", "SANDBOX"],
    "identity": {},
    "events": {"*": True},
    "user_properties": {},
    "event_attributes": {},
}


def cases() -> list[Any]:
    """Every case of every file, named by its file and its reason."""
    found = []
    for path in sorted(GOLDEN.glob("*.json")):
        found += [pytest.param(case, id=f"{path.stem}: {case['why']}") for case in json.loads(path.read_text())]
    return found


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


def integration(overrides: dict[str, Any], plans: dict[str, str], identity: dict[str, Any]) -> Mapper:
    """The mapper of an integrations file that says just this."""
    table = DEFAULTS | overrides
    lines = "\n".join(f"{key} = {toml(value)}" for key, value in table.items())
    periods = "\n".join(f"{json.dumps(plan)} = {json.dumps(period)}" for plan, period in plans.items())
    source = f'[sources.app]\ntokens = ["env:T_KEY"]\nidentity = {toml(identity)}\n'
    text = f"{source}[integrations.x]\n{lines}\n[plans]\n{periods}\n"
    return Mapper(parse(text, "case.toml", {"T_KEY": "k"}).integrations["x"])


def received_ms(events: list[dict[str, Any]]) -> int:
    """When the events of a case arrive that does not say so: five days after 2023's, at once after later ones."""
    times = [time for event in events if isinstance(time := event.get("event_created_at_ms"), int)]
    return max([NOW_MS, *(time for time in times if time < 10**13)])


def result(case: dict[str, Any]) -> dict[str, Any]:
    """What the mapping makes of a case."""
    mapper = integration(case.get("integration", {}), case.get("plans", {}), case.get("identity", {}))
    suppressed = frozenset(case.get("suppressed", ()))
    events = case["event"] if isinstance(case["event"], list) else [case["event"]]
    now_ms = case.get("received_ms") or received_ms(events)
    read = [read_event(f"{now_ms + n}-0", json.dumps(event).encode()) for n, event in enumerate(events)]
    composed = mapper.compose([mapper.decide(event, now_ms + len(read), suppressed) for event in read], {})
    made: dict[str, Any] = {}
    if composed.operations:
        made["operations"] = [json.loads(operation.body) for operation in composed.operations]
    for outcome in composed.outcomes:
        if outcome is not None:
            kind = type(outcome).__name__.lower()
            message = {"field": outcome.field, "message": outcome.message} if kind == "dead" else {}
            made[kind] = {"reason": outcome.reason, **message} if message else outcome.reason
    return made


def difference(case: dict[str, Any], made: dict[str, Any]) -> str:
    """What a person reads when a case fails: the reason, then expected (-) against made (+), line by line."""
    wanted = {key: case[key] for key in ("operations", "filtered", "dead") if key in case}
    lines = [json.dumps(side, indent=2, sort_keys=True, ensure_ascii=False).splitlines() for side in (wanted, made)]
    changes = difflib.unified_diff(*lines, "what the case expects", "what the relay makes", lineterm="", n=2)
    return f"\n{case['why']}\n" + "\n".join(changes)


@pytest.mark.parametrize("case", cases())
def test_case(case: dict[str, Any]) -> None:
    """The mapping makes of the event what the case says."""
    made = result(case)
    wanted = {key: case[key] for key in ("operations", "filtered", "dead") if key in case}
    if made != wanted:
        pytest.fail(difference(case, made), pytrace=False)


def test_every_code_has_a_case() -> None:
    """Each of the 44 codes is spoken of by at least one case that sends it."""
    sent = set()
    for path in GOLDEN.glob("*.json"):
        for case in json.loads(path.read_text()):
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
