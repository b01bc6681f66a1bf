"""docs/marketers.md: its recipes find the people that they are about; docs/events.md is what the code makes."""

import json
import re
import tomllib

import orjson
import pytest

from config.catalogue import catalogue
from config.integrations import parse
from tests.support import events_page
from tests.support.pages import ROOT, blocks
from tests.support.payloads import DAY_MS, HISTORIES, START_MS, event, history
from worker.mapping.mapper import Mapper

PAGE = "docs/marketers.md"
FILE = """
[sources.app]
tokens = ["env:T"]
[integrations.production]
source = "app"
region = "eu"
site_id = "env:T"
api_key = "env:T"
"""
# recipe: day of the history on which it is looked at -> whose segment it is then; nobody else may be in it
FOUND = {
    "The trial ends in two days": {6: {"trial_converted"}, 3: set(), 8: set()},
    "Leaves after the trial, or after this period": {
        25: set(),
        55: {"ended"},
        61: {"trial_converted"},
    },
    "The trial lapsed": {5: set(), 10: {"trial_lapsed"}, 50: set()},
    "Win back who has paid": {
        61: {"pause_cancelled"},
        95: {"ended", "grace_cancelled", "retry_lost", "pause_cancelled"},
        130: {"ended", "trial_converted", "grace_cancelled", "retry_lost", "pause_cancelled"},
    },
    "A payment failed": {
        31: {"grace_recovered", "grace_cancelled", "retry_recovered", "retry_lost"},
        40: {"retry_recovered", "retry_lost"},
        95: set(),
    },
    "A refund": {2: set(), 5: {"refunded"}, 60: {"refunded"}},
}


def recipes():
    """Heading to its segment's lines and its TOML."""
    text = (ROOT / PAGE).read_text()
    found = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        heading = part.splitlines()[0]
        (segment,) = blocks(PAGE, "segment", heading)
        (toml,) = blocks(PAGE, "toml", heading)
        found[heading] = (segment.splitlines(), toml)
    return found


RECIPES = recipes()


def person_on(day, kind, toml):
    """The attributes that Customer.io has of a person with this history, on a day of it."""
    mapper = Mapper(parse(FILE + toml, "page", {"T": "x"}).integrations["production"])
    attributes, state = {}, None
    for body in history(kind):
        read = event(body)
        if body["event_created_at_ms"] > START_MS + day * DAY_MS:
            break
        decision = mapper.decide(read, read.received_ms)
        digest = mapper.person_of(decision)
        composed = mapper.compose([decision], {digest: state} if digest else {})
        state = composed.people.get(digest, state)
        for operation in composed.operations:
            if operation.kind == "identify":
                attributes |= orjson.loads(operation.body)["attributes"]
    return {name: value for name, value in attributes.items() if value not in (None, "")}


def holds(condition, person, now_s):
    """Whether a line of a segment holds for a person."""
    if " or " in condition:
        return any(holds(one, person, now_s) for one in condition.split(" or "))
    name, wanted = condition.split(" is ", 1)
    value = person.get(name)
    if dated := re.fullmatch(r"(within the next|within the last|more than) (\d+) days(?: ago)?", wanted):
        if value is None:
            return False
        assert isinstance(value, int), "a date condition needs Unix seconds"
        days = int(dated[2]) * 86_400
        span = {"within the next": (now_s, now_s + days), "within the last": (now_s - days, now_s)}
        low, high = span.get(dated[1], (0, now_s - days))
        return low <= value <= high
    negated, wanted = wanted.startswith("not "), wanted.removeprefix("not ")
    return (value == {"true": True, "false": False}.get(wanted, wanted)) != negated


def test_every_recipe_is_checked():
    """Each with people who are in its segment."""
    assert set(RECIPES) == set(FOUND)
    assert len(blocks(PAGE, "segment")) == len(RECIPES), "a segment that is in no recipe"
    assert all(any(FOUND[heading].values()) for heading in FOUND)


@pytest.mark.parametrize("heading", FOUND)
def test_a_recipe_finds_who_it_is_about(heading):
    """Whole lives of subscribers, looked at on several days; what a recipe asks for is switched on in its own lines."""
    segment, toml = RECIPES[heading]
    for day, expected in FOUND[heading].items():
        now_s = (START_MS + day * DAY_MS) // 1000
        people = {kind: person_on(day, kind, toml) for kind in HISTORIES}
        found = {kind for kind, person in people.items() if person and all(holds(c, person, now_s) for c in segment)}
        assert found == expected, f"day {day}"


def test_the_events_and_properties_that_the_page_names_exist():
    """So that nobody waits for one that never comes."""
    text = (ROOT / PAGE).read_text()
    known = catalogue()
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", text)) <= set(known.events)
    for _, toml in RECIPES.values():
        (tables,) = tomllib.loads(toml)["integrations"].values()
        assert set(tables.get("events", ())) <= set(known.events)
        assert set(tables["user_properties"]) <= set(known.user_properties)
    used = {
        condition.split(" is ")[0]
        for segment, _ in RECIPES.values()
        for line in segment
        for condition in line.split(" or ")
    }
    assert used <= set(known.user_properties)


def test_the_events_page_is_what_the_code_makes():
    """`python -m tests.support.events_page` rewrites it."""
    page = events_page.PAGE.read_text()
    assert events_page.written(page) == page
    (event,) = blocks("docs/events.md", "json")
    assert set(json.loads(event)) == {"name", "timestamp", "attributes"}
