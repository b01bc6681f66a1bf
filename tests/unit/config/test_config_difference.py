"""What differs between two configurations, in words."""

import msgspec
import pytest

from config.difference import difference
from config.effective import Identity, Integration
from config.integrations import parse

ENVIRON = {"S": "s", "T": "t", "K": "k", "K2": "k2"}
TEXT = """\
[sources.app]
tokens = "env:T"
[integrations.p]
source = "app"
region = "eu"
site_id = "env:S"
api_key = "env:K"
[integrations.p.events]
"*" = true
ACTIVATE = "Access"
[integrations.p.user_properties]
plan = true
"""
CHAIN = "identity.id [customerio_user_id, user_id] -> [crm_id]"
HOSTS = "https://track-eu.customer.io -> https://track.customer.io"
MORE = TEXT.replace("integrations.p", "integrations.q").partition("[integrations.q]")


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (("#", "#"), []),
        (('"Access"', '"Granted"'), ['integration p: event ACTIVATE: sent as "Access" -> sent as "Granted"']),
        (('"Access"', "false"), ['integration p: event ACTIVATE: sent as "Access" -> not sent']),
        (('"*" = true', '"*" = false'), ["integration p: all other events: sent -> not sent"]),
        (("plan = true", "plan = 'tier'"), ["integration p: property plan: plan -> tier"]),
        (
            ("plan = true", "store = true"),
            [f"integration p: property {line}" for line in ("plan: plan -> off", "store: off -> store")],
        ),
        (('source = "app"', 'source = "app"\nsend = false'), ["integration p: send true -> false"]),
        (("env:K", "env:K2"), ["integration p: another site_id or api_key"]),
        (
            ('"eu"', '"us"'),
            [
                "integration p: region eu -> us",
                f"integration p: base_url {HOSTS}",
            ],
        ),
        (("env:T", "env:S"), ["source app: other tokens"]),
        (
            ("[integrations.p]", '[sources.app.identity]\nid = ["crm_id"]\n[integrations.p]'),
            [
                f"source app: {CHAIN}; who moves to another shard by it begins there with nothing known",
                f"integration p: {CHAIN}",
            ],
        ),
        (("[integrations.p]", "[plans]\nm = 'P1M'\n[integrations.p]"), ["plan m: off -> P1M"]),
    ],
)
def test_each_change_is_said(change, lines):
    """One line for each thing that differs; a secret is only said to differ."""
    before, after = (parse(text, "f", ENVIRON) for text in (TEXT, TEXT.replace(*change)))
    assert sorted(difference(before, after)) == sorted(lines)


# Who is meant, and what follows from the rest, from the source or from other integrations.
UNSAID = {"name", "digest", "revision", "lines", "unresolved", "source_environments", "source_identity"}


@pytest.mark.parametrize("field", sorted(set(Integration.__struct_fields__) - UNSAID))
def test_whatever_an_integration_has_is_said_where_it_differs(field):
    """A key that is added to integrations cannot be left out here: `relay config diff` would show nothing."""
    before = parse(TEXT, "f", ENVIRON)
    (name, one), other = next(iter(before.integrations.items())), {"changed": "P1M"}
    value = getattr(one, field)
    changed = {str: "changed", bool: not value, dict: other, frozenset: frozenset(other)}.get(type(value), frozenset())
    if isinstance(value, Identity):
        changed = msgspec.structs.replace(value, id_fields=("changed",))
    after = msgspec.structs.replace(before, integrations={name: msgspec.structs.replace(one, **{field: changed})})
    assert difference(before, after)


def test_what_is_added_and_removed_is_said():
    """By name; not key by key."""
    both = TEXT + MORE[1] + MORE[2]
    one, two = (parse(text, "f", ENVIRON) for text in (TEXT, both))
    assert difference(one, two) == ["integration q: added"]
    assert difference(two, one) == ["integration q: removed"]
