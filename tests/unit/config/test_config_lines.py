"""The line of every key, in every way that TOML can be written."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.lines import locate


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a = 1\n\n[b]\nc = 2\n", {("a",): 1, ("b",): 3, ("b", "c"): 4}),
        (
            "[a.b]\nc.d = 1\nc.e = 2\n",
            {
                ("a",): 1,
                ("a", "b"): 1,
                ("a", "b", "c"): 2,
                ("a", "b", "c", "d"): 2,
                ("a", "b", "c", "e"): 3,
            },
        ),
        ("[a.b]\n[a]\n", {("a",): 2, ("a", "b"): 1}),
        (
            '"*" = true\n\'a"b\' = 1\n"c\\u0021" = 2\n"#" = 3 # "d" = 4\n',
            {("*",): 1, ('a"b',): 2, ("c!",): 3, ("#",): 4},
        ),
        (
            "a = [ # one\n  1,\n  [2,\n   3],\n]\nb = 1\n",
            {
                ("a",): 1,
                ("a", 0): 2,
                ("a", 1): 3,
                ("a", 1, 0): 3,
                ("a", 1, 1): 4,
                ("b",): 6,
            },
        ),
        (
            'a = """\nb = 1\n[c]\n"""""\nd = \'\'\'\ne = 1\n\'\'\'\nf = 1\n',
            {("a",): 1, ("d",): 5, ("f",): 8},
        ),
        (
            'a = {b = "}", "c d" = {e = [1]}}\nf = 1\n',
            {
                ("a",): 1,
                ("a", "b"): 1,
                ("a", "c d"): 1,
                ("a", "c d", "e"): 1,
                ("a", "c d", "e", 0): 1,
                ("f",): 2,
            },
        ),
        (
            "[[a]]\nb = 1\n[a.c]\n[[a]]\nb = 2\n",
            {
                ("a",): 1,
                ("a", 0): 1,
                ("a", 0, "b"): 2,
                ("a", 0, "c"): 3,
                ("a", 1): 4,
                ("a", 1, "b"): 5,
            },
        ),
        (
            "a = 1\r\n\r\n[ b . c ]\r\nd = 2\r\n",
            {("a",): 1, ("b",): 3, ("b", "c"): 3, ("b", "c", "d"): 4},
        ),
        ("1.5 = 1979-05-27T07:32:00.5Z\n-inf = -inf", {("1",): 1, ("1", "5"): 1, ("-inf",): 2}),
    ],
)
def test_keys_stand_where_they_are_written(text, lines):
    """Headers, dotted and quoted keys, comments, strings, lists and inline tables over many lines."""
    tomllib.loads(text)
    places = locate(text)
    assert places.lines == lines
    assert places.repeated == {}


def test_an_absent_key_stands_where_its_table_does():
    """What is not there is looked for in the nearest table that is."""
    places = locate("\n[a]\n\n[a.b]\n")
    assert [places.line(p) for p in [("a", "b", "c"), ("a", "x", "y"), ("z",), ()]] == [4, 2, 1, 1]


def test_second_declarations_are_noted():
    """A repeated key or table keeps its first line, and the second is known."""
    places = locate("[a]\nb = [\n1]\n\nb = 2\n[a]\n")
    assert places.repeated == {5: ("a", "b"), 6: ("a",)}
    assert places.lines[("a", "b")] == 2


KEYS = st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(
    ["a", "b", "*", "#", "]", "=", ".", '"', "'"]
)
SCALARS = st.sampled_from(["1", '"]"', "'#'", '"""\n"x\n"""', "1.5", "true", "[]", "{}"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3).map(lambda v: "[\n" + ", # ,\n".join(v) + "\n]"),
    max_leaves=6,
)
TABLES = st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=4)


def quote(key):
    return '"' + "".join(f"\\U{ord(c):08x}" for c in key) + '"'


def paths(data, above=()):
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in steps:
        yield (*above, step)
        yield from paths(value, (*above, step))


@given(TABLES)
def test_every_value_has_the_line_of_its_key(tables):
    """Whatever the names and values: each path of the data is located, and each key on its line."""
    written, expected = [], {}
    for table, keys in tables.items():
        expected[(table,)] = len(written) + 1
        written.append(f"[{quote(table)}] # [x]")
        for key, value in keys.items():
            expected[(table, key)] = len(written) + 1
            written += f"{quote(key)} = {value}".split("\n")
    text = "\n".join(written)
    lines = locate(text).lines
    assert set(lines) == set(paths(tomllib.loads(text)))
    assert {place: lines[place] for place in expected} == expected


@given(st.text(st.sampled_from("ab1 \n\t.=,#*[]{}\"'\\"), max_size=60))
def test_text_that_is_not_toml_does_no_harm(text):
    """The lines are a guess then, but never an exception, and complete when it is TOML after all."""
    lines = locate(text).lines
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(lines) == set(paths(data))


def test_depth_is_bounded():
    """A text of brackets takes no time to speak of."""
    assert len(locate("a = " + "[" * 100_000).lines) < 200
