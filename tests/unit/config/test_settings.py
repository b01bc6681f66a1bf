"""Settings are what the environment says, each by its type."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from config.settings import Settings


def test_a_variable_is_read_by_its_type(monkeypatch):
    """Numbers, paths, switches and secrets are text in the environment; the case of the name means nothing."""
    for name, text in {
        "RELAY_SHARDS": "4",
        "relay_lease_s": "2.5",
        "RELAY_DATA_DIR": "/var/lib/relay",
        "RELAY_TRACES": "1",
        "RELAY_METRICS_TOKEN": "abc",
        "RELAY_LOG_LEVEL": "debug",
        "RELAY_SHARD": "7",
    }.items():
        monkeypatch.setenv(name, text)
    found = Settings()
    assert (found.shards, found.lease_s, found.data_dir, found.traces) == (4, 2.5, Path("/var/lib/relay"), True)
    assert (found.metrics_token.get_secret_value(), found.log_level) == ("abc", "DEBUG")
    assert "shards" in found.model_fields_set
    assert "port" not in found.model_fields_set


def test_what_is_given_counts_before_the_environment(monkeypatch):
    """As a test or a command gives it."""
    monkeypatch.setenv("RELAY_SHARDS", "4")
    assert Settings(shards=8).shards == 8


@pytest.mark.parametrize(("name", "text"), [("RELAY_SHARDS", "many"), ("RELAY_SHARDS", ""), ("RELAY_POOL", "fork")])
def test_an_impossible_value_names_its_setting(monkeypatch, name, text):
    """So that one line can say which variable is wrong."""
    monkeypatch.setenv(name, text)
    with pytest.raises(ValidationError) as error:
        Settings()
    assert error.value.errors()[0]["loc"] == (name.removeprefix("RELAY_").lower(),)


def test_a_setting_that_is_none_is_refused():
    """A misspelt one in a program, which no type checker sees."""
    with pytest.raises(ValidationError):
        Settings(shard=4)
