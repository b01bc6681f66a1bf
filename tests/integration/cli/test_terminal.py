"""Commands on events, people and answers that were made to act on the terminal."""

import re

import msgspec
import pytest
from click.testing import CliRunner

from tests.support.deadstack import event, opened
from worker.cli import relay
from worker.errors import OperatorError

# Sets the title, clears the screen (twice: C0 and C1), hides what follows, turns the text round, begins a row.
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b2J\x1b[8m\u202e\nFORGED "


@pytest.fixture
def dead(tmp_path, redis_url, customerio, monkeypatch):
    """One letter, one delivered event and one action, with hostile names, ids, messages and reasons."""
    with opened(tmp_path, redis_url, customerio) as stack:
        monkeypatch.setattr("worker.app.relay", lambda: stack.parts)
        monkeypatch.setenv("USER", "oncall")
        fields = {"user_id": f"u{HOSTILE}x", "event_id": f"e{HOSTILE}x", "plan": f"p{HOSTILE}x", "note": f"n{HOSTILE}x"}
        stack.deliver(
            event(1, f"GOOD{HOSTILE}x", **fields), event(2, f"BAD{HOSTILE}x", **fields, event_created_at_ms=5)
        )
        (letter,) = stack.letters()
        attempt = {"at_ms": 1, "status": 207, "took_ms": 2, "message": f"a{HOSTILE}x"}
        hostile = {"message": f"m{HOSTILE}x", "field": f"f{HOSTILE}x", "attempts": [attempt]}
        stack.parts.dead_changes.rewrite(letter, msgspec.structs.replace(letter, **hostile))
        stack.parts.suppressed.add(f"s{HOSTILE}x")
        yield stack


def commands(stack):
    (letter,) = stack.letters()
    return [
        ["status"],
        ["audit"],
        ["dead"],
        ["dead", "list"],
        ["dead", "show", letter.id],
        ["dead", "show", "1"],
        ["dead", "list", "1"],
        ["dead", "replay", "--all", "--dry-run"],
        ["dead", "replay", "1", "--dry-run"],
        ["dead", "edit", "1", "--set", f"note=a{HOSTILE}", "--dry-run"],
        ["dead", "edit", letter.id, "--set", f"note=a{HOSTILE}", "--dry-run"],
        ["trace", f"e{HOSTILE}x"],
        ["person", f"u{HOSTILE}x"],
        ["explain", f"e{HOSTILE}x"],
        ["suppress", "list"],
        ["hold", "production", "-m", f"w{HOSTILE}x"],
        ["status"],
        ["resume", "production"],
        ["config", "log"],
        ["config", "show"],
        ["hold", f"none{HOSTILE}x"],
        ["jobs", "show", f"none{HOSTILE}x"],
        ["dead", "discard", "--all", "--yes", "-m", f"w{HOSTILE}x", "--by", f"b{HOSTILE}x"],
        ["dead", "trail"],
        ["actions"],
    ]


def test_no_command_lets_a_stranger_act_on_the_terminal(dead):
    """No sequence of theirs, no row of theirs, whatever is looked at; our own colours are all there is."""
    dead.parts.begin()
    seen = 0
    for command in commands(dead):
        done = CliRunner().invoke(relay, command, color=True)
        text = done.output
        assert isinstance(done.exception, SystemExit | OperatorError | None), (command, done.exc_info)
        assert "\x1b[8m" not in text, command
        for line in re.sub(r"\x1b\[[0-9;]*m", "", text).split("\n"):
            assert line.isprintable(), (command, line)
            assert not line.lstrip().startswith("FORGED"), (command, line)
        seen += r"\x1b]0;owned" in text
    assert seen >= 12


def test_programs_get_what_was_meant_and_a_terminal_nothing_to_act_on(dead):
    """JSON has the names as they are, by escapes that mean the same."""
    for command in (["dead", "list"], ["actions"], ["trace", f"e{HOSTILE}x"], ["suppress", "list"]):
        done = CliRunner().invoke(relay, [*command, "--json"], catch_exceptions=False)
        assert done.stdout.rstrip("\n").isprintable(), command
    (item,) = msgspec.json.decode(CliRunner().invoke(relay, ["dead", "list", "--json"]).stdout)["items"]
    assert item["message"] == f"m{HOSTILE}x"
