"""The events of a file: one JSON object, an array of them, or one a line."""

import codecs
from collections.abc import Iterable, Iterator
from typing import IO

import orjson

# Below the door's limit of 5 MB a request, and small enough to be sent again without regret.
_CHUNK_BYTES = 4_000_000


def read_events(file: IO[bytes]) -> Iterator[bytes]:
    """The events of a file, each as JSON without a line break: one object, an array, or one object a line.

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
        yield from _items(first + file.read(), number)
        return
    if isinstance(head, list):
        yield from _items(first + file.read(), number)
        return
    yield _line(first, number)
    for line in file:
        number += 1
        if line.strip():
            yield _line(line, number)


def _items(text: bytes, number: int) -> Iterator[bytes]:
    try:
        value = orjson.loads(text)
    except ValueError:
        raise ValueError(f"line {number} begins neither a JSON object, nor an array, nor NDJSON") from None
    for place, item in enumerate(value if isinstance(value, list) else [value], 1):
        if not isinstance(item, dict):
            raise ValueError(f"item {place} is no JSON object")  # noqa: TRY004 - the file is wrong, not the program
        yield orjson.dumps(item)


def _line(line: bytes, number: int) -> bytes:
    try:
        value = orjson.loads(line)
    except ValueError:
        raise ValueError(f"line {number} is not JSON") from None
    if not isinstance(value, dict):
        raise ValueError(f"line {number} is no JSON object")  # noqa: TRY004 - as above
    return line.strip()


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
