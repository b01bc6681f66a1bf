"""Export of what Customer.io has: the events of a CSV or JSON file, each with its name, people, time and id.

Exports differ by who makes them (the workspace's own, a data warehouse, the activity log of the App API), so each field
has several names that are looked for, and a map says what else it is called. A dotted name is a path in nested JSON.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import IO, Any, Final

import msgspec
import orjson

from worker.purchasely.documented import TIME_MAX_MS, TIME_MIN_MS
from worker.purchasely.moment import number_ms, parse_time_ms
from worker.purchasely.person import plain_name, text_id

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("event_name", "name", "event"),
    "person": ("customer_id", "customer_identifiers.id", "identifiers.id", "person.id", "user_id", "person_id", "id"),
    "email": ("email", "customer_identifiers.email", "identifiers.email", "person.email", "email_address"),
    "time": ("timestamp", "event_timestamp", "created_at", "time", "occurred_at"),
    "event_id": ("event_id", "data.event_id", "attributes.event_id", "data.attributes.event_id"),
}
# Below this a number is of seconds: as milliseconds it would be a day of 1973.
_SECONDS: Final = 100_000_000_000


class There(msgspec.Struct, gc=False):
    """One event as Customer.io has it; `people` are its identifiers, the best first; time in Unix ms, None: no time."""

    name: str
    people: tuple[str, ...]
    time_ms: int | None = None
    event_id: str = ""


def read_export(file: IO[bytes], columns: Mapping[str, str]) -> Iterator[There]:
    """The events of a file; `columns` maps fields (name, person, email, time, event_id) to what they are called in it.

    Raises:
        ValueError: it is neither CSV nor JSON, or a needed field is nowhere; says what there is.
    """
    head = file.readline().removeprefix(codecs.BOM_UTF8)
    while head and not head.strip():
        head = file.readline()
    rows = _json_rows(head, file) if head.lstrip()[:1] in {b"{", b"["} else _csv_rows(head, file)
    first = next(rows, None)
    if first is None:
        return
    called = {field: _called(field, names, columns, first) for field, names in FIELDS.items()}
    if not called["name"]:
        raise ValueError(f"which column is the event's name? --map COLUMN=name; there are: {_there(first)}")
    if not called["person"] and not called["email"]:
        raise ValueError(f"which column is the person? --map COLUMN=person (or =email); there are: {_there(first)}")
    for number, row in enumerate(chain([first], rows), 1):
        yield _there_of(row, called, number)


def _there_of(row: Mapping[str, Any], called: Mapping[str, str], number: int) -> There:
    people = tuple(plain_name(person) for field in ("person", "email") if (person := text_id(_get(row, called[field]))))
    given = _get(row, called["time"])
    time_ms = None if given in {None, ""} else _time_ms(given)
    if time_ms is None and given not in {None, ""}:
        raise ValueError(f"event {number}: {called['time']} = {str(given)[:40]!r} is no time")
    return There(text_id(_get(row, called["name"])), people, time_ms, text_id(_get(row, called["event_id"])))


def _time_ms(given: object) -> int | None:
    number = number_ms(given)
    if number is None:
        return parse_time_ms(given)
    time_ms = number * 1000 if abs(number) < _SECONDS else number
    return time_ms if TIME_MIN_MS < time_ms < TIME_MAX_MS else None


def _called(field: str, names: Iterable[str], columns: Mapping[str, str], row: Mapping[str, Any]) -> str:
    """What a field is called in this file; empty: it is not there.

    Raises:
        ValueError: the map names a column that is not there.
    """
    given = columns.get(field)
    if given is not None:
        if _get(row, given) is None and given not in row:
            raise ValueError(f"no column {given!r}; there are: {_there(row)}")
        return given
    taken = set(columns.values())
    return next((name for name in names if name not in taken and _get(row, name) is not None), "")


def _get(row: Mapping[str, Any], name: str) -> Any:
    """A value by its name, else by its path."""
    if not name or name in row:
        return row.get(name)
    found: Any = row
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _there(row: Mapping[str, Any]) -> str:
    """The columns, those within another one by their path: as a map takes them."""
    paths = (
        f"{name}.{inner}" if inner else name
        for name, value in row.items()
        for inner in (value if isinstance(value, dict) and value else [""])
    )
    return ", ".join(islice(paths, 30))


def _csv_rows(head: bytes, file: IO[bytes]) -> Iterator[dict[str, Any]]:
    text = head.decode("utf-8", "replace")
    comma = max(",;\t", key=text.count)
    try:
        names = next(csv.reader([text], delimiter=comma), [])
        rows = csv.DictReader(io.TextIOWrapper(file, "utf-8", "replace", newline=""), names, delimiter=comma)
        for row in rows:
            if None in row:
                raise ValueError(f"line {rows.line_num + 1} has more cells than the head")
            yield row
    except csv.Error as fault:
        raise ValueError(f"it is no CSV: {fault}") from None


def _json_rows(head: bytes, file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """One object a line, an array, or an answer of the App API (a list under its only key that has one)."""
    try:
        first = orjson.loads(head)
    except ValueError:
        first = None
    if isinstance(first, dict) and not _listed(first):
        yield first
        for number, line in enumerate(file, 2):
            if line.strip():
                yield _object(line, f"line {number}")
        return
    whole = first
    if whole is None:
        try:
            whole = orjson.loads(head + file.read())
        except ValueError:
            raise ValueError("it begins as JSON and is not JSON: cut off, perhaps") from None
    if isinstance(whole, dict):
        whole = _listed(whole) or [whole]
    for item in whole:
        if isinstance(item, dict):
            yield item


def _listed(answer: dict[str, Any]) -> list[Any]:
    """The events in an answer of the App API; nothing in an event, which has a name of its own."""
    if any(_get(answer, name) for name in FIELDS["name"]):
        return []
    return next((value for value in answer.values() if isinstance(value, list) and value), [])


def _object(text: bytes, where: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except ValueError:
        raise ValueError(f"{where} is not JSON") from None
    if not isinstance(value, dict):
        raise ValueError(f"{where} is no JSON object")  # noqa: TRY004 - the file is wrong, not the program
    return value
