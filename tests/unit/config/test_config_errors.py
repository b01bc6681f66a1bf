"""Every way an integrations file can be wrong: one line, with its place and what to write instead."""

# ruff: noqa: E501 - a case reads best in one line

import pytest

from config.integrations import ConfigError, load, parse

ENVIRON = {"SECRET": "s3cr3t", "TOKEN": "t0ken", "SITE": "s1te", "KEY": "k3y", "EMPTY": "", "BLANK": " \n"}

# Line 1 is [sources.app], line 4 [integrations.p], line 9 the first free one.
GOOD = """\
[sources.app]
webhook_secret = "env:SECRET"
tokens = ["env:TOKEN"]
[integrations.p]
source = "app"
region = "eu"
site_id = "env:SITE"
api_key = "env:KEY"
"""


def problems(text, environ=ENVIRON):
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.toml", environ)
    assert str(caught.value) == "\n".join(caught.value.problems)
    # nothing on the error leads back to the text, which may hold a secret in clear
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return list(caught.value.problems)


def test_the_good_file_is_good():
    """What the cases below break is in order before."""
    assert parse(GOOD, "f.toml", ENVIRON).warnings == (
        'f.toml:4: integrations.p.events: no event is enabled; write "*" = true, or the codes to send',
    )


APPENDED = [
    # unknown keys
    ("regoin = 1", "9: integrations.p.regoin: unknown key; write region"),
    ("[source.app]", "9: source: unknown key; write sources"),
    ("[zzz]", "9: zzz: unknown key; write integrations, plans or sources"),
    ("[sources.b]\ntokens = ['env:TOKEN']\nsecret = 1", "11: sources.b.secret: unknown key; write webhook_secret"),
    ("[integrations.p.identity]\nemial = []", "10: integrations.p.identity.emial: unknown key; write email"),
    ("[integrations.p.event_attributes]\nexclud = []", "10: integrations.p.event_attributes.exclud: unknown key; write exclude"),
    ("[integrations.p.identity]\ndates = 'iso'", "10: integrations.p.identity.dates: unknown key here; move it up, under [integrations.p]"),
    # wrong kinds of value
    ("enabled = 'yes'", "9: integrations.p.enabled: must be a switch; write true or false"),
    ("environments = 'SANDBOX'", '9: integrations.p.environments: must be a list; write ["..."]'),
    ("environments = []", "9: integrations.p.environments: is empty; name at least one"),
    ("environments = [\n  'PRODUCTION',\n  'PROD',\n]", '11: integrations.p.environments: "PROD" is not possible; write "PRODUCTION" or "SANDBOX"'),
    ("base_url = 1", '9: integrations.p.base_url: must be text; write it in quotes, as "..."'),
    ("identity = 1", "9: integrations.p.identity: must be a table; write [integrations.p.identity] and its keys below"),
    ("events = ['*']", "9: integrations.p.events: must be a table; write [integrations.p.events] and its keys below"),
    ("[[plans]]", "9: plans: must be a table; write [plans] and its keys below"),
    ("[sources.b]\ntokens = ['env:TOKEN']\nsignature_tolerance_s = -1", "11: sources.b.signature_tolerance_s: must not be negative; write 0 or more"),
    ("[sources.b]\ntokens = ['env:TOKEN']\nsignature_tolerance_s = 1.5", "11: sources.b.signature_tolerance_s: must be a whole number; write it without quotes or point"),
    # choices
    ("dates = 'ISO'", '9: integrations.p.dates: "ISO" is not possible; write "unix" or "iso"'),
    ("late = true", '9: integrations.p.late: this is not possible; write "send", "mark" or "skip"'),
    ("start = 'then'", '9: integrations.p.start: "then" is not possible; write "now" or "archive"'),
    ("identity.anonymous = 'drop'", '9: integrations.p.identity.anonymous: "drop" is not possible; write "skip", "event" or "profile"'),
    ("identity.email_like_user_id = ''", '9: integrations.p.identity.email_like_user_id: "" is not possible; write "id" or "email"'),
    ("[integrations.p.identity]\nid = []\nemail = []", '9: integrations.p.identity: id and email are both empty; name a payload field, as id = ["user_id"]'),
    ("[integrations.p.identity]\nplaceholders = []", "10: integrations.p.identity.placeholders: unknown key; placeholders belong to the source, under [sources.NAME.identity]"),
    ("[sources.app.identity]\nid = []\nemail = []", '9: sources.app.identity: id and email are both empty; name a payload field, as id = ["user_id"]'),
    ("[sources.app.identity]\nanonymous = 'skip'", "10: sources.app.identity.anonymous: unknown key here; each integration chooses, under [integrations.NAME.identity]"),
    ("[sources.app.identity]\nids = []", "10: sources.app.identity.ids: unknown key; write id"),
    # names
    ("[sources.My_App]\ntokens = ['env:TOKEN']", "9: sources.My_App: not a usable name; write 1 to 63 of a-z, 0-9, - and _, a letter or digit first"),
    ("[sources.b]", '9: sources.b: nobody can send to it; write webhook_secret = "env:NAME" or tokens = [...]'),
    ("[sources.b]\ntokens = []\nwebhook_secret = []", '9: sources.b: nobody can send to it; write webhook_secret = "env:NAME" or tokens = [...]'),
    # events
    ("events.ACTIVATE = ''", "9: integrations.p.events.ACTIVATE: the name is blank; write one, or true to keep the original"),
    ("events.ACTIVATE = ' Active'", "9: integrations.p.events.ACTIVATE: the name begins or ends with a space, or a character that is not seen; write it without"),
    (f"events.ACTIVATE = '{'é' * 51}'", "9: integrations.p.events.ACTIVATE: the name is longer than 100 bytes; shorten it"),
    ("events.ACTIVATE = 1", "9: integrations.p.events.ACTIVATE: neither a switch nor a name; write true, false, or another name in quotes"),
    (f"events.{'A' * 101} = true", f"9: integrations.p.events.{'A' * 101}: the name is longer than 100 bytes; give it another one"),
    ("events.'ACTIVATE ' = true", "9: integrations.p.events.ACTIVATE : the name begins or ends with a space, or a character that is not seen; write it without"),
    ("events.'*' = 'All'", "9: integrations.p.events.*: cannot rename every event to one; write true or false"),
    ("events.'TRIAL_*' = true", '9: integrations.p.events.TRIAL_*: only "*" alone is a wildcard; write each code in full'),
    ('events."A\\nB" = 1', "9: integrations.p.events.A\\nB: neither a switch nor a name; write true, false, or another name in quotes"),
    # user properties
    ("user_properties.plan = '\t'", "9: integrations.p.user_properties.plan: the name is blank; write one, or true to keep the original"),
    (f"user_properties.plan = '{'x' * 151}'", "9: integrations.p.user_properties.plan: the name is longer than 150 bytes; shorten it"),
    ("user_properties.plan = 'email'", '9: integrations.p.user_properties.plan: "email" is reserved by Customer.io; write another attribute name'),
    ("user_properties.phone = true", '9: integrations.p.user_properties.phone: "phone" is reserved by Customer.io; write another attribute name'),
    ("user_properties.plan = 'cio_subscription_preferences.topics.topic_7'", '9: integrations.p.user_properties.plan: "cio_subscription_preferences.topics.topic_7" is reserved by Customer.io; write another attribute name'),
    ("[integrations.p.user_properties]\nnext_renewal_at = true\nplan = true\neffective_next_renewal_at = 'next_renewal_at'", '12: integrations.p.user_properties.effective_next_renewal_at: "next_renewal_at" already holds the user property next_renewal_at; write another name'),
    ("user_properties.'*' = true", '9: integrations.p.user_properties.*: only "cumulated_revenue_in_*" is a wildcard; write each name in full'),
    ("user_properties.'cumulated_revenue_in_*' = 'ltv'", "9: integrations.p.user_properties.cumulated_revenue_in_*: a family keeps its names; write true, or rename one, as cumulated_revenue_in_eur"),
    ("[integrations.p.user_properties]\ncumulated_revenue_in_eur = false\n'cumulated_revenue_in_*' = true", '10: integrations.p.user_properties.cumulated_revenue_in_eur: "cumulated_revenue_in_*" sends it all the same; enable single names instead'),
    # event attributes
    ("event_attributes.rename.plan = 'reply_to'", '9: integrations.p.event_attributes.rename.plan: "reply_to" would change a message\'s addresses; write another name'),
    ("event_attributes.rename.plan = ''", "9: integrations.p.event_attributes.rename.plan: the name is blank; write one, or true to keep the original"),
    ("[integrations.p.event_attributes.rename]\nplan = 'x'\nproduct = 'x'", '11: integrations.p.event_attributes.rename.product: "x" already holds the payload field plan; write another name'),
    ("[integrations.p.event_attributes]\ninclude = ['a', 'b']\nrename = {b = 'a'}", '11: integrations.p.event_attributes.rename.b: "a" already holds the payload field a; write another name'),
    ("event_attributes.rename.plan = 'product'", '9: integrations.p.event_attributes.rename.plan: "product" already holds the payload field product; write another name'),
    # plans
    ("[plans]\nmonthly = 'P1M'\nweekly = '1 week'", '11: plans.weekly: not a period; write one of ISO 8601, as "P1W", "P1M", "P3M" or "P1Y"'),
    ("[plans]\nmonthly = 1", '10: plans.monthly: must be text; write it in quotes, as "..."'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), APPENDED, ids=[problem for _, problem in APPENDED])
def test_a_wrong_line_is_told(text, problem):
    """One error, one line of report: where it is, what is wrong, what to write."""
    assert problems(GOOD + text) == [f"f.toml:{problem}"]


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ('source = "app"\n', "", '4: integrations.p.source: is missing; write source = "my-app", one of [sources]'),
        ('region = "eu"\n', "", '4: integrations.p.region: is missing; write region = "eu" or region = "us"'),
        ('site_id = "env:SITE"\n', "", '4: integrations.p.site_id: is missing; write site_id = "env:CUSTOMERIO_SITE_ID"'),
        ('api_key = "env:KEY"\n', "", '4: integrations.p.api_key: is missing; write api_key = "env:CUSTOMERIO_API_KEY"'),
        ('"app"', '"apps"', '5: integrations.p.source: no source "apps"; write "app", or add [sources.apps]'),
        ('"eu"', '"uk"', '6: integrations.p.region: "uk" is not possible; write "us" or "eu"'),
        ("integrations.p", "integrations.P", "4: integrations.P: not a usable name; write 1 to 63 of a-z, 0-9, - and _, a letter or digit first"),
        ("env:SITE", "env:NO_SITE", "7: integrations.p.site_id: environment variable NO_SITE is not set; set it, or name another one"),
        ("env:KEY", "env:EMPTY", "8: integrations.p.api_key: environment variable EMPTY is empty; set it, or name another one"),
        ("env:KEY", "env:BLANK", "8: integrations.p.api_key: environment variable BLANK is empty; set it, or name another one"),
        ("env:SECRET", "env:GONE", "2: sources.app.webhook_secret: environment variable GONE is not set; set it, or name another one"),
        ('["env:TOKEN"]', '[\n"env:TOKEN",\n"env:OLD"]', "5: sources.app.tokens: environment variable OLD is not set; set it, or name another one"),
    ],
)  # fmt: skip
def test_a_missing_or_impossible_value_is_told(right, wrong, problem):
    """Required keys, the source's name, and variables that hold nothing."""
    assert problems(GOOD.replace(right, wrong)) == [f"f.toml:{problem}"]


@pytest.mark.parametrize("value", ['"hunter2"', '"env:hunter2"', '"$hunter2"', '["hunter2"]', '{env = "hunter2"}', "2"])
@pytest.mark.parametrize(
    ("reference", "place"),
    [
        ('"env:SECRET"', "2: sources.app.webhook_secret"),
        ('["env:TOKEN"]', "3: sources.app.tokens"),
        ('"env:SITE"', "7: integrations.p.site_id"),
        ('"env:KEY"', "8: integrations.p.api_key"),
    ],
)
def test_a_secret_in_clear_is_refused_and_not_repeated(reference, place, value):
    """Secrets belong in variables, and what is there instead is never printed."""
    (problem,) = problems(GOOD.replace(reference, value))
    assert problem.startswith(f"f.toml:{place}: ")
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    "url",
    [
        "",
        "track.customer.io",
        "ftp://track.customer.io",
        "https://",
        "https://track.customer.io/",
        "https://track.customer.io/api",
        "https://track.customer.io?x",
        "https://track.customer.io#x",
        "https://user:hunter2@track.customer.io",
        "https://track.customer.io:99999",
        "https://track.customer.io:0",
        "https://[::1",
        "https://[12]:80",
        "https://two words",
        "https://track.customer.io\\n",
    ],
)
def test_a_base_url_is_scheme_host_and_port_alone(url):
    """Nothing to append a path to twice, and no credentials, which are not repeated either."""
    assert problems(GOOD + f'base_url = "{url}"') == [
        (
            "f.toml:9: integrations.p.base_url: must be a scheme, host and port alone; "
            "write it as https://track-eu.customer.io"
        )
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1: sources: is missing; write [sources.my-app]"),
        ("sources = {}", "1: sources: is empty; name at least one"),
        ("[a]\n* = true", '2: a.*: not TOML (Invalid statement); write key = value or [table], and names with signs in quotes, as "*"'),
        ("[a]\nb = True\n", "2: a.b: not TOML (Invalid value); write text in quotes, switches as true or false"),
        ("a = 1\nb = env:KEY\n", "2: b: not TOML (Invalid value); write text in quotes, switches as true or false"),
        ('[a]\nb = "x\nc = 1', "2: a.b: not TOML (Illegal character '\\n'); close the quotes on the same line"),
        ('a = """\n\n\n', "1: a: not TOML (Unterminated string); close the quotes"),
        ("a = [\n1,\n2\n", "1: a: not TOML (Unclosed array); close the bracket"),
        ("[a]\n\nb", "3: not TOML (Expected '=' after a key in a key/value pair); write key = value"),
        ("[integrations.p]\n\n[integrations.p]\n", "3: integrations.p: is here twice, first in line 1; keep one, or rename one"),
        ("[a]\nb = [\n1]\nb = [\n2]\n", "4: a.b: is here twice, first in line 2; keep one, or rename one"),
        ("a = 1\na.b = 2\n", "2: a.b: not TOML (Cannot overwrite a value); correct it here"),
        ("a = " + "[" * 5000, "1: brackets are nested too deeply; write flat tables"),
    ],
)  # fmt: skip
def test_what_is_no_toml_is_told_with_its_key(text, problem):
    """Syntax errors and repeated names, at their line."""
    assert problems(text) == [f"f.toml:{problem}"]


def test_every_error_is_told_at_once_from_the_top_down():
    """Nobody has to start the relay once per mistake."""
    text = GOOD.replace("env:KEY", "env:GONE").replace('"app"', '"apps"') + "late = 1\nbase = 2\n"
    assert [problem.split(": ")[:2] for problem in problems(text)] == [
        ["f.toml:5", "integrations.p.source"],
        ["f.toml:8", "integrations.p.api_key"],
        ["f.toml:9", "integrations.p.late"],
        ["f.toml:10", "integrations.p.base"],
    ]


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    """No such file, and a file that is no text."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.toml", {})
    assert str(caught.value) == (
        f"{tmp_path}/none.toml: cannot be read (No such file or directory); "
        "set RELAY_INTEGRATIONS to an integrations file"
    )
    (tmp_path / "latin.toml").write_bytes(b"# a\n# caf\xe9\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "latin.toml", {})
    assert str(caught.value) == f"{tmp_path}/latin.toml:2: not UTF-8; save it as UTF-8"
