"""The command line as a whole."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from worker.cli import _COMMANDS, relay

HEAVY = ("redis", "celery", "requests", "rich", "falcon", "uvicorn", "pydantic", "tenacity")


def test_help_imports_nothing_heavy():
    """`relay --help` starts at once: no command's module is imported for it."""
    code = f"""
import sys
from click.testing import CliRunner
from worker.cli import relay
result = CliRunner().invoke(relay, ["--help"])
assert result.exit_code == 0, result.output
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_help_lists_every_command_with_its_purpose():
    """Who reads the overview can choose."""
    output = CliRunner().invoke(relay, ["--help"]).output
    assert [line.split()[0] for line in output.partition("Commands:\n")[2].splitlines() if line[2:3].strip()] == [
        *_COMMANDS
    ]


@pytest.mark.parametrize("name", list(_COMMANDS))
def test_every_command_explains_itself(name):
    """Each command is there, and has help of its own."""
    result = CliRunner().invoke(relay, [name, "--help"])
    assert result.exit_code == 0
    assert f"relay {name}" in result.output


def test_an_unknown_command_is_a_usage_error():
    """Exit 2: used wrongly."""
    assert CliRunner().invoke(relay, ["dmeo"]).exit_code == 2
