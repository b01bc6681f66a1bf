"""The events of a file: one JSON object, an array of them, or one a line."""

import codecs
from collections.abc import Iterable, Iterator
from typing import IO, Self

import orjson

# Below the door's limit of 5 MB a request, and small enough to be sent again without regret.
_CHUNK_BYTES = 4_000_000


class Unreadable(bytes):
    """A part of a file that is no event, in the place of one; `reason` says why."""

    reason: str

    @classmethod
    def of(cls, text: bytes, reason: str) -> Self:
        """The part, with its reason."""
        part = cls(text)
        part.reason = reason
        return part


def read_events(file: IO[bytes], *, lenient: bool = False) -> Iterator[bytes]:
    """The events of a file, each as JSON without a line break: one object, an array, or one object a line.

    `lenient` gives out what is no event as `Unreadable`, and goes on.

    Raises:
        ValueError: it is neither; says where.
    """
    first = file.readline().removeprefix(codecs.BOM_UTF8)
    number = 1
    while first and not first.strip():
        first, number = file.readline(), number + 1
    if not first:
        return
    try:
        head = orjson.loads(first)
    except ValueError:
        # no whole value on the first line: the file is one value over many
        yield from _items(first + file.read(), number, lenient=lenient)
        return
    if isinstance(head, list):
        yield from _items(first + file.read(), number, lenient=lenient)
        return
    yield _line(first, number, lenient=lenient)
    for line in file:
        number += 1
        if line.strip():
            yield _line(line, number, lenient=lenient)


def _items(text: bytes, number: int, *, lenient: bool) -> Iterator[bytes]:
    try:
        value = orjson.loads(text)
    except ValueError:
        raise ValueError(f"line {number} begins neither a JSON object, nor an array, nor NDJSON") from None
    for place, item in enumerate(value if isinstance(value, list) else [value], 1):
        one = orjson.dumps(item)
        yield one if isinstance(item, dict) else _unreadable(one, f"item {place} is no JSON object", lenient=lenient)


def _line(line: bytes, number: int, *, lenient: bool) -> bytes:
    line = line.strip()
    try:
        value = orjson.loads(line)
    except ValueError:
        return _unreadable(line, f"line {number} is not JSON", lenient=lenient)
    if not isinstance(value, dict):
        return _unreadable(line, f"line {number} is no JSON object", lenient=lenient)
    return line


def _unreadable(text: bytes, reason: str, *, lenient: bool) -> Unreadable:
    if not lenient:
        raise ValueError(reason)
    return Unreadable.of(text, reason)


def chunks(events: Iterable[bytes], most: int, most_bytes: int = _CHUNK_BYTES) -> Iterator[list[bytes]]:
    """The events in runs of at most so many, and of at most so many bytes unless one alone is larger.

    Raises:
        ValueError: that of `events`, once all that came before it is given out.
    """
    chunk: list[bytes] = []
    size = 0
    problem = None
    try:
        for event in events:
            if chunk and (len(chunk) == most or size + len(event) + 1 > most_bytes):
                yield chunk
                chunk, size = [], 0
            chunk.append(event)
            size += len(event) + 1
    except ValueError as error:
        problem = error
    if chunk:
        yield chunk
    if problem:
        raise problem
