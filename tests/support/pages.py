"""Pages of documentation, read by what runs them: their commands and snippets, in order."""

import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def blocks(page: str, kind: str, heading: str = "") -> list[str]:
    """The fenced blocks of a kind, without their indentation; only those below a heading, if one is given."""
    text = (ROOT / page).read_text("utf-8")
    if heading:
        _, level, text = re.split(rf"^(#+) {re.escape(heading)}$", text, maxsplit=1, flags=re.MULTILINE)
        text = re.split(rf"^#{{1,{len(level)}}} ", text, maxsplit=1, flags=re.MULTILINE)[0]
    found = [(len(indent), body) for indent, name, body in _BLOCK.findall(text) if name == kind]
    return ["".join(line[indent:] or "\n" for line in body.splitlines(keepends=True)) for indent, body in found]


def commands(page: str, heading: str = "") -> list[str]:
    """What is typed in its `console` blocks: the lines that begin with a prompt, and nothing else is in them."""
    lines = [line for block in blocks(page, "console", heading) for line in block.splitlines() if line]
    assert all(line.startswith("$ ") for line in lines), lines
    return [line[2:] for line in lines]


def run(typed: list[str], cwd: Path, env: Mapping[str, str], before: str = "") -> str:
    """Run commands in one shell, each after it is printed; what they printed. All of them must succeed."""
    script = [f"echo {shlex.quote(f'$ {command}')}\n{command}" for command in typed]
    done = subprocess.run(
        ["/bin/bash", "-c", "\n".join(["set -e", before, *script])],
        cwd=cwd,
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    return said
