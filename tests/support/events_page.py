"""`python -m tests.support.events_page`: write the tables of docs/events.md from the catalogue and the mapping.

The example of an event is what Customer.io gets of the payload that the tests use for its code.
"""

from pathlib import Path

import orjson

from config.catalogue import catalogue
from config.integrations import parse
from tests.support.payloads import CODES, event, payload
from worker.mapping.decision import Send
from worker.mapping.mapper import Mapper

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
_FILE = """
[sources.app]
tokens = ["env:T"]
[integrations.production]
source = "app"
region = "eu"
site_id = "env:T"
api_key = "env:T"
[integrations.production.events]
"*" = true
"""
PLAIN = "SUBSCRIPTION_RENEWED"
_ALWAYS = {"event_id", "event_name"}


def arrives(code: str) -> dict:
    """The event as Customer.io has it: its name, time and attributes."""
    mapper = Mapper(parse(_FILE, "page", {"T": "x"}).integrations["production"])
    read = event(payload(code))
    decision = mapper.decide(read, read.received_ms)
    assert isinstance(decision, Send)
    item = orjson.loads(decision.body)
    return {"name": item["name"], "timestamp": item["timestamp"], "attributes": item["attributes"]}


def own(code: str) -> dict:
    """The attributes of an event that a plain renewal does not have, or not so."""
    plain = arrives(PLAIN)["attributes"]
    mine = arrives(code)["attributes"]
    return {name: value for name, value in mine.items() if name not in _ALWAYS and plain.get(name) != value}


def examples() -> str:
    """One renewal in full, then a section for each category with its events."""
    full = orjson.dumps(arrives(PLAIN), option=orjson.OPT_INDENT_2).decode()
    lines = ["## One event in full", "", "```json", full, "```"]
    by_category: dict[str, list[str]] = {}
    for code, known in catalogue().events.items():
        by_category.setdefault(known.category, []).append(code)
    for category, codes in by_category.items():
        lines += [
            "",
            f"## {category.capitalize()}",
            "",
            "| event | when it comes | example: unlike the one above |",
            "|---|---|---|",
        ]
        for code in codes:
            shown = ", ".join(f"`{name}: {orjson.dumps(value).decode()}`" for name, value in sorted(own(code).items()))
            lines.append(f"| `{code}` | {catalogue().events[code].description} | {shown or 'the same'} |")
    return "\n".join(lines)


def attributes() -> str:
    """The properties a person can have."""
    lines = ["| property | type | meaning |", "|---|---|---|"]
    for name, known in catalogue().user_properties.items():
        lines.append(f"| `{name}` | {known.type} | {known.description} |")
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with its tables as they should be."""
    for mark, text in (("events", examples()), ("properties", attributes())):
        before, rest = page.split(f"<!-- {mark} -->\n", 1)
        after = rest.split(f"<!-- /{mark} -->", 1)[1]
        page = f"{before}<!-- {mark} -->\n{text}\n<!-- /{mark} -->{after}"
    return page


def main() -> None:
    """Write them."""
    assert set(CODES) == set(catalogue().events)
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
