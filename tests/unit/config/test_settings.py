"""Settings are what the environment says, each by its type."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from config.settings import Settings
from config.wording import of_settings


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


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("SHARDS", "abc", '"abc" is no whole number'),
        ("CONCURRENCY", "1.5", '"1.5" is no whole number'),
        (
            "PORT",
            "tcp://10.0.0.1:80",
            (
                '"tcp://10.0.0.1:80" is no whole number; Kubernetes sets it after a Service of that name: '
                "write enableServiceLinks: false in the pod's spec"
            ),
        ),
        ("LEASE_S", "soon", '"soon" is no number'),
        ("LEASE_S", "0", "0 is too little; write 1 or more"),
        ("APPEND_TIMEOUT_S", "0", "0 is too little; write more than 0"),
        ("PORT", "99999", "99999 is too much; write 65535 or less"),
        ("POOL", "fork", '"fork" is not possible; write threads or prefork'),
        ("TRACES", "maybe", '"maybe" is no switch; write true or false'),
        ("CONSOLE_LOGIN", "foo", '"foo" is no way to log in; there are: link, proxy, oidc'),
    ],
)
def test_what_is_wrong_is_said_in_words(monkeypatch, name, text, message):
    """Which variable, what it has, and what to write."""
    monkeypatch.setenv(f"RELAY_{name}", text)
    with pytest.raises(ValidationError) as found:
        Settings()
    assert of_settings(found.value) == [f"RELAY_{name}: {message}"]


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
