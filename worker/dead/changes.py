"""Changes of dead letters other than replays: discard, restore, edit, forget; the books balance after each."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import compress, count, groupby
from typing import Any, Literal

import msgspec
import redis

from worker.dead.burying import burial
from worker.dead.filters import Filter
from worker.dead.letter import (
    Letter,
    decode_letter,
    encode_letter,
    letter_id,
    moved_entry,
    raw_of,
    received_of,
    split_id,
)
from worker.dead.letters import DeadLetters
from worker.purchasely.payload import read_object
from worker.purchasely.person import other_names, person_names, plain_name
from worker.store.keys import cause_key, shard_key
from worker.store.lane import Lane
from worker.store.scripts import pack, script
from worker.store.trail import Change as Trailed
from worker.store.trail import changes_key, encode_record

TRAIL = 1000
_CHUNK = 200

Change = Literal["done", "gone", "in hand", "changed"]
"""What became of a letter: changed, or left alone since it is gone, being replayed, or not what the caller read."""

_WORDS: dict[str, Change] = {"1": "done", "g": "gone", "h": "in hand", "c": "changed"}


class Discarded(msgspec.Struct, frozen=True):
    """A note of the trail: who discarded what, when (Unix ms), and why."""

    id: str
    at_ms: int
    by: str
    message: str
    reason: str
    field: str
    status: int
    event: str


class DeadChanges:
    """The changes; each is one script a shard, so a letter is never half changed."""

    def __init__(self, client: redis.Redis, shards: int, letters: DeadLetters) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._shards = shards
        self._letters = letters
        self._remove = client.register_script(script("remove"))
        self._restore = client.register_script(script("restore"))
        self._rewrite = client.register_script(script("rewrite"))
        self._displace = client.register_script(script("displace"))

    def discard(self, letters: Iterable[Letter], message: str, by: str) -> Iterator[tuple[Letter, Change]]:
        """Discard letters: they count as filtered:discarded, and the trail records who did it and why."""
        now_ms = time.time_ns() // 1_000_000

        def note(letter: Letter) -> bytes:
            return msgspec.json.encode(Discarded(letter.id, now_ms, by, message, **letter.about))

        for chunk in _chunks(letters):
            yield from zip(chunk, self._take_off("filtered:discarded", chunk, note, by), strict=True)

    def trail(self, integrations: Iterable[str], limit: int) -> list[Discarded]:
        """The newest notes on what was discarded, newest first."""
        pipe = self._redis.pipeline(transaction=False)
        for name in integrations:
            for shard in range(self._shards):
                pipe.lrange(shard_key(shard, "deadtrail", name), 0, limit - 1)
        notes = [msgspec.json.decode(note, type=Discarded) for row in pipe.execute() for note in row]
        return sorted(notes, key=lambda note: (-note.at_ms, note.id))[:limit]

    def restore(self, letter: Letter, by: str = "") -> bool:
        """Put back a letter that is not there, as one more accepted event; False when it is there."""
        lane = Lane(letter.source, letter.integration, letter.shard)
        new = burial(letter)
        keys = [lane.key(kind) for kind in ("ledger", "dead", "deadtime", "deadcauses")]
        keys += [cause_key(lane.shard, lane.integration, new.cause), lane.key("changes")]
        note = encode_record(Trailed(time.time_ns() // 1_000_000, by=by))
        return bool(self._restore(keys=keys, args=[pack(new.named()), note]))

    def displace(self, dead_id: str, letter: Letter) -> None:
        """Note where a letter was discarded under this id that it came back on another shard, as `letter`."""
        integration, shard, entry_id = split_id(dead_id)
        note = encode_record(Trailed(time.time_ns() // 1_000_000, by=letter.id))
        self._displace(keys=[changes_key(shard, integration)], args=[entry_id, note])

    def rewrite(self, before: Letter, after: Letter) -> Change:
        """Replace a letter that is still as it was read."""
        lane = Lane(before.source, before.integration, before.shard)
        keys = [lane.key(kind) for kind in ("lease", "inhand", "dead")]
        stored: bytes | None = self._redis.hget(keys[2], before.id)
        # another release writes the same letter in other bytes: fields had other names, or were not there yet
        was = stored if stored is not None and _says(stored, before) else encode_letter(before)
        reply: Any = self._rewrite(keys=keys, args=[before.id, was, encode_letter(after)])
        return _WORDS[reply.decode()]

    def move(self, before: Letter, after: Letter, shard: int) -> tuple[Change, Letter]:
        """Replace a letter by one on another shard: that of the person an edit has named.

        The new one is written before the old one is removed: a crash in between leaves both, with the same ULID.
        """
        return self._move(before, after, shard, lambda _: False)

    def rehome(self, letter: Letter, shard: int, confirm: Callable[[], None] = lambda: None) -> Change:
        """Move a letter, as it is, to the shard where its person is now; `confirm` that it is there before it leaves.

        As by `move`; one that was written there by a call that was broken off is not written twice. To be called by one
        process at a time.
        """

        def is_there(after: Letter) -> bool:
            return self._letters.get([after.id]) == [after]

        change, _ = self._move(letter, letter, shard, is_there, confirm)
        return change

    def _move(
        self,
        before: Letter,
        after: Letter,
        shard: int,
        is_there: Callable[[Letter], bool],
        confirm: Callable[[], None] = lambda: None,
    ) -> tuple[Change, Letter]:
        """Write a letter on another shard, at the first free entry or where it `is_there`, in the place of another."""
        for further in count():
            moved = letter_id(after.integration, shard, moved_entry(before.entry_id, further))
            after = msgspec.structs.replace(after, id=moved, shard=shard)
            if self.restore(after) or is_there(after):
                break
        confirm()
        change = self._take_off("base", [before], by=after.id)[0]  # the trail says where it is now
        if change != "done":
            self._take_off("base", [after])
        return change, after

    def forget(
        self,
        integration: str,
        name: str,
        fields: Collection[str] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> int:
        """Remove every letter of a person (named as by `plain_name`, `fields` are those of an identity chain).

        They count as filtered:forgotten.
        """
        removed = 0
        for chunk in _chunks(self._letters.find([integration], Filter())):
            mine = [letter for letter in chunk if name in names_of(letter, fields)]
            while mine:
                changes = self._take_off("filtered:forgotten", mine)
                removed += changes.count("done")
                busy = [change in {"in hand", "changed"} for change in changes]
                left = [letter.id for letter in compress(mine, busy)]
                if left:
                    sleep(0.2)
                mine = [letter for letter in self._letters.get(left) if letter]
        return removed

    def mentioning(self, integration: str, name: str) -> int:
        """How many letters of other people name a person, as the other side of a transfer."""
        letters = self._letters.find([integration], Filter())
        return sum(name in other_names(payload) for letter in letters for payload in _payloads(letter)[:1])

    def _take_off(
        self, field: str, letters: Sequence[Letter], note: Callable[[Letter], bytes] = lambda _: b"", by: str = ""
    ) -> list[Change]:
        """Remove letters of one lane, whose count goes to a field of the ledger."""
        lane = Lane(letters[0].source, letters[0].integration, letters[0].shard)
        causes: dict[str, int] = {}
        rows = []
        for letter in letters:
            place = causes.setdefault(letter.cause, len(causes) + 1)
            rows.append({"id": letter.id, "cause": letter.cause, "place": place, "note": note(letter).decode()})
            rows[-1]["settled"] = letter.settled
        kinds = ("lease", "inhand", "ledger", "dead", "deadtime", "deadcauses", "deadtrail")
        keys = [lane.key(kind) for kind in kinds]
        keys += [cause_key(lane.shard, lane.integration, cause) for cause in causes]
        keys.append(lane.key("changes"))
        reply: Any = self._remove(
            keys=keys, args=[field, TRAIL, pack(rows), encode_record(Trailed(time.time_ns() // 1_000_000, by=by))]
        )
        return [_WORDS[char] for char in reply.decode()]


def _says(record: bytes, letter: Letter) -> bool:
    """Whether a record is of this letter, unchanged."""
    with suppress(ValueError):
        return decode_letter(record) == letter
    return False


def _chunks(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    """Letters by lane, in the order given, as many at a time as one script takes."""
    for _, lane in groupby(letters, key=lambda letter: (letter.integration, letter.shard)):
        chunk: list[Letter] = []
        for letter in lane:
            chunk.append(letter)
            if len(chunk) == _CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk


def names_of(letter: Letter, fields: Collection[str]) -> set[str]:
    """Every name of the letter's person, as `plain_name` has them; `fields` are those of an identity chain."""
    names = {plain_name(letter.person)} if letter.person else set()
    return names.union(*(person_names(payload, fields) for payload in _payloads(letter)))


def _payloads(letter: Letter) -> list[dict[str, Any]]:
    """The event as it would be replayed, then as it was received; without what is no JSON object."""
    found = []
    for raw in (raw_of(letter), received_of(letter)):
        with suppress(ValueError):
            found.append(read_object(raw))
    return found
