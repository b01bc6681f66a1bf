"""Sources and integrations added, duplicated, switched and removed: from an empty text to a whole file and back."""

import tomllib
from importlib import resources

import pytest

from config.integrations import parse
from config.secrets import Secrets
from worker.console.workspaces import add_integration, add_source, duplicate, remove

EXAMPLE = resources.files("config").joinpath("integrations.toml").read_text("utf-8")
KEYS = {"site_id": ["site"], "api_key": ["key"]}


def seal(secret):
    return f"sealed:{secret}"


def loaded(edited):
    """The configuration of an edit without errors."""
    assert edited.errors == {}
    return parse(edited.text, "f.toml", Secrets({}), lenient=True)


def test_the_first_three_steps():
    """From nothing to a source and a workspace that takes all events."""
    source = add_source("", {"source.name": ["my-app"], "webhook_secret": ["s3cret"]}, seal)
    assert loaded(source).sources.keys() == {"my-app"}
    fields = {"name": ["production"], "source": ["my-app"], "region": ["EU"], "events.all": ["on"], **KEYS}
    config = loaded(add_integration(source.text, {**fields, "base_url": ["http://127.0.0.1:9"]}, seal))
    one = config.integrations["production"]
    assert (one.region, one.default_event, sorted(one.environments)) == ("eu", True, ["PRODUCTION"])
    assert config.warnings == ()
    assert one.base_url == "http://127.0.0.1:9"


def test_what_is_missing_is_said_at_its_field():
    """A name, a secret, a key, a source that is there."""
    assert list(add_source("", {"source.name": ["app"]}, seal).errors) == ["webhook_secret"]
    assert list(add_source("", {"webhook_secret": ["x"]}, seal).errors) == ["source.name"]
    assert list(add_source("", {"source.name": ["My App"], "webhook_secret": ["x"]}, seal).errors) == ["source.name"]
    assert list(add_source(EXAMPLE, {"source.name": ["my-app"], "token": ["x"]}, seal).errors) == ["source.name"]
    fields = {"name": ["crm"], "source": ["my-app"], "region": ["eu"]}
    assert list(add_integration(EXAMPLE, fields, seal).errors) == ["site_id", "api_key"]
    assert list(add_integration(EXAMPLE, {**fields, **KEYS, "source": ["nobody"]}, seal).errors) == ["source"]
    assert list(add_integration(EXAMPLE, {**fields, **KEYS, "region": [""]}, seal).errors) == ["region"]
    assert list(add_integration(EXAMPLE, {**fields, **KEYS, "name": ["sandbox"]}, seal).errors) == ["name"]
    assert list(add_integration(EXAMPLE, {**fields, "site_id": ["a b"], "api_key": ["x"]}, seal).errors) == ["site_id"]


def test_a_duplicate_sends_no_test_purchase_to_the_workspace_it_was_copied_from():
    """It takes sandbox purchases alone, and is off until it has keys of its own."""
    off = loaded(duplicate(EXAMPLE, "production", {}, seal)).integrations["production-sandbox"]
    assert (off.enabled, off.environments) == (False, frozenset({"SANDBOX"}))
    own = loaded(duplicate(EXAMPLE, "production", {"name": ["test"], **KEYS}, seal)).integrations
    assert own["test"].enabled
    assert (own["test"].events, own["test"].properties) == (own["production"].events, own["production"].properties)
    assert list(duplicate(EXAMPLE, "production", {"name": ["sandbox"]}, seal).errors) == ["name"]
    assert list(duplicate(EXAMPLE, "production", {"name": ["Sand box"]}, seal).errors) == ["name"]


def test_removed():
    """The tables with their comments, and nothing else."""
    gone = remove(EXAMPLE, "production")
    assert tomllib.loads(gone.text)["integrations"].keys() == {"sandbox"}
    assert loaded(remove(gone.text, "sandbox")).integrations == {}


def test_an_integration_that_is_not_there():
    """Neither copied nor removed."""
    for act in (
        lambda: duplicate(EXAMPLE, "nobody", {}, seal),
        lambda: remove(EXAMPLE, "nobody"),
    ):
        with pytest.raises(KeyError):
            act()
