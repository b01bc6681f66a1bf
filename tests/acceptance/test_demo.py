"""`relay demo` as a newcomer runs it."""

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.support.waiting import until

COMMAND = [sys.executable, "-c", "from worker.cli import main; main()", "demo"]


@pytest.fixture
def start(tmp_path):
    """Starts a demo whose temporary folder is the test's."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    # whatever the operator's shell has set is not the demo's
    env |= {"TMPDIR": str(tmp_path), "RELAY_SHARDS": "7", "RELAY_REDIS_URL": "redis://127.0.0.1:9/0"}
    started = []

    def run(*arguments):
        process = subprocess.Popen(
            [*COMMAND, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_the_demo_balances_and_leaves_nothing(start, tmp_path):
    """Exit 0, every way of ending in the figures, no folder and no process left."""
    process = start("--people", "24", "--json")
    tree = until(lambda: psutil.Process(process.pid).children(recursive=True), "it has started something")
    output, errors = process.communicate(timeout=90)
    told = json.loads(output)
    assert (process.returncode, told["ok"]) == (0, True), errors
    assert all(told["checks"].values())
    production, sandbox = told["items"]
    assert set(production["filtered"]) == {"anonymous", "environment", "event_off"}
    assert (production["dead"], production["waiting"], sandbox["dead"]) == (2, 0, 0)
    assert set(sandbox["filtered"]) == {"environment"}
    assert told["accepted"] + told["duplicates"] == told["requests"]
    assert told["duplicates"] > 0
    assert told["arrived"] == {item["integration"]: item["delivered"] for item in told["items"]}
    assert len(told["people"]) == 3
    assert all(person["attributes"]["status"] for person in told["people"])
    assert list(tmp_path.iterdir()) == []
    assert not [one for one in tree if one.is_running() and one.status() != "zombie"]


def test_people_see_what_came_of_it(start):
    """Without a terminal: plain lines, the table, three people, the verdict and what to do next."""
    output, _ = start("--people", "12", "--seed", "3").communicate(timeout=90)
    assert "production filtered: " in output
    assert "Three people" in output
    assert "customer-00" in output
    assert "✗" not in output
    assert "RELAY_INTEGRATIONS=my.toml relay up" in output
    assert "\x1b" not in output


def test_ctrl_c_ends_it_at_once_and_leaves_nothing(start, tmp_path):
    """Whoever has seen enough gets exit 1, and their machine as it was."""
    process = start("--people", "3000")
    until(lambda: any("celery" in word for one in _tree(process) for word in _words(one)), "it is under way")
    tree = _tree(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert list(tmp_path.iterdir()) == []
    assert not [one for one in tree if one.is_running() and one.status() != "zombie"]


def _words(process):
    """The command line of a process; none when it is gone, or going."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _tree(process):
    return psutil.Process(process.pid).children(recursive=True)


def test_a_killed_demo_leaves_no_process(start):
    """Not even SIGKILL leaves something running."""
    process = start("--people", "3000")
    until(lambda: len(_tree(process)) >= 6, "all processes")
    tree = _tree(process)
    process.kill()
    process.communicate()
    until(lambda: not [one for one in tree if one.is_running() and one.status() != "zombie"], "all are gone")
