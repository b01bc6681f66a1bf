"""Commands and processes on a Redis that holds what they would misread: one line, exit 2, nothing served."""

import os
import subprocess
import sys

import pytest

from tests.support.deadstack import event, opened
from worker.errors import OperatorError

COMMANDS = [
    ["status"],
    ["audit"],
    ["actions"],
    ["hold", "production", "-m", "x"],
    ["resume", "production"],
    ["dead"],
    ["dead", "list"],
    ["jobs"],
    ["trace", "event-1"],
    ["person", "user-1"],
    ["replay", "--integration", "production", "--dry-run"],
    ["resync", "--integration", "production", "--dry-run"],
    ["suppress", "add", "user-1"],
    ["suppress", "list"],
    ["forget", "user-1", "--yes"],
    ["config", "show"],
    ["config", "log"],
]


@pytest.fixture
def stack(tmp_path, redis_url, customerio):
    """A relay that has delivered an event."""
    with opened(tmp_path, redis_url, customerio) as stack:
        stack.deliver(event(1))
        yield stack


def run(stack, *command):
    """A command in a process of its own: exit code and what it said on the error stream."""
    environment = {
        **os.environ,
        **stack.environ,
    }
    ran = subprocess.run(
        [sys.executable, "-c", "from worker.cli import main; main()", *command],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ran.returncode, ran.stderr


def test_a_first_join_notes_the_schema(stack):
    """And leaves it from then on."""
    assert stack.parts.redis.get("relay:schema") == b"1"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_refuses_another_number_of_shards(stack, command):
    """Exit 2; the stored number is the cure."""
    stack.parts.redis.set("relay:shards", 16)
    code, said = run(stack, *command)
    assert (code, said.count("\n")) == (2, 1), said
    assert "RELAY_SHARDS is 4, but this Redis holds events spread over 16 shards: set RELAY_SHARDS=16" in said


@pytest.mark.parametrize("command", [["audit"], ["status"], ["dead"], ["trace", "event-1"]], ids=" ".join)
def test_a_command_refuses_a_store_of_a_newer_release(stack, command):
    """Exit 2, one line."""
    stack.parts.redis.set("relay:schema", 99)
    code, said = run(stack, *command)
    assert (code, said.count("\n")) == (2, 1), said
    assert "this Redis was written by a newer release (schema 99; this one reads up to 2)" in said


def test_a_process_serves_nothing_of_a_newer_release(stack):
    """It does not begin, nor does a task that finds the store later."""
    stack.parts.redis.set("relay:schema", 99)
    stack.restart()
    with pytest.raises(OperatorError, match="newer release"):
        stack.parts.join()
    with pytest.raises(OperatorError, match="newer release"):
        stack.parts.check_once()
