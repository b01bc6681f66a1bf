"""Golden cases: files of events and what the mapping makes of them, read, checked, and completed when new."""

import difflib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.integrations import parse
from worker.mapping.mapper import Mapper
from worker.purchasely.event import read_event

Case = dict[str, Any]
GOLDEN = Path(__file__).parents[1] / "golden"
EXPECTATIONS = ("operations", "filtered", "dead")
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


def cases() -> dict[str, Case]:
    """Every case of every file, by its file and its reason."""
    return {f"{path.stem}: {case['why']}": case for path in files() for case in json.loads(path.read_text("utf-8"))}


def files() -> list[Path]:
    """The files of cases."""
    return sorted(GOLDEN.glob("*.json"))


def expectation(case: Case) -> Case:
    """What a case expects; empty for a new one."""
    return {key: case[key] for key in EXPECTATIONS if key in case}


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


def result(case: Case) -> Case:
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


def difference(case: Case, made: Case) -> str:
    """What a person reads when a case fails: the reason, then expected (-) against made (+), line by line."""
    wanted = expectation(case)
    lines = [json.dumps(side, indent=2, sort_keys=True, ensure_ascii=False).splitlines() for side in (wanted, made)]
    changes = difflib.unified_diff(*lines, "what the case expects", "what the relay makes", lineterm="", n=2)
    return f"\n{case['why']}\n" + "\n".join(changes)


def accept(path: Path, show: Callable[[str], None] = print) -> int:
    """Write the expectations of a file's new cases; how many. Cases that have one, and every other byte, stay.

    Raises:
        ValueError: the file or a new case of it cannot be read; the message says where.
    """
    text = path.read_text("utf-8")
    pieces, done, accepted = [], 0, 0
    for begin, end, case in _spans(text, path.name):
        if not expectation(case):
            made = _complete(case, path.name)
            show(f"{path.name}: {case['why']}\n{json.dumps(expectation(made), indent=1, ensure_ascii=False)}")
            pieces += [text[done:begin], json.dumps(made, indent=1).replace("\n", "\n ")]
            done, accepted = end, accepted + 1
    if accepted:
        path.write_text("".join([*pieces, text[done:]]), "utf-8")
    return accepted


def _spans(text: str, name: str) -> list[tuple[int, int, Case]]:
    """Each case of a file: where its text begins and ends, and the case."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} line {error.lineno}: {error.msg}") from None
    found, at, decoder = [], text.index("[") + 1, json.JSONDecoder()
    while (begin := text.find("{", at)) >= 0:
        case, at = decoder.raw_decode(text, begin)
        found.append((begin, at, case))
    return found


def _complete(case: Case, name: str) -> Case:
    missing = [key for key in ("why", "event") if not case.get(key)]
    if missing:
        raise ValueError(f"{name}: the case {case.get('why', '')!r} has no {' and no '.join(missing)}")
    whole = {"why": case["why"], "event": case["event"], "integration": {}, **case}
    return whole | result(whole)


def main() -> int:
    """Complete the new cases of every file; 0 done, 1 a file cannot be read."""
    accepted, wrong = 0, []
    for path in files():
        try:
            accepted += accept(path)
        except ValueError as error:
            wrong.append(str(error))
    noun = "case" if accepted == 1 else "cases"
    print(f"{accepted} new {noun} accepted: read them (git diff tests/golden) before you commit")
    for message in wrong:
        print(message)
    return 1 if wrong else 0
