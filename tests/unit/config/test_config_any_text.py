"""Whatever the file says, the answer is integrations or a ConfigError of plain lines."""

import json
import re
import warnings
from importlib import resources

from hypothesis import example, given
from hypothesis import strategies as st

from config.integrations import ConfigError, parse

EXAMPLE = resources.files("config").joinpath("integrations.toml").read_text("utf-8").splitlines()
SECRET = "hunter2"
ENVIRON = dict.fromkeys(re.findall(r"env:(\w+)", "\n".join(EXAMPLE)), SECRET)


def try_to_parse(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            told = parse(text, "f.toml", ENVIRON).warnings
        except ConfigError as error:
            told = error.problems
            assert told
    for line in told:
        number = re.fullmatch(r"f\.toml:(\d+): .+; .+", line)[1]
        assert 1 <= int(number) <= text.count("\n") + 1
        assert line.isprintable()
        assert SECRET not in line


@given(st.text())
@example('"=,')
def test_arbitrary_text(text):
    """Text without any sense."""
    try_to_parse(text)


JUNK = st.sampled_from([
    "", "=", "[", "]]", '"', "'''", "x = 1", "[integrations.production]", "[[sources]]", "[sources.b]",
    '"*" = "all"', "late = {}", "id = [[]]", "rename = [1]", "a.b.c = 1979-05-27", "plan = 'email'",
    "webhook_secret = 'hunter2'", "tokens = ['hunter2', 2]", "site_id = inf", "enabled = false",
    "include = ['plan', 1]", "rename = {a = {}, b = [], plan = 'product'}", "x = " + "9" * 5000,
    'base_url = "http://hunter2:hunter2@x"', "'\u2028' = true", '"\\n" = 1',
])  # fmt: skip


@st.composite
def spoiled_examples(draw):
    lines = list(EXAMPLE)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "double", "junk", "cut", "move"])):
            case "drop":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "junk":
                lines.insert(at, draw(JUNK))
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, 30))]
            case "move":
                lines.append(lines.pop(at))
    return "\n".join(lines)


@given(spoiled_examples())
def test_spoiled_examples(text):
    """The example with lines lost, doubled, moved, cut short, or replaced by junk."""
    try_to_parse(text)


WORDS = st.sampled_from(
    [
        "sources",
        "integrations",
        "plans",
        "app",
        "p",
        "source",
        "region",
        "eu",
        "identity",
        "id",
        "email",
        "events",
        "*",
        "ACTIVATE",
        "user_properties",
        "plan",
        "product",
        "event_attributes",
        "include",
        "exclude",
        "rename",
        "tokens",
        "env:TOKEN",
    ]
)
DATA = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)


def as_toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{k}" = {as_toml(v)}' for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return json.dumps(value)


@given(st.dictionaries(st.sampled_from(["sources", "integrations", "plans", "x"]), DATA))
def test_wrong_shapes(data):
    """Known names with values of any kind in any place."""
    try_to_parse("\n".join(f"{key} = {as_toml(value)}" for key, value in data.items()))


TABLE = st.dictionaries(
    st.sampled_from(["source", "region", "identity", "events", "user_properties", "event_attributes", "enabled"]), DATA
)


@given(TABLE)
def test_wrong_integrations(table):
    """An integration whose keys have values of any kind."""
    try_to_parse(f'sources.app.tokens = ["env:UPSTREAM_TOKEN"]\nintegrations.p = {as_toml(table)}')
