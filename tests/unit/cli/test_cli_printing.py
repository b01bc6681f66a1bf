"""What people read: numbers and times, and lines that nobody can forge."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from worker.cli import relay
from worker.cli.columns import columns
from worker.cli.printing import Styled, count, say, say_lines, show_progress, span
from worker.cli.streams import prepare_streams


@pytest.mark.parametrize(
    ("milliseconds", "message"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (9_940, "9.9 s"),
        (9_960, "10 s"),
        (59_400, "59 s"),
        (59_940, "1 min"),
        (60_000, "1 min"),
        (61_000, "1 min 1 s"),
        (3_600_000, "1 h"),
        (5_400_000, "1 h 30 min"),
        (86_400_000, "1 d"),
        (200_000_000, "2 d 7 h"),
        (90_000_000_000, "1041 d 16 h"),
    ],
)
def test_a_time_has_one_or_two_units(milliseconds, message):
    """Nobody counts zeros."""
    assert span(milliseconds) == message


def test_thousands_are_set_apart():
    """Large counts can be read."""
    assert count(1234567) == "1,234,567"


def test_no_command_prints_by_itself():
    """What is printed goes through `worker.cli.printing`, which makes it harmless; the demo's own console aside."""
    folder = Path(__file__).parents[3] / "worker" / "cli"
    by_itself = re.compile(r"click\.(echo|secho|echo_via_pager)\(|(?<![\w.])print\(")
    found = {
        f"{path.relative_to(folder)}: {line.strip()}"
        for path in folder.rglob("*.py")
        for line in path.read_text().splitlines()
        if by_itself.search(line) and path.name != "printing.py"
    }
    # the file of a revision, byte for byte, into a pipe
    assert {one for one in found if "byte for byte" not in one} == set()


def test_a_line_is_one_line(capsys):
    """A newline in a value forges no row, and only our own colours reach the terminal."""
    say("name\nforged \x1b[31mred", Styled("\x1b[2Jbad", fg="red"))
    say_lines("two\nlines\x07")
    assert capsys.readouterr().out == "name\\nforged \\x1b[31mred\\x1b[2Jbad\ntwo\nlines\\x07\n"


@pytest.mark.parametrize(("plain", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_a_terminal_unless_nobody_wants_them(plain, coloured):
    """NO_COLOR is obeyed by every command."""
    master, slave = pty.openpty()
    env = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    env |= {"NO_COLOR": plain, "TERM": "xterm", "RELAY_INTEGRATIONS": "/no/such/file"}
    run = [sys.executable, "-c", "from worker.cli import main; main()", "check", "--offline"]
    process = subprocess.Popen(run, env=env, stdin=slave, stdout=slave, stderr=slave)
    assert process.wait(60) == 1
    text = os.read(master, 65_536)  # with a spinner, where the machine is busy
    os.close(master)
    os.close(slave)
    assert b"Integrations file" in text
    assert bool(re.search(rb"\x1b\[[0-9;]*m", text)) is coloured


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("latin-1", "* live \xb7 Zo\xeb \\u732b ->\n"),
        ("ascii", "* live . Zo\\u00eb \\u732b ->\n"),
        ("utf-8", "● live · Zoë 猫 →\n"),
    ],
)
def test_a_terminal_without_a_character_gets_its_likeness(monkeypatch, encoding, shown):
    """In a locale without UTF-8 `relay status`, `check` and `person` ended in a traceback."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    prepare_streams()
    Console(highlight=False).print("● live · Zoë 猫 →")
    out.flush()
    assert out.buffer.getvalue().decode(encoding) == shown


@pytest.mark.parametrize(
    ("closing", "code", "message"),
    [
        (">/dev/full", 2, "relay: cannot write (No space left on device): make room where the output goes"),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
    ],
)
def test_an_output_that_takes_nothing_is_no_traceback(closing, code, message):
    """A full disk is one line; a closed output, as of a careless cron job, is nowhere."""
    command = f"exec '{sys.executable}' -c 'from worker.cli import main; main()' --help {closing}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == bool(message)


def test_a_cell_is_one_row():
    """Columns stay aligned, and no cell makes a row."""
    assert columns([["a\nforged", "1"], ["b", "2"]]) == ["a\\nforged  1", "b          2"]


def test_an_error_does_not_act_on_the_terminal():
    """What a message repeats, an argument or a name in Redis, is shown as the rest."""
    done = CliRunner().invoke(relay, ["no\x1b]0;x\x07such"])
    assert done.exit_code == 2
    assert "\x1b" not in done.output
    assert r"\x1b]0;x\x07" in done.output


@pytest.mark.parametrize(
    ("terminal", "written"), [(True, "\r1 of 2\r2 of 2\n"), (False, "2 of 2\n")], ids=["terminal", "file"]
)
def test_progress_is_a_line_that_changes_only_on_a_terminal(monkeypatch, capsys, terminal, written):
    """In a file or a journal each of its states would be one more piece of the same line."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    show_progress("1 of 2", last=False)
    show_progress("2 of 2", last=True)
    assert capsys.readouterr().err == written
