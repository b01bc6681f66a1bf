"""Comparison of one integration under two revisions: fates of the same events, and people's properties."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import msgspec
import orjson

from config.integrations import Identity, default_identity
from worker.delivery.deciding import decide
from worker.delivery.request import Requests
from worker.history.effects import SAMPLES, Detail, Effect, Found, Sample, Tally
from worker.mapping.batching import Fill
from worker.mapping.mapper import Mapper
from worker.mapping.outcome import Dead, Filtered
from worker.purchasely.event import Event, read_event
from worker.purchasely.person import shard_person
from worker.store.entries import Entry
from worker.store.lane import Lane

_RUN = 400


class _Fate(msgspec.Struct, frozen=True):
    """What becomes of one event: the name it is sent under (None: it is not), why not, and its body."""

    name: str | None
    why: str = ""
    dead: bool = False
    body: bytes = b""


_ABSENT = _Fate(None, "no such integration")


class _Side:
    """The integration under one of the two revisions; None where it does not exist."""

    def __init__(self, mapper: Mapper | None, source: str, shard: int, silent: frozenset[str]) -> None:
        self.told: dict[bytes, dict[str, Any]] = {}  # by the identifiers of the person, as Customer.io has them then
        self._silent = silent
        self._mapper = mapper
        self._fill = Fill(_RUN)
        if mapper is not None:
            lane = Lane(source, mapper.integration.name, shard)
            self._requests = Requests(lane, mapper, _NoPost(), _unknown, self._fill, lambda: False)

    def fates(self, run: Sequence[tuple[Entry, Callable[[], Event]]]) -> list[_Fate]:
        """What becomes of these events, in order; each updates its person's state for the next ones."""
        mapper = self._mapper
        if mapper is None:
            return [_ABSENT] * len(run)
        # as of when each was received: what is late today was not late then
        decisions = [decide(mapper, read, int(entry[0].partition("-")[0]), self._silent) for entry, read in run]
        fates: list[_Fate] = []
        while len(fates) < len(decisions):
            at = len(fates)
            request = self._requests.compose(decisions[at : at + self._fill.events()])
            bodies: dict[int, bytes] = {}
            for operation in request.composed.operations:
                if operation.kind == "event":
                    bodies[operation.cause] = operation.body
                elif operation.kind == "identify":
                    self._learn(operation.body)
            self._requests.states.update(self._requests.keyed(request.composed.people))
            for position, outcome in enumerate(request.composed.outcomes):
                fates.append(_fate(outcome, bodies.get(position, b""), mapper, run[at + position][1]))
        return fates

    def _learn(self, body: bytes) -> None:
        identify = orjson.loads(body)
        who = orjson.dumps(identify["identifiers"])
        known = self.told.get(who)
        if known is None:
            self.told[who] = identify["attributes"]
        else:
            known.update(identify["attributes"])


def _fate(outcome: Filtered | Dead | None, body: bytes, mapper: Mapper, read: Callable[[], Event]) -> _Fate:
    if isinstance(outcome, Filtered):
        return _Fate(None, outcome.reason)
    if isinstance(outcome, Dead):
        return _Fate(None, f"{outcome.reason} {outcome.field}".strip(), dead=True)
    return _Fate(mapper.integration.sent_name(read().name) or "", body=body)


class Comparison:
    """Compares one integration on one shard.

    The entries of a run are in the order of the stream; runs may come newest first, since what is known of a person is
    a join, which comes to the same in any order.
    """

    def __init__(
        self, before: Mapper | None, after: Mapper | None, source: str, shard: int, silent: frozenset[str]
    ) -> None:
        self._shard = shard
        if before and after and not before.integration.send and not after.integration.send:
            before, after = _as_sent(before), _as_sent(after)  # in shadow as before: what would be sent is compared
        known = after or before
        self._identity = known.integration.source_identity if known else default_identity()
        self._sides = (_Side(before, source, shard, silent), _Side(after, source, shard, silent))
        self._found = Found()
        self._people: dict[tuple[Effect, str | None], set[str]] = {}

    def take(self, run: Sequence[tuple[Entry, Callable[[], Event]]]) -> None:
        """Compare a run of events; each comes with what reads it, once for all comparisons."""
        before, after = (side.fates(run) for side in self._sides)
        found = self._found
        found.events += len(run)
        found.sent.before += sum(fate.name is not None for fate in before)
        found.sent.after += sum(fate.name is not None for fate in after)
        found.dead.before += sum(fate.dead for fate in before)
        found.dead.after += sum(fate.dead for fate in after)
        for (entry, read), old, new in zip(run, before, after, strict=True):
            for effect, kind in _effects(old, new):
                self._count(effect, kind, entry, read, old, new)

    def _count(
        self, effect: Effect, kind: str, entry: Entry, read: Callable[[], Event], old: _Fate, new: _Fate
    ) -> None:
        tally = self._found.effects.setdefault(effect, Tally())
        name, event_id, person = _about(read, self._identity)
        kind = kind or name
        tally.events += 1
        tally.kinds[kind] = tally.kinds.get(kind, 0) + 1
        for one in (None, kind):
            self._people.setdefault((effect, one), set()).add(person)
        detail = tally.details.setdefault(kind, Detail(name))
        detail.events += 1
        detail.last_ms = max(detail.last_ms, int(entry[0].partition("-")[0]))
        for examples in (tally.samples, detail.samples):
            if len(examples) < SAMPLES:
                place = f"{self._shard}/{entry[0]}"
                examples.append(Sample(place, event_id, name, person, _words(old), _words(new)))

    def end(self) -> Found:
        """What was found."""
        for (effect, kind), people in self._people.items():
            tally = self._found.effects[effect]
            (tally if kind is None else tally.details[kind]).people = len(people)
        before, after = (side.told for side in self._sides)
        differing = self._found.people
        for who in before.keys() | after.keys():
            old, new = before.get(who), after.get(who)
            if old == new:
                continue
            differing.people += 1
            for attribute in _differing(old or {}, new or {}):
                differing.kinds[attribute] = differing.kinds.get(attribute, 0) + 1
            if len(differing.samples) < SAMPLES:
                person = " ".join(str(value) for value in orjson.loads(who).values())
                shown = (orjson.dumps(side or {}, option=orjson.OPT_SORT_KEYS).decode() for side in (old, new))
                differing.samples.append(Sample("", "", "", person, *shown))
        return self._found


def _as_sent(mapper: Mapper) -> Mapper:
    return Mapper(msgspec.structs.replace(mapper.integration, send=True))


def _effects(old: _Fate, new: _Fate) -> Iterable[tuple[Effect, str]]:
    """What differs between two fates; an empty kind means the event's own name."""
    if new.dead and not old.dead:
        yield "newly_dead", new.why
    if old.dead and not new.dead:
        yield "no_longer_dead", old.why
    if old.name is None and new.name is not None:
        yield "newly_sent", ""
    elif old.name is not None and new.name is None:
        yield "no_longer_sent", ""
    elif old.name != new.name:
        yield "renamed", f"{old.name} -> {new.name}"
    elif old.body != new.body and orjson.loads(old.body) != orjson.loads(new.body):  # one may have the sender's spaces
        yield "changed", ""


def _about(read: Callable[[], Event], identity: Identity) -> tuple[str, str, str]:
    """An event's name, id and person."""
    try:
        event = read()
    except (ValueError, RecursionError):
        return "", "", ""
    return event.name, event.key, shard_person(event.payload, identity)


def _words(fate: _Fate) -> str:
    if fate.name is not None:
        return f"sent as {fate.name}"
    return f"{'dead' if fate.dead else 'not sent'}: {fate.why}"


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [name for name in old.keys() | new.keys() if name not in old or name not in new or old[name] != new[name]]


def reader(entry: Entry) -> Callable[[], Event]:
    """Reads an entry once, however often it is called; an exception is raised again each time."""
    known: list[Event] = []

    def read() -> Event:
        if not known:
            known.append(read_event(*entry))
        return known[0]

    return read


class _NoPost:
    unproved = 0

    def send(self, body: bytes, before: Callable[[], None], *, once: bool = False) -> NoReturn:
        """Nothing is sent here."""
        raise AssertionError(f"a comparison sends nothing ({len(body)} bytes, {before}, {once})")


def _unknown(keys: Sequence[str]) -> list[bytes | None]:
    return [None] * len(keys)
