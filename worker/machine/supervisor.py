"""Supervisor: runs programs beside each other, restarts them, stops them in order, leaves nothing behind."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import msgspec

from worker.machine.lifeline import Lifeline, ending

# A program that lived this long was well: its next death counts as the first.
WELL_S = 30.0
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
_STDERR = 2


class Program(msgspec.Struct, frozen=True):
    """What to run. `grace_s`: how long it may take to stop; `log`: where its output goes, None to the terminal."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    grace_s: float
    log: Path | None = None
    cwd: Path | None = None
    keep_fds: tuple[int, ...] = ()


class Change(msgspec.Struct, frozen=True):
    """Something happened to a program: it exited, was started again, or had to be killed; `message` says how."""

    program: str
    what: str
    message: str


class _Running:
    """A program and its process, if it has one just now."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.due = 0.0
        self.deaths = 0


class Supervisor:
    """Runs programs, each in a session of its own; they are stopped in the reverse order of their start.

    It does nothing by itself: `poll` is to be called whenever a child may have exited or a wait is over.
    """

    def __init__(
        self,
        say: Callable[[Change], None],
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._say = say
        self._clock = clock
        self._dice = dice
        self._lifeline = Lifeline()
        self._all: list[_Running] = []

    def start(self, program: Program) -> None:
        """Start a program, and keep it running from now on."""
        running = _Running(program)
        self._all.append(running)
        self._spawn(running)

    def pids(self) -> dict[str, int]:
        """The process ids, by program; without those that wait for their next start."""
        return {one.program.name: one.process.pid for one in self._all if one.process is not None}

    def is_alive(self, name: str) -> bool:
        """Whether a program runs just now."""
        return any(
            one.program.name == name and one.process is not None and one.process.poll() is None for one in self._all
        )

    def poll(self) -> float:
        """Reap who exited, start again who is due; in how many seconds it is to be called again at the latest."""
        self._lifeline.look()
        soonest_s = 1.0
        for running in self._all:
            if running.process is not None and (code := running.process.poll()) is not None:
                self._exited(running, code)
            if running.process is None:
                left_s = running.due - self._clock()
                if left_s > 0:
                    soonest_s = min(soonest_s, left_s)
                else:
                    self._spawn(running)
                    self._say(Change(running.program.name, "restarted", f"process {self.pids()[running.program.name]}"))
        return soonest_s

    def stop(self, pause: Callable[[float], None] = time.sleep, hurry: Callable[[], bool] = lambda: False) -> list[str]:
        """Stop all, one after the other; the names of those that had to be killed.

        `pause` waits up to some seconds, or less; `hurry` says that nobody shall be waited for any more.
        """
        killed = [
            running.program.name
            for running in reversed(self._all)
            if running.process is not None and not self._end(running, running.process, pause, hurry)
        ]
        self._all.clear()
        self._lifeline.close()
        return killed

    def _spawn(self, running: _Running) -> None:
        program = running.program
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(_open_log(program.log)) if program.log else None
            # in a session of its own: signals of the terminal are for the supervisor alone
            running.process = self._lifeline.start(
                program.argv,
                env=dict(program.env),
                cwd=program.cwd,
                stdout=output or _STDERR,  # standard output is for what the command itself says
                stderr=subprocess.STDOUT,
                pass_fds=program.keep_fds,
            )
        running.started = self._clock()

    def _exited(self, running: _Running, code: int) -> None:
        assert running.process is not None
        self._bury(running.process.pid)
        running.process = None
        well = self._clock() - running.started >= WELL_S
        running.deaths = 1 if well else running.deaths + 1
        wait_s = backoff_s(running.deaths, self._dice())
        running.due = self._clock() + wait_s
        again = f", {running.deaths} times in a row" if running.deaths > 1 else ""
        self._say(Change(running.program.name, "exited", f"{ending(code)}{again}; starts again in {wait_s:.1f} s"))

    def _end(
        self,
        running: _Running,
        process: "subprocess.Popen[bytes]",
        pause: Callable[[float], None],
        hurry: Callable[[], bool],
    ) -> bool:
        """Ask a program to stop, wait, kill; whether it stopped by itself."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        ends = self._clock() + running.program.grace_s
        while process.poll() is None and self._clock() < ends and not hurry():
            pause(0.1)
        stopped = process.poll() is not None
        if not stopped:
            why = "at your wish" if hurry() else f"it did not stop within {running.program.grace_s:.0f} s"
            self._say(Change(running.program.name, "killed", why))
        self._bury(process.pid)
        process.wait()
        return stopped

    def _bury(self, group: int) -> None:
        """Kill what is left of a process group: a dead head may have left children behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM when only zombies are left
            os.killpg(group, signal.SIGKILL)
        self._lifeline.drop(group)


def backoff_s(deaths: int, dice: float) -> float:
    """How long to wait after so many deaths in a row; `dice` in [0, 1) spreads it over the upper half.

    >>> backoff_s(1, 0.0), backoff_s(3, 0.0), backoff_s(50, 0.5)
    (0.25, 1.0, 22.5)
    """
    full_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(deaths - 1, 30))
    return full_s * (0.5 + dice / 2)


def _open_log(path: Path) -> IO[bytes]:
    """A log to add to, for its owner alone."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab")
