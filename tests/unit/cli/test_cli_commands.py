"""The command line as a whole."""

import shlex
import subprocess
import sys

import click
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


@pytest.mark.parametrize("group", ["suppress", "config"])
def test_a_group_without_a_command_shows_its_help(group):
    """Line by line; it was one line with the newlines spelt out."""
    ran = CliRunner().invoke(relay, [group], prog_name="relay")
    assert ran.exit_code == 2
    assert ran.output.rstrip("\n") == CliRunner().invoke(relay, [group, "--help"], prog_name="relay").output.rstrip(
        "\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["resync", "--integration", "x", "--yes", "--person", ""],  # was everybody
        ["replay", "--integration", "x", "--yes", "--person", " "],
        ["replay", "--integration", "x", "--yes", "--since", ""],  # was all that is kept
        ["dead", "discard", "--reason", "rejected", "-m", "test traffic", "--person", ""],  # was all that were rejected
        ["dead", "discard", "1", "-m", ""],
        ["suppress", "add", ""],  # was somebody
        ["forget", "--yes", ""],
    ],
)
def test_an_empty_value_does_not_mean_all(arguments):
    """A variable that is not set, in quotes, chose everything; exit 2 before anything is looked at."""
    ran = CliRunner().invoke(relay, arguments, prog_name="relay")
    assert ran.exit_code == 2
    assert "it is empty, an unset variable perhaps" in ran.output


def test_a_note_may_be_empty():
    """What is not asked for need not be said; here only the integration is lacking."""
    ran = CliRunner().invoke(relay, ["hold", "-m", "", "--by", ""], prog_name="relay")
    assert "Missing argument" in ran.output


def test_a_letter_without_a_field_is_found_by_that():
    """What the list of jobs prints can be pasted: no field is a value too."""
    ran = CliRunner().invoke(relay, ["dead", "list", "--field", "", "--event", "", "--limit", "0"], prog_name="relay")
    assert "'--limit'" in ran.output


def leaves(command, context):
    """Every command below a group, and groups that do something themselves, each with its context."""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            yield from leaves(inner, click.Context(inner, parent=context, info_name=name))
    if context.parent and (not isinstance(command, click.Group) or command.invoke_without_command):
        yield command, context


LEAVES = list(leaves(relay, click.Context(relay, info_name="relay")))


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf[1].command_path)
def test_every_help_has_examples_that_can_be_typed(leaf, tmp_path, monkeypatch):
    """They begin with the command itself, and its options and arguments are read as they are written."""
    command, context = leaf
    monkeypatch.chdir(tmp_path)
    lines = [line.strip() for line in command.get_help(context).splitlines()]
    found = [line for line in lines if line.startswith(("relay ", "eval "))]
    assert any(context.command_path in line for line in found), lines
    for line in found:
        for name in ("history.ndjson", "history.csv", "letters.ndjson", "event.json", "events.csv", "activities.json"):
            (tmp_path / name).touch()
        words = shlex.split(line.partition(" > ")[0].partition(" < ")[0].partition("   ")[0], comments=True)
        if words[0] == "relay":
            parse(relay, words[1:])


def parse(command, words):
    """Read the words as a command line would be, and run nothing."""
    with command.make_context(command.name, words) as context:
        if isinstance(command, click.Group) and context._protected_args:
            _, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            parse(inner, rest)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_what_is_typed(shell):
    """The script is the shell's own; it asks this command, which knows commands, options and reasons by itself."""
    script = CliRunner().invoke(relay, ["completion", shell], prog_name="relay").output
    assert f"_RELAY_COMPLETE={shell}_complete" in script
    assert "\\x" not in script


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("relay jo", {"jobs"}),
        ("relay dead rep", {"replay"}),
        ("relay dead replay --reason re", {"rejected"}),
        ("relay dead list --event SUBSCRIPTION_REN", {"SUBSCRIPTION_RENEWED"}),
        ("relay dead discard --dry", {"--dry-run"}),
        ("relay config ro", {"rollback"}),
        ("relay hold pro", set()),
    ],
)
def test_completion_without_a_relay_says_what_it_knows(typed, expected, tmp_path):
    """Names need Redis; without one nothing is said, on standard error neither."""
    env = {"PATH": "/usr/bin:/bin", "_RELAY_COMPLETE": "bash_complete", "RELAY_DATA_DIR": str(tmp_path), "RELAY_X": "1"}
    env |= {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    run = [sys.executable, "-c", "from worker.cli import main; main()"]
    done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert {line.partition(",")[2] for line in done.stdout.splitlines() if line} == expected
    assert done.stderr == ""
