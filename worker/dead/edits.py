"""An edit of a dead letter's event: what it becomes, and what of it stays."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import orjson

from config.integrations import Identity, default_identity
from worker.dead.fields import found, put, put_ms, take_out
from worker.dead.letter import EDITS_KEPT, Edit, Letter, as_text, event_of, identity_of, raw_of, received_of
from worker.purchasely.event import read_event
from worker.purchasely.person import shard_of, shard_person


class Changes(msgspec.Struct, frozen=True):
    """What an edit changes, by dotted paths: fields that are set, copied (to, from), made milliseconds, removed.

    `new_identity`: the event is another one for Customer.io from then on.
    """

    settings: tuple[tuple[str, Any], ...] = ()
    removals: tuple[str, ...] = ()
    new_identity: bool = False
    copies: tuple[tuple[str, str], ...] = ()
    seconds: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is changed by it."""
        return bool(self.settings or self.removals or self.copies or self.seconds)

    @property
    def paths(self) -> list[str]:
        """The fields it changes."""
        return [*(path for path, _ in self.settings), *(path for path, _ in self.copies), *self.seconds, *self.removals]

    def apply(self, letter: Letter) -> bytes | None:
        """The event with these changes; None when it is like that already.

        Raises:
            ValueError: the event is no JSON object, or a path does not fit it.
        """
        payload = read_event(letter.entry_id, raw_of(letter)).fields()
        for path, value in self.settings:
            put(payload, path, value)
        for path, other in self.copies:
            put(payload, path, found(payload, other))
        for path in self.seconds:
            put_ms(payload, path)
        for path in self.removals:
            take_out(payload, path)
        return None if orjson.loads(raw_of(letter)) == payload else orjson.dumps(payload)


def read_changes(
    settings: Iterable[str],
    removals: Iterable[str],
    copies: Iterable[str] = (),
    seconds: Iterable[str] = (),
    *,
    new_identity: bool = False,
) -> Changes:
    """Changes as they are typed: `PATH=VALUE`, paths, `PATH=OTHER`, paths.

    Raises:
        ValueError: one is not written so.
    """
    pairs = tuple((path, read_value(value)) for path, value in _pairs("--set", "PATH=VALUE", settings))
    return Changes(pairs, tuple(removals), new_identity, tuple(_pairs("--copy", "PATH=OTHER", copies)), tuple(seconds))


def _pairs(option: str, form: str, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        path, equals, value = text.partition("=")
        if not path or not equals or (option == "--copy" and not value):
            raise ValueError(f"{option} takes {form}, not {text!r}")
        yield path, value


def read_value(text: str) -> Any:
    """A value as it was typed: JSON where it is JSON, else the text itself.

    >>> read_value("12"), read_value('"12"'), read_value("monthly"), read_value("null")
    (12, '12', 'monthly', None)
    """
    try:
        return orjson.loads(text)
    except ValueError:
        return text


def changed_paths(before: bytes, after: bytes) -> list[str]:
    """The top-level fields in which two payloads differ; `*` when one of them is no object."""
    try:
        old, new = orjson.loads(before), orjson.loads(after)
    except ValueError:
        return ["*"]
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return ["*"]
    return sorted(field for field in old.keys() | new.keys() if old.get(field, ...) != new.get(field, ...))


def edit(
    letter: Letter, raw: bytes, by: str, at_ms: int, *, new_identity: bool = False, identity: Identity | None = None
) -> Letter:
    """The letter with new bytes for its event.

    The bytes as received are kept too. The event keeps its identity: its ULID is that of the original, so that
    Customer.io ignores what it may have taken already; with `new_identity` it is another event from now on. An original
    that has no usable time never had a ULID; then the key stays and the new time decides. `identity` is the identity
    chain of the letter's source (None: the default one): it decides the shard the letter belongs to.

    Raises:
        ValueError: the new bytes are no JSON object.
    """
    event = read_event(letter.entry_id, raw)
    key, ulid = event.key, ""
    if not new_identity:
        try:
            before = event_of(letter)
        except ValueError:
            pass  # bytes that were no event had no identity
        else:
            key, ulid = before.key, before.ulid or identity_of(before)
    received = received_of(letter)
    return msgspec.structs.replace(
        letter,
        raw=raw.decode(),
        raw_base64="",
        **as_text("original", received),
        edits=[*letter.edits, Edit(at_ms, by, changed_paths(raw_of(letter), raw))][-EDITS_KEPT:],
        ulid=ulid,
        event_id=key,
        person=shard_person(event.payload, identity or default_identity()),
        event_time_ms=event.time_ms,
    )


def home(letter: Letter, shards: int) -> int:
    """The shard of the letter's person: their state is there, and so must the letter be."""
    return shard_of(letter.person, shards) if letter.person else letter.shard
