"""A TOML text that is changed key by key: it says what was asked for, and keeps the rest as it was written."""

import copy
import tomllib
from importlib import resources

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.rewrite import Rewrite, UneditableError
from config.statements import statements, written, written_key

EXAMPLE = resources.files("config").joinpath("integrations.toml").read_text("utf-8")
PRODUCTION = ("integrations", "production")

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = st.sampled_from(["*", "ACTIVATE", "plan", "a b", 'q"', "ü", "#", "a.b"])
VALUES = st.booleans() | st.text(max_size=12) | st.lists(st.text(max_size=4), max_size=3)
TABLES = st.dictionaries(NAMES, VALUES, max_size=4)
CHANGES = st.dictionaries(NAMES, st.none() | VALUES, max_size=5)


def lines_of(name, table, style):
    """One integration with its events, in one of the forms that TOML has."""
    place = f"integrations.{name}"
    pairs = [(written_key((key,)), written(value)) for key, value in table.items()]
    match style:
        case "headers":
            return [f"# about {name}", f"[{place}]", 'region = "eu" # kept', "", f"[{place}.events]"] + [
                f"{key}  =  {value}   # {len(value)}" for key, value in pairs
            ]
        case "dotted":
            return [f"[{place}]", 'region = "eu"'] + [f"events.{key} = {value}" for key, value in pairs]
        case "inline":
            inner = ", ".join(f"{key} = {value}" for key, value in pairs)
            return [f"[{place}]", 'region = "eu"', f"events = {{ {inner} }}" if pairs else "events = {}"]
        case _:
            inner = ", ".join(f"{key} = {value}" for key, value in pairs)
            return ["[integrations]", f'{name} = {{ region = "eu", events = {{ {inner} }} }}']


@st.composite
def texts(draw):
    """A file of two integrations."""
    style = draw(st.sampled_from(["headers", "dotted", "inline", "whole"]))
    lines = ["# the top", "plans = { monthly = 'P1M' }", "", *lines_of("a", draw(TABLES), style), ""]
    if style != "whole":
        lines += [*lines_of("b", draw(TABLES), draw(st.sampled_from(["headers", "dotted"]))), "# the end"]
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines) + draw(st.sampled_from(["", "\n"]))


def expected(text, place, changes):
    data = tomllib.loads(text)
    table = data
    for key in place:
        table = table.setdefault(key, {})
    for key, value in changes.items():
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    return data


def filled(data):
    """Without empty tables, which say nothing."""
    return {k: v for k, below in data.items() if (v := filled(below)) != {}} if isinstance(data, dict) else data


@patient
@given(texts(), st.sampled_from(["a", "b"]), CHANGES)
def test_a_change_says_what_was_asked_for(text, name, changes):
    """In every form of a table, whatever is changed, added and removed: exactly that differs, or nothing is done."""
    rewrite = Rewrite(text)
    place = ("integrations", name, "events")
    before = copy.deepcopy(rewrite.data)
    try:
        rewrite.change(place, changes)
    except UneditableError:
        assert rewrite.text == text
        assert rewrite.data == before
        return
    assert filled(tomllib.loads(rewrite.text)) == filled(rewrite.data) == filled(expected(text, place, changes))
    for comment in ("# the top", f"# about {name}", "# kept", "# the end"):
        assert (comment in rewrite.text) == (comment in text)


@patient
@given(texts(), st.sampled_from(["a", "b"]))
def test_the_same_values_change_no_byte(text, name):
    """Everything given the value that it has: not a byte differs."""
    rewrite = Rewrite(text)
    place = ("integrations", name, "events")
    rewrite.change(place, dict(rewrite.table(place)))
    rewrite.change(place, {"absent": None})
    assert rewrite.text == text


@patient
@given(texts(), TABLES)
def test_a_table_that_is_added_copied_and_removed(text, table):
    """It is there, with all that is in it; then it is gone, and the rest says what it said."""
    rewrite = Rewrite(text)
    before = copy.deepcopy(rewrite.data)
    rewrite.copy(("integrations", "a"), "c", {"region": "us"})
    assert rewrite.data["integrations"]["c"] == {**before["integrations"]["a"], "region": "us"}
    rewrite.add(("integrations", "d"), {"region": "us", "events": table})
    assert rewrite.data["integrations"]["d"] == {"region": "us", "events": table}
    rewrite.remove(("integrations", "c"))
    rewrite.remove(("integrations", "d"))
    assert filled(rewrite.data) == filled(before)


def test_comments_of_the_example_stay():
    """A changed value keeps the column of the comment behind it; a new key goes behind the last one of its table."""
    rewrite = Rewrite(EXAMPLE)
    rewrite.change((*PRODUCTION, "events"), {"ACTIVATE": True, "RENEWAL_DISABLED": "Cancelled"})
    before, after = EXAMPLE.splitlines(), rewrite.text.splitlines()
    assert [line for line in after if line not in before] == [
        "ACTIVATE = true                                 # access for your own backend, rarely of use in campaigns",
        'RENEWAL_DISABLED = "Cancelled"',
    ]
    at = after.index('RENEWAL_DISABLED = "Cancelled"')
    assert after[at - 1].startswith("SUBSCRIPTION_STARTED")


def test_a_new_table_goes_behind_its_siblings():
    """Not among the tables of the next integration, and not above the comment of the next header."""
    rewrite = Rewrite(EXAMPLE)
    rewrite.change(("integrations", "sandbox", "identity"), {"anonymous": "event"})
    lines = rewrite.text.splitlines()
    at = lines.index("[integrations.sandbox.identity]")
    assert lines[at - 2 : at] == ["subscription_status = true", ""]
    assert lines[at + 1 : at + 3] == ['anonymous = "event"', ""]
    assert lines[at + 3].startswith("# --- Plans")


def test_a_removed_integration_takes_its_comments_with_it():
    """The comment above its header and the commented keys in it go; those of the next table stay."""
    rewrite = Rewrite(EXAMPLE)
    rewrite.remove(("integrations", "sandbox"))
    assert "second workspace" not in rewrite.text
    assert "--- Plans" in rewrite.text
    assert rewrite.text.replace("\n\n\n", "\n\n") == rewrite.text


def test_what_cannot_be_changed_is_refused():
    """A table that is a list of tables is no table of an integrations file."""
    rewrite = Rewrite('[[integrations.a]]\nregion = "eu"\n')
    with pytest.raises(UneditableError, match="change the file itself"):
        rewrite.change(("integrations", "a"), {"region": "us"})


def test_statements_say_where_they_are():
    """Keys with quotes, lists over several lines, and signs within strings."""
    text = '[a."b.c"] # [x]\nk = [\n "]", # ]\n]\n"*" = true\n'
    assert [(one.kind, one.key, text[one.value[0] : one.value[1]]) for one in statements(text)] == [
        ("table", ("a", "b.c"), '[a."b.c"]'),
        ("pair", ("a", "b.c", "k"), '[\n "]", # ]\n]'),
        ("pair", ("a", "b.c", "*"), "true"),
    ]


@patient
@given(texts(), st.sampled_from(["a", "b"]))
def test_one_integration_is_kept(text, name):
    """It says what it said, with its source; every other one is gone."""
    rewrite = Rewrite(text)
    before = copy.deepcopy(rewrite.data)
    if name not in before["integrations"]:
        with pytest.raises(KeyError):
            rewrite.keep(name)
        return
    try:
        rewrite.keep(name)
    except UneditableError:
        return
    kept = tomllib.loads(rewrite.text)
    assert filled(kept["integrations"]) == filled({name: before["integrations"][name]})
    source = before["integrations"][name].get("source")
    assert filled(kept.get("sources", {})) == filled(
        {one: table for one, table in before.get("sources", {}).items() if one == source}
    )


def test_one_integration_of_two_sources():
    """A file that the relay takes, with its comments."""
    text = (
        "# of its source\n[sources.a]\ntokens = ['env:A']\n\n[sources.b]\ntokens = ['env:B']\n\n"
        "# of a\n[integrations.one]\nsource = 'a'\nregion = 'eu'\n\n"
        "# of b\n[integrations.two]\nsource = 'b'\nregion = 'us'\n[integrations.two.events]\n'*' = true\n"
    )
    rewrite = Rewrite(text)
    rewrite.keep("two")
    assert rewrite.text == (
        "[sources.b]\ntokens = ['env:B']\n\n"
        "# of b\n[integrations.two]\nsource = 'b'\nregion = 'us'\n[integrations.two.events]\n'*' = true\n"
    )
