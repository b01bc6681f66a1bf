"""The supervisor over real processes."""

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress

import psutil
import pytest

from tests.support.waiting import until
from worker.machine.supervisor import LONGEST_WAIT_S, WELL_S, Program, Supervisor, backoff_s


class Clock:
    """A clock that moves only when it is set."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def changes():
    return []


@pytest.fixture
def supervisor(changes):
    supervisor = Supervisor(changes.append, dice=lambda: 0.0)
    yield supervisor
    supervisor.stop()


def program(name, script, grace_s=5.0, log=None):
    return Program(name, ("/bin/sh", "-c", script), {"PATH": os.environ["PATH"]}, grace_s, log)


def alive(pid):
    """Whether a process runs; a zombie does not."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def poll_until(supervisor, found, what):
    def look():
        supervisor.poll()
        return found()

    return until(look, what)


def test_a_dead_program_is_started_again(supervisor, changes):
    """A child that is killed has a successor within a moment."""
    supervisor.start(program("worker", "exec sleep 60"))
    first = supervisor.pids()["worker"]
    os.kill(first, signal.SIGKILL)
    second = poll_until(supervisor, lambda: supervisor.pids().get("worker", first) != first, "a successor")
    assert second
    assert [(change.what, change.message) for change in changes] == [
        ("exited", "SIGKILL; starts again in 0.2 s"),
        ("restarted", f"process {supervisor.pids()['worker']}"),
    ]


def test_waits_grow_and_are_forgotten_after_a_good_while(changes):
    """Death upon death makes the waits longer; a child that was well starts from the shortest one."""
    clock = Clock()
    supervisor = Supervisor(changes.append, clock, lambda: 1.0)
    supervisor.start(program("beat", "exit 3"))
    waits_s = []
    for lived_s in (0, 0, 0, WELL_S):
        until(lambda: not supervisor.is_alive("beat"), "its end")
        clock.now_s += lived_s
        waits_s.append(supervisor.poll())
        clock.now_s += 100
        supervisor.poll()
    supervisor.stop()
    assert waits_s == [0.5, 1.0, 1.0, 0.5]  # a poll is never more than 1 s away
    exited = [change.message for change in changes if change.what == "exited"]
    assert exited[2] == "exit 3, 3 times in a row; starts again in 2.0 s"
    assert exited[3] == "exit 3; starts again in 0.5 s"


def test_waits_are_bounded():
    """However often it exited, it is tried again within half a minute."""
    assert backoff_s(1000, 0.999) <= LONGEST_WAIT_S


def test_programs_stop_in_the_reverse_order(supervisor, tmp_path):
    """Who started last stops first, and the next one only after it."""
    out = tmp_path / "out"
    for name in ("server", "worker", "web"):
        trap = f"trap 'sleep 0.1; echo {name} >> {out}; exit 0' TERM"
        supervisor.start(program(name, f"{trap}; echo up >> {tmp_path / name}; while :; do sleep 0.05; done"))
    for name in ("server", "worker", "web"):
        until((tmp_path / name).exists, f"{name} is up")
    assert supervisor.stop() == []
    assert out.read_text().split() == ["web", "worker", "server"]


def test_who_does_not_stop_is_killed_and_named(supervisor, changes, tmp_path):
    """A child that ignores SIGTERM lives no longer than its grace time."""
    supervisor.start(program("deaf", f"trap '' TERM; echo up > {tmp_path / 'up'}; while :; do sleep 0.05; done", 0.3))
    until((tmp_path / "up").exists, "it is up")
    pid = supervisor.pids()["deaf"]
    assert supervisor.stop() == ["deaf"]
    assert not alive(pid)
    assert changes[-1].what == "killed"


def test_a_second_wish_to_stop_waits_for_nobody(supervisor, tmp_path):
    """Ctrl-C twice ends it at once, whatever the grace time."""
    supervisor.start(program("deaf", f"trap '' TERM; echo up > {tmp_path / 'up'}; while :; do sleep 0.05; done", 600))
    until((tmp_path / "up").exists, "it is up")
    assert supervisor.stop(hurry=lambda: True) == ["deaf"]


def test_children_of_a_dead_child_die_with_it(supervisor, tmp_path):
    """When a head is killed, what it had started is gone before the successor comes."""
    path = tmp_path / "grandchild"
    supervisor.start(program("worker", f"sleep 60 & echo $! > {path}.new; mv {path}.new {path}; wait"))
    until(path.exists, "the grandchild")
    grandchild = int(path.read_text())
    path.unlink()
    os.kill(supervisor.pids()["worker"], signal.SIGKILL)
    poll_until(supervisor, path.exists, "the successor's grandchild")
    assert not alive(grandchild)


def test_nothing_outlives_a_killed_supervisor(tmp_path):
    """SIGKILL of the supervisor ends its children and theirs."""
    code = f"""
        import time
        from worker.machine.supervisor import Program, Supervisor
        supervisor = Supervisor(print)
        script = "trap '' TERM HUP; sleep 60 & echo $! >> {tmp_path}/pids; echo $$ >> {tmp_path}/pids; wait"
        for name in ("one", "two"):
            supervisor.start(Program(name, ("/bin/sh", "-c", script), {{}}, 5))
        while True:
            supervisor.poll()
            time.sleep(0.05)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    pids = tmp_path / "pids"
    until(lambda: pids.exists() and len(pids.read_text().split()) == 4, "two children and two of theirs")
    process.kill()
    process.wait()
    until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()), "all are gone")


def test_a_supervisor_that_is_killed_while_it_starts_a_program_leaves_nothing(tmp_path):
    """Between the fork and the note of it there is no moment in which a SIGKILL leaves a child behind."""
    code = f"""
        import os, subprocess
        from worker.machine.supervisor import Program, Supervisor
        def fork_and_die(*arguments):
            fork(*arguments)
            os.kill(os.getpid(), 9)
        supervisor = Supervisor(print)
        supervisor.start(Program("first", ("/bin/sh", "-c", "sleep 60; : {tmp_path}"), {{}}, 5))
        fork, subprocess._fork_exec = subprocess._fork_exec, fork_and_die
        supervisor.start(Program("last", ("/bin/sh", "-c", "sleep 60; : {tmp_path}"), {{}}, 5))
    """
    process = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert process.returncode == -signal.SIGKILL

    def left():
        found = []
        for one in psutil.process_iter():
            with suppress(psutil.Error):
                found += [one] if f": {tmp_path}" in " ".join(one.cmdline()) else []
        return found

    until(lambda: not left(), "all are gone")


def test_a_killed_lifeline_is_made_anew(supervisor):
    """Who kills the shell that watches over the children does not take its protection away."""
    supervisor.start(program("worker", "exec sleep 60"))

    def shells():
        found = []
        for process in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):  # one that is killed is a zombie until it is waited for
                if process.cmdline()[-1:] == ["lifeline"]:
                    found.append(process)
        return found

    (first,) = shells()
    first.kill()
    poll_until(supervisor, lambda: [p for p in shells() if p != first and alive(p.pid)], "another lifeline")
    assert supervisor.is_alive("worker")


def test_output_goes_to_the_log(supervisor, tmp_path):
    """What a program prints is in its log."""
    supervisor.start(program("web", "echo hello; echo trouble >&2; exec sleep 60", log=tmp_path / "web.log"))
    until(lambda: (tmp_path / "web.log").read_text().split() == ["hello", "trouble"], "both lines")
