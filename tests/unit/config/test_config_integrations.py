"""What a good integrations file comes to."""

import io

import pytest
from rich.console import Console

from config.effective import identity_of
from config.integrations import Integration, Source, default_identity, load, parse
from config.shape import PLACEHOLDERS

ENVIRON = {
    "SECRET": "s3cr3t-a\n",
    "OLD_SECRET": "s3cr3t-b",
    "TOKEN": "s3cr3t-t",
    "SITE": "s3cr3t-s",
    "KEY": "s3cr3t-k",
}
SMALL = """\
[sources.app]
webhook_secret = ["env:SECRET", "env:OLD_SECRET"]
[integrations.p]
source = "app"
region = "eu"
site_id = "env:SITE"
api_key = "env:KEY"
"""
FULL = """\
[plans]
monthly = "P1M"
[sources.app]
webhook_secret = "env:SECRET"
tokens = ["env:TOKEN"]
signature_tolerance_s = 300
[integrations.p]
source = "app"
enabled = true
region = "us"
site_id = "env:SITE"
api_key = "env:KEY"
base_url = "http://127.0.0.1:8085"
environments = ["SANDBOX", "PRODUCTION"]
dates = "iso"
late = "mark"
merge_transfers = true
start = "archive"
[integrations.p.identity]
id = ["crm_id"]
email = []
anonymous = "profile"
email_like_user_id = "email"
[integrations.p.events]
"*" = false
ACTIVATE = true
DEACTIVATE = false
TRIAL_STARTED = "Trial Started"
[integrations.p.user_properties]
plan = true
store = false
effective_next_renewal_at = "next_renewal_at"
"cumulated_revenue_in_*" = true
[integrations.p.event_attributes]
include = ["plan", "store"]
exclude = ["store"]
rename = { plan = "tier" }
"""


def integration(text, name="p"):
    return parse(text, "f.toml", ENVIRON).integrations[name]


def test_every_key_arrives():
    """Each key of the file has its field, with the values resolved."""
    found = parse(FULL, "f.toml", ENVIRON)
    assert found.path == "f.toml"
    assert found.sources == {"app": Source("app", (b"s3cr3t-a",), (b"s3cr3t-t",), 300)}
    one = found.integrations["p"]
    assert one == Integration(
        name="p",
        source="app",
        enabled=True,
        region="us",
        site_id="s3cr3t-s",
        api_key="s3cr3t-k",
        base_url="http://127.0.0.1:8085",
        environments=frozenset({"SANDBOX", "PRODUCTION"}),
        source_environments=frozenset({"SANDBOX", "PRODUCTION"}),
        identity=identity_of(("crm_id",), (), "email", PLACEHOLDERS),
        source_identity=default_identity(),
        anonymous="profile",
        events={"ACTIVATE": "ACTIVATE", "DEACTIVATE": None, "TRIAL_STARTED": "Trial Started"},
        default_event=False,
        properties={
            "plan": "plan",
            "effective_next_renewal_at": "next_renewal_at",
            "cumulated_revenue_in_*": "cumulated_revenue_in_*",
        },
        dates="iso",
        late="mark",
        include=frozenset({"plan", "store"}),
        exclude=frozenset({"store"}),
        rename={"plan": "tier"},
        merge_transfers=True,
        plans={"monthly": "P1M"},
        start="archive",
        digest=one.digest,
        revision=0,
        lines=one.lines,
    )


def test_what_is_left_out_has_its_default():
    """The smallest file: production events to the region's host, nothing enabled."""
    one = integration(SMALL)
    assert one == Integration(
        name="p",
        source="app",
        enabled=True,
        region="eu",
        site_id="s3cr3t-s",
        api_key="s3cr3t-k",
        base_url="https://track-eu.customer.io",
        environments=frozenset({"PRODUCTION"}),
        source_environments=frozenset({"PRODUCTION"}),
        identity=default_identity(),
        source_identity=default_identity(),
        anonymous="skip",
        events={},
        default_event=False,
        properties={},
        dates="unix",
        late="send",
        include=None,
        exclude=frozenset(),
        rename={},
        merge_transfers=False,
        plans={},
        start="now",
        digest=one.digest,
        revision=0,
        lines={
            "integrations.p": 3,
            "integrations.p.source": 4,
            "integrations.p.region": 5,
            "integrations.p.site_id": 6,
            "integrations.p.api_key": 7,
        },
    )
    assert integration(SMALL.replace('"eu"', '"us"')).base_url == "https://track.customer.io"


def test_several_secrets_are_all_good():
    """While a secret is replaced, the old and the new one hold; a trailing newline is no part of it."""
    source = parse(SMALL, "f.toml", ENVIRON).sources["app"]
    assert source == Source("app", (b"s3cr3t-a", b"s3cr3t-b"), (), None)


def test_secrets_are_not_shown():
    """Neither repr nor rich, which tracebacks use, tells a secret."""
    found = parse(FULL, "f.toml", ENVIRON)
    console = Console(file=io.StringIO(), width=10_000)
    console.print(found)
    shown = f"{found!r} {found} {console.file.getvalue()}"
    assert "Source(name='app', webhook_secrets='***', tokens='***'" in shown
    assert "site_id='***', api_key='***'" in shown
    assert "s3cr3t" not in shown


def test_a_disabled_integration_needs_no_credentials():
    """Switching off is what one does when a key is gone; the name of its variable is still checked."""
    text = SMALL + "enabled = false\n"
    found = parse(text, "f.toml", {"SECRET": "a", "OLD_SECRET": "b"}).integrations["p"]
    assert (found.enabled, found.site_id, found.api_key) == (False, "", "")


def test_a_source_knows_its_integrations_and_their_environments():
    """An environment that only a disabled integration would take is taken by nobody."""
    text = """
[sources.a]
tokens = ["env:TOKEN"]
[sources.b]
tokens = ["env:TOKEN"]
"""
    for name, source, rest in [
        ("one", "a", ""),
        ("two", "a", 'enabled = false\nenvironments = ["SANDBOX"]'),
        ("three", "b", 'environments = ["SANDBOX"]'),
    ]:
        text += f'[integrations.{name}]\nsource = "{source}"\nregion = "eu"\n'
        text += f'site_id = "env:SITE"\napi_key = "env:KEY"\n{rest}\n'
    found = parse(text, "f.toml", ENVIRON)
    assert [one.name for one in found.of_source("a")] == ["one", "two"]
    assert [one.name for one in found.of_source("b")] == ["three"]
    assert found.of_source("c") == ()
    production, sandbox = frozenset({"PRODUCTION"}), frozenset({"SANDBOX"})
    environments = {one.name: one.source_environments for one in found.integrations.values()}
    assert environments == {"one": production, "two": production, "three": sandbox}


@pytest.mark.parametrize(
    ("events", "code", "sent", "rule"),
    [
        ("ACTIVATE = true", "ACTIVATE", "ACTIVATE", ("integrations.p.events.ACTIVATE", 9)),
        ("ACTIVATE = 'On'", "ACTIVATE", "On", ("integrations.p.events.ACTIVATE", 9)),
        ("ACTIVATE = false\n'*' = true", "ACTIVATE", None, ("integrations.p.events.ACTIVATE", 9)),
        ("ACTIVATE = 'On'\n'*' = true", "NEW_CODE", "NEW_CODE", ("integrations.p.events.*", 10)),
        ("ACTIVATE = 'On'\n'*' = false", "NEW_CODE", None, ("integrations.p.events.*", 10)),
        ("ACTIVATE = 'On'", "NEW_CODE", None, ("", 0)),
        ("'*' = true", "*", "*", ("integrations.p.events.*", 9)),
        # a retired name holds for its successor
        (
            "SUBSCRIPTION_EXPIRED = 'Over'",
            "SUBSCRIPTION_TERMINATED",
            "Over",
            ("integrations.p.events.SUBSCRIPTION_EXPIRED", 9),
        ),
        (
            "SUBSCRIPTION_EXPIRED = true",
            "SUBSCRIPTION_TERMINATED",
            "SUBSCRIPTION_TERMINATED",
            ("integrations.p.events.SUBSCRIPTION_EXPIRED", 9),
        ),
        (
            "'*' = true\nPURCHASE_VALIDATED = false",
            "ACTIVATE",
            None,
            ("integrations.p.events.PURCHASE_VALIDATED", 10),
        ),
        (
            "SUBSCRIPTION_EXPIRED = 'Over'",
            "SUBSCRIPTION_EXPIRED",
            "Over",
            ("integrations.p.events.SUBSCRIPTION_EXPIRED", 9),
        ),
        # unless the successor has an entry of its own, wherever it is
        (
            "SUBSCRIPTION_EXPIRED = 'Over'\nSUBSCRIPTION_TERMINATED = false",
            "SUBSCRIPTION_TERMINATED",
            None,
            ("integrations.p.events.SUBSCRIPTION_TERMINATED", 10),
        ),
    ],
)
def test_the_rule_for_a_code_is_known_with_its_line(events, code, sent, rule):
    """The code's own entry, else a retired name's, else "*", else silence."""
    one = integration(f"{SMALL}[integrations.p.events]\n{events}\n")
    assert (one.sent_name(code), one.rule(code)) == (sent, rule)


def test_the_revision_follows_what_is_sent():
    """It is twelve hex digits that comments, secrets and order leave alone, and every rule changes."""
    first = integration(FULL).digest
    assert len(first) == 12
    assert int(first, 16) >= 0
    rotated = parse(FULL, "g.toml", {**ENVIRON, "KEY": "new", "SITE": "new", "SECRET": "new"})
    assert rotated.integrations["p"].digest == first
    assert integration("# a comment\n" + FULL).digest == first
    assert integration(FULL.replace('"SANDBOX", "PRODUCTION"', '"PRODUCTION", "SANDBOX"')).digest == first
    others = {
        integration(FULL.replace(*change)).digest
        for change in [
            ("DEACTIVATE = false", "DEACTIVATE = true"),
            ("Trial Started", "Trial"),
            ("plan = true", "plan = 'tier'"),
            ('"P1M"', '"P3M"'),
            ('"iso"', '"unix"'),
            ('"us"', '"eu"'),
        ]
    }
    assert len(others - {first}) == 6


def test_a_file_is_loaded_from_its_path(tmp_path):
    """A byte order mark and Windows line ends do no harm."""
    path = tmp_path / "integrations.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    found = load(str(path), ENVIRON)
    assert found.path == str(path)
    assert found.integrations["p"].lines["integrations.p.api_key"] == 7


def test_integrations_inherit_the_identity_of_their_source():
    """Key by key; the placeholders are the source's alone."""
    text = (
        SMALL
        + """
[integrations.p.identity]
email = []
anonymous = "event"
[sources.app.identity]
id = ["crm_id"]
email_like_user_id = "email"
placeholders = ["guest"]
"""
    )
    one = integration(text)
    assert one.source_identity == identity_of(["crm_id"], ["customerio_user_email"], "email", ["guest"])
    assert one.identity == identity_of(["crm_id"], [], "email", ["guest"])
    assert one.anonymous == "event"


def test_placeholders_mean_nobody_in_every_usual_case():
    """As written, in lower and upper case, capitalised."""
    cases = identity_of([], [], "id", ["[object Object]", "NaN"]).placeholders
    assert cases >= {"[object Object]", "[OBJECT OBJECT]", "[object object]", "NaN", "nan", "NAN", "Nan"}
