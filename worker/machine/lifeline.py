"""Lifeline: a shell that ends the children of a process that was killed."""

import contextlib
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

# How a child begins: it notes its own group, since its parent may be killed before it could, and becomes the program.
# The lifeline is its standard input until then, so the lifeline does not end before it has read that line.
_FIRST_WORDS = """trap '' PIPE; echo "+ $$" >&0 2>/dev/null; trap - PIPE; exec "$@" </dev/null"""

# It reads "+ group" and "- group" lines. The end of its input is the end of who writes them, however that came about;
# then it kills the process groups that are left, and with them what the children themselves have started.
_SCRIPT = """
trap '' INT TERM HUP
groups=
while read -r sign group; do
  case $sign in
    +) groups="$groups $group" ;;
    -) kept=
       for one in $groups; do [ "$one" = "$group" ] || kept="$kept $one"; done
       groups=$kept ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
exit 0
"""


class Lifeline:
    """Kills the noted process groups as soon as this process is gone, on any POSIX system and in any case."""

    def __init__(self) -> None:
        self._groups: list[int] = []
        self._shell: subprocess.Popen[bytes] | None = None

    def start(self, argv: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
        """Start a program in a process group of its own, which is noted; with nothing on its standard input."""
        self.look()
        if self._shell is None:
            self._start()
        assert self._shell is not None
        begin = ["/bin/sh", "-c", _FIRST_WORDS, argv[0], *argv]
        process = subprocess.Popen(begin, stdin=self._shell.stdin, start_new_session=True, **options)  # noqa: S603 - the caller's
        self._groups.append(process.pid)
        return process

    def drop(self, group: int) -> None:
        """Forget a process group that is gone: its number may be another's soon."""
        self._groups.remove(group)
        self._tell(f"- {group}")

    def close(self) -> None:
        """End it; whatever is still noted is killed."""
        if self._shell is not None and self._shell.stdin is not None:
            with contextlib.suppress(OSError):
                self._shell.stdin.close()
            self._shell.wait()
            self._shell = None

    def look(self) -> None:
        """Start it again if somebody killed it."""
        if self._shell is not None and self._shell.poll() is not None:
            self._start()

    def _tell(self, line: str) -> None:
        if self._shell is None or self._shell.poll() is not None:
            self._start()  # tells all groups
            return
        assert self._shell.stdin is not None
        with contextlib.suppress(OSError):  # killed just now: `look` starts it again
            self._shell.stdin.write(f"{line}\n".encode())

    def _start(self) -> None:
        if self._shell is not None and self._shell.stdin is not None:
            with contextlib.suppress(OSError):
                self._shell.stdin.close()
        self._shell = subprocess.Popen(  # noqa: S603 - the script above
            ["/bin/sh", "-c", _SCRIPT, "lifeline"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C in the terminal is not for it
            restore_signals=True,
        )
        assert self._shell.stdin is not None
        with contextlib.suppress(OSError):
            self._shell.stdin.write("".join(f"+ {group}\n" for group in self._groups).encode())


def ending(code: int) -> str:
    """How a process ended, in words.

    >>> ending(0), ending(2), ending(-9)
    ('exit 0', 'exit 2', 'SIGKILL')
    """
    if code >= 0:
        return f"exit {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
