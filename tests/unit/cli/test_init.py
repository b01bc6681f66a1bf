"""`relay init` writes a file that the relay takes without a warning."""

import pytest
from click.testing import CliRunner

from config.integrations import parse
from worker.cli.init import compose, init
from worker.errors import OperatorError


@pytest.mark.parametrize("sandbox", [False, True])
@pytest.mark.parametrize("anonymous", ["skip", "event", "profile"])
@pytest.mark.parametrize("region", ["eu", "us"])
def test_what_is_written_is_usable(region, anonymous, sandbox):
    """Whatever is answered: no error, no warning, and every answer is in it."""
    text = compose("my-app", region, anonymous, sandbox=sandbox)
    names = ("PURCHASELY_WEBHOOK_SECRET", "CUSTOMERIO", "CUSTOMERIO_SANDBOX")
    environ = {name + end: name for name in names for end in ("", "_SITE_ID", "_API_KEY")}
    found = parse(text, "f", environ)
    assert found.warnings == ()
    one = found.integrations["production"]
    assert (one.region, one.anonymous, one.source) == (region, anonymous, "my-app")
    assert list(found.integrations) == (["production", "sandbox"] if sandbox else ["production"])


def test_a_file_that_is_there_stays(tmp_path):
    """It is written over only with --force; the variables to set are named."""
    path = tmp_path / "my own.toml"
    done = CliRunner().invoke(init, [str(path), "--source", "shop", "--region", "us"])
    assert done.exit_code == 0, done.output
    assert f"RELAY_INTEGRATIONS='{path}' relay check" in done.output
    assert "Set PURCHASELY_WEBHOOK_SECRET, CUSTOMERIO_SITE_ID, CUSTOMERIO_API_KEY" in done.output
    again = CliRunner().invoke(init, [str(path), "--source", "other"])
    assert isinstance(again.exception, OperatorError)
    assert "[sources.shop]" in path.read_text()
    assert CliRunner().invoke(init, [str(path), "--source", "other", "--force"]).exit_code == 0
    assert "[sources.other]" in path.read_text()


def test_a_name_that_cannot_be_used_writes_nothing(tmp_path):
    """The message says what a name may be."""
    path = tmp_path / "i.toml"
    done = CliRunner().invoke(init, [str(path), "--source", "My App"])
    assert isinstance(done.exception, OperatorError)
    assert not path.exists()
