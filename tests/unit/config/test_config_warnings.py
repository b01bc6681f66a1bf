"""What is hardly intended is warned of, and the file works all the same."""

# ruff: noqa: E501 - a case reads best in one line

import pytest

from config.integrations import parse

ENVIRON = {"TOKEN": "t", "SITE": "s", "KEY": "k", "KEY_2": "l"}

# Line 8 is the first free one, within [integrations.p.events].
GOOD = """\
[sources.app]
tokens = ["env:TOKEN"]
[integrations.p]
source = "app"
region = "eu"
site_id = "env:SITE"
api_key = "env:KEY"
[integrations.p.events]
"*" = true
"""
SECOND = """
[integrations.q]
source = "app"
region = "eu"
site_id = "env:SITE"
api_key = "env:KEY"
events.ACTIVATE = true
"""


def warnings(text):
    return list(parse(text, "f.toml", ENVIRON).warnings)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("[integrations.p.identity]\nid = ['crm_id']", "11: integrations.p.identity.id: differs from the source's, which decides the shard: order and properties then hold for a person of the source only; better write it under [sources.app.identity]"),
        ("[integrations.p.event_attributes]\ninclude = ['plan', 'purchase_token']", '11: integrations.p.event_attributes.include: "purchase_token" is never sent: it is a credential, or would change a message\'s addresses'),
        ("[integrations.p.event_attributes]\nrename = {accessToken = 'a'}", '11: integrations.p.event_attributes.rename: "accessToken" is never sent: it is a credential, or would change a message\'s addresses'),
        ("ACTIVTE = false", "10: integrations.p.events.ACTIVTE: not in the catalogue; did you mean ACTIVATE?"),
        ("QWXZ = 'Odd'", "10: integrations.p.events.QWXZ: not in the catalogue; check its spelling"),
        ("SUBSCRIPTION_EXPIRED = true", "10: integrations.p.events.SUBSCRIPTION_EXPIRED: Purchasely does not send this any more; write SUBSCRIPTION_TERMINATED"),
        ("late = 'skip'", "10: integrations.p.events.late: not in the catalogue; if the setting is meant, move it under [integrations.p]"),
        ("[integrations.p.user_properties]\nplan_id = true", "11: integrations.p.user_properties.plan_id: not in the catalogue; did you mean plan?"),
        ("[integrations.p.user_properties]\ncumulated_revenues_in_usd = false", "11: integrations.p.user_properties.cumulated_revenues_in_usd: not in the catalogue; did you mean cumulated_revenue_in_*?"),
        ("[integrations.p.user_properties]\nplan_periodicity = true", '11: integrations.p.user_properties.plan_periodicity: no plan has a period; add [plans] with lines as monthly = "P1M"'),
        ("[integrations.p.user_properties]\n'cumulated_revenue_in_*' = true\nplan = 'cumulated_revenue_in_eur'", '12: integrations.p.user_properties.plan: "cumulated_revenue_in_*" sends "cumulated_revenue_in_eur" too, and overwrites it; write another name'),
        ("[sources.b]\ntokens = ['env:TOKEN']", '10: sources.b: no enabled integration takes its events; write source = "b" in one'),
    ],
)  # fmt: skip
def test_an_odd_line_is_told(text, warning):
    """One oddity, one line: where it is, what is odd, what to write."""
    assert warnings(GOOD + text) == [f"f.toml:{warning}"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "TRIAL_STARTED = false",
        "[integrations.p.user_properties]\ncumulated_revenue_in_sek = 'ltv'",
        "[integrations.p.user_properties]\nplan_periodicity = true\n[plans]\nm = 'P1M'",
    ],
)
def test_a_good_line_is_not_told(text):
    """No warning where nothing is odd: people would stop reading them."""
    assert warnings(GOOD + text) == []


def test_an_integration_without_events_is_told():
    """Nothing enabled means nothing sent, which a forgotten table looks like."""
    warning = 'integrations.p.events: no event is enabled; write "*" = true, or the codes to send'
    assert warnings(GOOD.replace("= true", "= false")) == [f"f.toml:8: {warning}"]
    assert warnings(GOOD.partition("[integrations.p.events]")[0]) == [f"f.toml:3: {warning}"]
    assert warnings(GOOD.replace('"*" = true', "ACTIVATE = false")) == [f"f.toml:8: {warning}"]
    assert warnings(GOOD.replace('"*" = true', "ACTIVATE = 'On'")) == []


def test_two_integrations_into_one_workspace_are_told():
    """The same credentials and a shared environment: every event would arrive twice."""
    assert warnings(GOOD + SECOND) == [
        (
            'f.toml:11: integrations.q: sends PRODUCTION events where "p" sends them, so they arrive '
            "twice; change its environments or its keys"
        )
    ]


@pytest.mark.parametrize(
    ("right", "other"),
    [
        ("env:KEY", "env:KEY_2"),
        ('region = "eu"', 'region = "eu"\nenvironments = ["SANDBOX"]'),
        ('region = "eu"', 'region = "eu"\nenabled = false'),
    ],
)
def test_integrations_that_share_nothing_are_not_told(right, other):
    """Other credentials, other environments, or switched off: no event arrives twice."""
    assert warnings(GOOD + SECOND.replace(right, other)) == []


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("https://proxy.example", False),
        ("http://127.0.0.1:8085", False),
        ("http://[::1]:8085", False),
        ("http://localhost:8085", False),
        ("http://simulator:8085", True),
    ],
)
def test_plain_http_off_this_machine_is_warned_of(url, warned):
    """Customers' data would cross a network unencrypted."""
    text = GOOD.replace('region = "eu"', f'region = "eu"\nbase_url = "{url}"')
    assert warnings(text) == warned * [
        "f.toml:6: integrations.p.base_url: customers' data and the API key travel unencrypted; write https"
    ]


def test_merging_that_never_happens_is_told():
    """Two people can be merged only where the anonymous one has a profile."""
    text = GOOD.replace('region = "eu"', 'region = "eu"\nmerge_transfers = true')
    assert warnings(text) == [
        (
            "f.toml:6: integrations.p.merge_transfers: merges nobody; "
            'write anonymous = "profile", so that both people exist'
        )
    ]
    assert warnings(f'{text}[integrations.p.identity]\nanonymous = "profile"') == []
