"""A secret as a page shows it: where it is, who set it and when; never what it is."""

import msgspec
import pytest

from worker.console.protected import protected_changes
from worker.console.secretview import SecretView, view_secret
from worker.revisions.store import Revision, Revisions, digest_of

TEXT = """\
[sources.app]
tokens = "env:TOKEN"
[integrations.crm]
source = "app"
region = "eu"
site_id = "env:SITE"
api_key = "{key}"
"""


@pytest.fixture
def revisions(redis_client):
    return Revisions(redis_client)


def publish(revisions, text, by, at_ms):
    number = revisions.publish(Revision(text, digest_of(text), by, at_ms), revisions.head())
    return msgspec.structs.replace(revisions.get(number), number=number)


def test_who_set_it_and_when(revisions):
    """The revision that brought the present reference; later ones left it as it was."""
    publish(revisions, TEXT.format(key="env:KEY"), "ann", 1)
    publish(revisions, TEXT.format(key="sealed:abc"), "bob", 2)
    running = publish(revisions, TEXT.format(key="sealed:abc") + "# a comment\n", "cid", 3)
    shown = view_secret(revisions, running, running.text, "crm", "api_key")
    assert shown == SecretView("sealed", "", 2, "bob", 2)
    assert view_secret(revisions, running, running.text, "crm", "site_id") == SecretView("env", "SITE", 1, "ann", 1)


def test_one_of_a_draft_was_set_by_nobody_yet(revisions):
    """Nor one of an integration that is not there, or of a text that is none."""
    running = publish(revisions, TEXT.format(key="env:KEY"), "ann", 1)
    draft = TEXT.format(key="file:/run/secrets/key")
    assert view_secret(revisions, running, draft, "crm", "api_key") == SecretView("file", "/run/secrets/key")
    for text, name in ((draft, "other"), ("[", "crm")):
        assert view_secret(revisions, running, text, name, "api_key") == SecretView("none", "")


def test_a_change_of_a_secret_or_its_address_is_protected():
    """Another key, and another address that the key would be sent to; new tables; nothing else."""
    text = TEXT.format(key="env:KEY")
    assert protected_changes(text, text + "late = 'mark'\n") == ()
    assert protected_changes(text, text.replace("env:KEY", "env:OTHER")) == ("integrations.crm.api_key",)
    assert protected_changes(text, text + "base_url = 'http://evil.example'\n") == ("integrations.crm.base_url",)
    assert protected_changes(text, text.replace("env:TOKEN", "env:T")) == ("sources.app.tokens",)
    copied = text + text[text.index("[integrations.crm]") :].replace("crm", "copy")
    assert protected_changes(text, copied) == ()
    elsewhere = copied + "base_url = 'http://evil.example'\n"
    assert protected_changes(text, elsewhere) == (
        "integrations.copy.site_id",
        "integrations.copy.api_key",
        "integrations.copy.base_url",
    )
    assert protected_changes(copied, text) == ()
