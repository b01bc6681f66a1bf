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
    """Who reads the overview can choose: each command is in one section."""
    output = CliRunner().invoke(relay, ["--help"]).output
    rows = [line for line in output.partition("Start:\n")[2].splitlines() if line.startswith("  ") and line[2] != " "]
    assert sorted(line.split()[0] for line in rows) == sorted(_COMMANDS)


@pytest.mark.parametrize("name", list(_COMMANDS))
def test_every_command_explains_itself(name):
    """Each command is there, and has help of its own."""
    result = CliRunner().invoke(relay, [name, "--help"])
    assert result.exit_code == 0
    assert f"relay {name}" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dmeo"], 'unknown command "dmeo"; did you mean "demo"?'),
        (["dead", "lst"], 'unknown command "lst"; did you mean "list"?'),
        (["config", "aply"], 'unknown command "aply"; did you mean "apply"?'),
        (["xyz"], 'unknown command "xyz"; relay --help lists them'),
    ],
)
def test_an_unknown_command_is_a_usage_error_that_names_the_nearest(arguments, message):
    """Exit 2: used wrongly, with what may have been meant."""
    ran = CliRunner().invoke(relay, arguments, prog_name="relay")
    assert ran.exit_code == 2
    assert message in ran.output
