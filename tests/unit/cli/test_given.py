"""Files that a command is given by who must not show them to the command's user."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.support.unseen import unseen
from worker.cli.given import GivenFile, read_given, spoken
from worker.errors import OperatorError

ANOTHER_WAY = "may not read it; give its text instead (- < FILE), or a copy in /tmp"


@click.command()
@click.argument("file", type=GivenFile())
def show(file):
    """Print a file."""
    click.echo(file.read())


@pytest.fixture
def folder(tmp_path):
    """A folder with a file."""
    made = tmp_path / "home"
    made.mkdir()
    (made / "draft.toml").write_text("# a draft\n")
    return made


def test_a_file_that_must_not_be_read_is_given_another_way(folder):
    """The message says who may not, and what to do."""
    with unseen(folder):
        done = CliRunner().invoke(show, ["draft.toml"])
        with pytest.raises(OperatorError, match=r"^draft\.toml: the user ") as refused:
            read_given(Path("draft.toml"))
    assert (done.exit_code, ANOTHER_WAY in done.output) == (2, True)
    assert ANOTHER_WAY in str(refused.value)


def test_its_text_is_taken_as_standard_input():
    """As a file's: an editor's mark is left out, and a line ends in one way."""
    assert CliRunner().invoke(show, ["-"], input="text").output == "text\n"

    @click.command()
    def read():
        """Print what is given."""
        click.echo(repr(read_given(Path("-"))))

    assert CliRunner().invoke(read, input=b"\xef\xbb\xbfa = 1\r\n").output == "'a = 1\\n'\n"
    assert "not UTF-8" in str(CliRunner().invoke(read, input=b"\xff").exception)
    assert (spoken(Path("-")), spoken(Path("a.toml"))) == ("standard input", "a.toml")


def test_a_file_that_is_not_there_is_named(folder):
    """A draft is no file of RELAY_INTEGRATIONS: that one is not spoken of."""
    with pytest.raises(OperatorError, match=r"no.toml: cannot be read \(No such file or directory\); name another"):
        read_given(folder / "no.toml")
    assert read_given(folder / "draft.toml") == "# a draft\n"
