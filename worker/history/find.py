"""Find events in retained traffic: by Purchasely's event id, by the ULID seen in Customer.io, by SHARD/ENTRY.

There is no index. An id is looked for in the bytes of the streams, and what is found is decoded to be sure. What is
known narrows it: a person's events are on one shard, an id that was received is remembered on its shard and is there
once, and a ULID holds the time at which its event happened.
"""

import functools
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

import msgspec
import orjson

from config.effective import Identity
from worker.dead.letter import identity_of
from worker.history.scan import ALWAYS, Scan, Span
from worker.history.ulids import ULID, of_time, ulid_time_ms
from worker.purchasely.event import Event, read_event
from worker.purchasely.person import person_names, plain_name, shard_of, shard_person, text_id
from worker.store.entries import entries
from worker.store.keys import shard_key as stream_key

_ULID: Final = re.compile(ULID, re.IGNORECASE)
_PLACE: Final = re.compile(r"(\d{1,4})/(\d{13,20}-\d{1,20})")
# Most events are received within minutes; clocks differ.
_SOON_MS: Final = (600_000, 3_600_000)
# So many of a shard's events show which identifiers a sender names people by.
_NEWEST: Final = 100


class Found(msgspec.Struct, frozen=True):
    """An event as it is kept: its source, shard and entry, and what it says."""

    source: str
    shard: int
    entry_id: str
    event: Event


Knows = Callable[[str, str], Iterable[int]]
"""The shards on which a source's event of that id was received, as long as it is remembered."""

Place = tuple[str, int]
"""A stream, by its source and shard."""

Once = Callable[[Collection[Place]], set[Place]]
"""Of these streams, those in which every id is remembered and has one event: it is looked for no further once found."""


class Finder:
    """Looks for events in the streams of these sources; `identities` has each one's identity chain.

    `formerly` are the numbers of shards that there were before. `newest_first` is for a scan that may end before it is
    through.
    """

    def __init__(
        self,
        scan: Scan,
        identities: Mapping[str, Identity],
        shards: int,
        knows: Knows = lambda *_: (),
        *,
        once: Once = lambda _: set(),
        formerly: Iterable[int] = (),
        newest_first: bool = False,
    ) -> None:
        self._scan = scan
        self._identities = identities
        self._shards = shards
        self._numbers = (shards, *formerly)
        # asked whether a text may be an event's id, then where that was received
        self._knows = functools.cache(knows)
        self._once = once
        self._newest_first = newest_first

    @property
    def is_cut(self) -> bool:
        """Whether the scan's time was up before everything was looked through."""
        return self._scan.is_cut

    def streams(self, person: str = "") -> dict[str, Place]:
        """The streams that may hold a person's events (all of them without a person), with source and shard."""
        shards: Iterable[int] = range(self._shards)
        if person:  # where they are, and where they were
            shards = dict.fromkeys(shard_of(plain_name(person), number) for number in self._numbers)
        return {stream_key(shard, "events", source): (source, shard) for source in self._identities for shard in shards}

    def event(self, ident: str, *, person: str = "", span: Span = ALWAYS) -> Iterator[Found]:
        """The events that an id means: one, or one a source where two sources share it."""
        if place := place_of(ident):
            yield from self._at(*place)
            return
        if _ULID.fullmatch(ident) and not self._known(ident):
            yield from self._by_ulid(ident, person, span)
        else:  # a sender's own id may look like a ULID
            yield from self._by_id(ident, person, span)

    def may_be(self, ident: str) -> bool:
        """Whether a text looks like an event's ULID or place, or is the id of one that was received."""
        return bool(place_of(ident) or _ULID.fullmatch(ident) or self._known(ident))

    def was_received(self, ident: str) -> bool:
        """Whether an event of that id was received, as long as it is remembered; it may be gone."""
        return bool(self._known(ident))

    def person(self, names: Iterable[str], span: Span = ALWAYS, *, everywhere: bool = False) -> Iterator[Found]:
        """The events that name one of these people, newest first on each shard.

        Only those of the shards that the names decide, unless `everywhere`: an identifier that no chain puts first may
        be on any shard.
        """
        wanted = {plain_name(name) for name in names}
        texts = [text for name in wanted for text in _as_stored(name)]
        streams = self.streams() if everywhere else {k: v for name in wanted for k, v in self.streams(name).items()}
        folded = any("@" in name for name in wanted)
        found = self._scan.matching(list(streams), texts, span, newest_first=True, folded=folded)
        for key, (entry_id, raw) in found:
            source, shard = streams[key]
            event = _read(entry_id, raw)
            if event is not None and not wanted.isdisjoint(self.names_of(source, event)):
                yield Found(source, shard, entry_id, event)

    def has_all_of(self, ident: str, near: Iterable[Found]) -> bool:
        """Whether events that name a person are all on their shard, since nothing decides it before that identifier.

        Another identifier may: a login, an id that was given later. It does if the shard's newest events have one.
        """
        name = plain_name(ident)
        for key, found in {(found.source, found.shard): found for found in near}.items():
            fields = self._identities[found.source].shard_fields
            mine = next((field for field in fields if plain_name(text_id(found.event.payload.get(field))) == name), "")
            before = fields[: fields.index(mine)] if mine else fields
            rows = self._scan.ask("XREVRANGE", stream_key(key[1], "events", key[0]), "+", "-", "COUNT", _NEWEST)
            newest = [event for entry_id, raw in entries(rows) if (event := _read(entry_id, raw))]
            if any(text_id(event.payload.get(field)) for event in newest for field in before):
                return False
        return True

    def names_of(self, source: str, event: Event) -> set[str]:
        """The identifiers by which an event names its person; a device is none."""
        identity = self._identities[source]
        return person_names(event.payload, (*identity.id_fields, *identity.email_fields))

    def shard_of(self, found: Found) -> int:
        """The shard of an event by the present identity chain; another than its own if the chain has changed since."""
        identity = self._identities[found.source]
        return shard_of(shard_person(found.event.payload, identity) or found.event.key, self._shards)

    def _at(self, shard: int, entry_id: str) -> Iterator[Found]:
        for source in self._identities:
            for _, raw in self._scan.read(stream_key(shard, "events", source), entry_id, entry_id):
                event = _read(entry_id, raw)
                yield Found(source, shard, entry_id, event or Event(entry_id, raw, {}, "", "", None))

    def _by_id(self, ident: str, person: str, span: Span) -> Iterator[Found]:
        """First where such an id was received; elsewhere, if it is not there.

        A search that goes on where one was cut looks everywhere at once: that one may not have come to elsewhere.
        """
        streams = self.streams(person)
        goes_on = self._newest_first and span.until_ms is not None
        likely = set() if person or goes_on else self._known(ident)
        parts = (
            {key: place for key, place in streams.items() if place in likely},
            {key: place for key, place in streams.items() if place not in likely},
        )
        for part in filter(None, parts):
            is_there = False
            for found in self._with_id(part, ident, span):
                is_there = True
                yield found
            if is_there:
                return

    def _known(self, ident: str) -> set[Place]:
        """Where an event of that id, or of the id before what it is about, was received."""
        keys = {ident, ident.partition("~")[0]}
        return {(source, shard) for source in self._identities for key in keys for shard in self._knows(source, key)}

    def _with_id(self, streams: Mapping[str, Place], ident: str, span: Span) -> Iterator[Found]:
        hashed = ident.startswith("sha256:")  # the id of an event without one: a hash of its bytes
        texts = () if hashed else _as_stored(ident)
        once, through = self._once(streams.values()), set[str]()
        # the newest is asked for more often; where several may share an id, the first is the one that it is known for
        newest_first = self._newest_first or once == set(streams.values())
        found = self._scan.matching(list(streams), texts, span, newest_first=newest_first, through=through)
        for key, (entry_id, raw) in found:
            event = _read(entry_id, raw)
            if event is not None and _is_of(event, ident):
                through |= {key} if streams[key] in once else set()
                yield Found(*streams[key], entry_id, event)

    def _by_ulid(self, ident: str, person: str, span: Span) -> Iterator[Found]:
        """First what was received soon after the time that the ULID holds; else all, also by that id."""
        time_ms = ulid_time_ms(ident)
        streams = self.streams(person)
        soon = Span(time_ms - _SOON_MS[0], time_ms + _SOON_MS[1])
        for where in (soon, span) if time_ms and span == ALWAYS else (span,):
            found = list(self._with_ulid(streams, ident, where))
            if found:
                yield from found
                return

    def _with_ulid(self, streams: Mapping[str, Place], ident: str, span: Span) -> Iterator[Found]:
        once, through = self._once(streams.values()), set[str]()
        sift = of_time(ulid_time_ms(ident), ident)
        for key, (entry_id, raw) in self._scan.sifted(list(streams), sift, span, newest_first=True, through=through):
            event = _read(entry_id, raw)
            if event is not None and (ident.upper() == (event.ulid or identity_of(event)) or _is_of(event, ident)):
                known = self._known(event.key) - {streams[key]}
                through |= {other for other, place in streams.items() if place in once and place not in known}
                yield Found(*streams[key], entry_id, event)


def place_of(ident: str) -> tuple[int, str] | None:
    """Shard and entry of SHARD/ENTRY; None of another text.

    >>> place_of("7/1764115200000-0"), place_of("7/8")
    ((7, '1764115200000-0'), None)
    """
    place = _PLACE.fullmatch(ident)
    return (int(place[1]), place[2]) if place else None


def _is_of(event: Event, ident: str) -> bool:
    """Whether an event has this id; one that was in use for something else has what the event is about behind it."""
    return ident in {event.key, event.key.partition("~")[0]}


def _as_stored(text: str) -> tuple[bytes, ...]:
    """A text as JSON may hold it: as UTF-8, or with escapes."""
    plain = orjson.dumps(text)[1:-1]
    escaped = json.dumps(text)[1:-1].encode()
    return tuple(dict.fromkeys((plain, escaped, plain.replace(b"/", rb"\/"))))


def _read(entry_id: str, raw: bytes) -> Event | None:
    try:
        return read_event(entry_id, raw)
    except (ValueError, RecursionError):
        return None
