"""Shells for the tests: bash and zsh, as somebody types at them in a terminal; fish is asked what it would offer."""

import contextlib
import os
import pty
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping

from tests.support.servers import installed
from tests.support.waiting import until

# Without the start-up files of whoever runs the tests.
_BEGIN = {
    "bash": (["--norc", "-i"], "PS1='> '; bind 'set show-all-if-ambiguous on'; eval \"$(relay completion bash)\""),
    "zsh": (["-f", "-i"], "PS1='> '; autoload -U compinit; compinit -u -D; eval \"$(relay completion zsh)\""),
}
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|\x1b[=>()][B0]?|\x0f")


class Typed:
    """A shell in a terminal of its own."""

    def __init__(self, shell: str, environ: Mapping[str, str]) -> None:
        arguments, begin = _BEGIN[shell]
        self._terminal, inner = pty.openpty()
        os.set_blocking(self._terminal, False)
        self._process = subprocess.Popen(
            [installed(shell), *arguments], stdin=inner, stdout=inner, stderr=inner, env=environ, start_new_session=True
        )
        os.close(inner)
        self._seen = ""
        self.type(f"{begin}; echo RE''ADY\n", "READY")

    def type(self, keys: str, expected: str) -> None:
        """Type, and read until the screen has what is expected, which the keys alone do not bring.

        Raises:
            AssertionError: it never comes.
        """
        self._seen = ""
        os.write(self._terminal, keys.encode())
        until(lambda: expected in self._screen(), f"{expected!r} after {keys!r}")

    def erase(self) -> None:
        """Take back what was typed."""
        os.write(self._terminal, b"\x15")

    def _screen(self) -> str:
        with contextlib.suppress(BlockingIOError):
            while said := os.read(self._terminal, 65_536):
                self._seen += said.decode(errors="replace")
        return _CONTROL.sub("", self._seen)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


@contextlib.contextmanager
def shell(name: str, environ: Mapping[str, str]) -> Iterator[Typed]:
    """One shell that completes `relay`, until the end of the block."""
    typed = Typed(name, environ)
    yield typed
    typed.close()


def fish_offers(typed: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What fish offers for a line, with its explanations."""
    run = [installed("fish"), "--no-config", "-c", f"relay completion fish | source; complete -C {shlex.quote(typed)}"]
    said = subprocess.run(run, env=environ, capture_output=True, text=True, timeout=60, check=True).stdout
    return {line.partition("\t")[0]: line.partition("\t")[2] for line in said.splitlines()}
