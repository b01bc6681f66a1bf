"""The words of docstrings, comments, messages and pages: what an engineer of the field would not write fails here."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What to write instead, by the words not to write.
INSTEAD = {
    "mend(s|ed|ing)?": "fix",
    "anew": "again",
    "told": "sent, said, reported",
    "at fault": "failed, wrong; name what is wrong",
    "of this era": "",
    "the wish to|wish(es)? to": "want to, ask to",
    "without fuss": "",
    "cannot bear|(can|could)(not|n't) bear": "fails at, rejects",
    "whom": "who",
    "stands?|stood": "is, are, was",
    "died|dying": "failed (an event), exited, was killed (a process)",
    "so often": "as many times",
    "spoil(s|t|ed|ing)?|sick|guilty|accused|suspect(s|ed)?": "poison",
}
# Right in these places.
ALLOWED = re.compile(
    r"stand(s)? for\b|standing",  # an abbreviation
    re.IGNORECASE,
)
WORDS = re.compile(r"(?<![\w.`/-])(" + "|".join(INSTEAD) + r")(?![\w`/-])", re.IGNORECASE)
NOT_OURS = {"tests/unit/test_language.py"}


def sources() -> list[Path]:
    """Everything that is read: code, scripts, pages; not the environments that `bench.rivals` makes for itself."""
    found = [path for folder in ("worker", "config", "tests", "bench") for path in ROOT.glob(f"{folder}/**/*")]
    found = [path for path in found if ".rivals" not in path.parts]
    found += [*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")]
    kinds = {".py", ".lua", ".md", ".toml", ".html", ".js"}
    return sorted(path for path in found if path.suffix in kinds and path.relative_to(ROOT).as_posix() not in NOT_OURS)


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that people read: of code its texts and comments, of anything else all."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    kinds = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", -1)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in kinds:
            for n, line in enumerate(token.string.splitlines()):
                yield token.start[0] + n, re.sub(r"\{[^{}]*\}", "", line)  # code within a text


def faults(line: str) -> list[str]:
    """The words of a line that are not to be written, with what to write instead."""
    found = WORDS.finditer(ALLOWED.sub("", line))
    return [f"{word[0]!r}: {instead(word[0])}" for word in found]


def instead(word: str) -> str:
    """What to write instead of a word."""
    return next(better for words, better in INSTEAD.items() if re.fullmatch(words, word, re.IGNORECASE))


@pytest.mark.parametrize("path", [pytest.param(p, id=p.relative_to(ROOT).as_posix()) for p in sources()])
def test_no_word_that_slows_a_reader_down(path: Path) -> None:
    """Docstrings, comments, messages and pages use the words of the field (docs/glossary.md)."""
    found = [f"{path.relative_to(ROOT)}:{n}: {fault}" for n, line in prose(path) for fault in faults(line)]
    assert not found, "\n".join(found)
