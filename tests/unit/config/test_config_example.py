"""The example file: complete, and good as it is."""

import re
from importlib import resources
from pathlib import Path

import pytest

import config
from config.integrations import ConfigError, load
from config.shape import (
    EventAttributesTable,
    FileTable,
    IdentityTable,
    IntegrationTable,
    SourceIdentityTable,
    SourceTable,
)

EXAMPLE = Path(str(resources.files(config))) / "integrations.toml"
VARIABLES = [
    "PURCHASELY_WEBHOOK_SECRET",
    "UPSTREAM_TOKEN",
    "CUSTOMERIO_SITE_ID",
    "CUSTOMERIO_API_KEY",
    "CUSTOMERIO_SANDBOX_SITE_ID",
    "CUSTOMERIO_SANDBOX_API_KEY",
]


def test_it_loads_without_a_warning():
    """With its six variables set, the example is a working file for production and sandbox."""
    found = load(EXAMPLE, {name: name.lower() for name in VARIABLES})
    assert found.warnings == ()
    assert set(found.sources) == {"my-app"}
    production, sandbox = found.of_source("my-app")
    assert (production.name, production.environments) == ("production", {"PRODUCTION"})
    assert (sandbox.name, sandbox.environments) == ("sandbox", {"SANDBOX"})
    assert production.source_environments == {"PRODUCTION", "SANDBOX"}
    assert production.sent_name("SUBSCRIPTION_STARTED") == "Subscription Started"
    assert production.sent_name("ACTIVATE") is None
    assert production.sent_name("A_CODE_OF_TOMORROW") == "A_CODE_OF_TOMORROW"
    assert production.properties["effective_next_renewal_at"] == "next_renewal_at"


def test_it_asks_for_its_variables_by_name():
    """Without any variable, each missing one is reported in its own line."""
    with pytest.raises(ConfigError) as caught:
        load(EXAMPLE, {})
    assert [re.findall("[A-Z_]{4,}", line.split("variable ")[1]) for line in caught.value.problems] == [
        [name] for name in VARIABLES
    ]


@pytest.mark.parametrize(
    "table", [FileTable, SourceTable, SourceIdentityTable, IntegrationTable, IdentityTable, EventAttributesTable]
)
def test_every_key_stands_in_it(table):
    """A key that is not in the example does not exist for its reader."""
    text = EXAMPLE.read_text("utf-8")
    for key in table.model_fields:
        assert re.search(rf"(?m)^#? ?{key} = |^\[([\w-]+\.)*{key}(\.[\w-]+)*\]$", text), key


def test_defaults_that_it_shows_are_the_defaults():
    """What the example writes out as a default is what holds without it."""
    text = EXAMPLE.read_text("utf-8")
    shown = dict(re.findall(r"(?m)^(\w+) = (.+?) +# .*default", text))
    defaults = {
        name: field.default
        for table in (IntegrationTable, IdentityTable, SourceIdentityTable)
        for name, field in table.model_fields.items()
    }
    assert len(shown) == 11
    for key, value in shown.items():
        assert re.sub(r"'", '"', str(defaults[key])).strip('"').lower() == value.strip('"').lower()
