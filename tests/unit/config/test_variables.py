"""Environment variables that are no settings."""

from config.variables import unknown_variables


def test_a_misspelt_variable_is_named_with_the_nearest_one():
    """RELAY_SHARD=abc was ignored in silence."""
    assert list(unknown_variables({"RELAY_SHARD": "abc", "RELAY_SHARDS": "4"})) == [
        "RELAY_SHARD is not a setting; did you mean RELAY_SHARDS?"
    ]


def test_a_variable_unlike_any_other_gets_no_hint():
    """A wrong hint would be worse than none."""
    assert list(unknown_variables({"RELAY_ZZZZZZZZ": ""})) == ["RELAY_ZZZZZZZZ is not a setting"]


def test_what_somebody_reads_is_no_stranger(tmp_path):
    """Settings, the Procfile's own variable, secrets that the integrations file names, and what is not ours."""
    path = tmp_path / "i.toml"
    path.write_text('api_key = "env:RELAY_APP_KEY"\n')
    env = {"RELAY_CONCURRENCY": "2", "RELAY_REDIS_CA": "x", "RELAY_APP_KEY": "k", "RELAY_INTEGRATIONS": str(path)}
    assert list(unknown_variables({**env, "RELAYED": "no"})) == []
