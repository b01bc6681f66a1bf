"""Dead letters of one lane during a replay: take the lease and read them, settle what became of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import redis

from worker.dead.letter import Letter, decode_letter
from worker.errors import LeaseLostError
from worker.mapping.outcome import Filtered
from worker.replay.jobs import COUNTS_S
from worker.store.keys import cause_key, job_part_key
from worker.store.lane import Lane
from worker.store.scripts import pack, script
from worker.store.settling import Burial
from worker.store.taken import CAUTIOUS_LETTERS, Phase, Vanished, read_vanished

Became = Burial | Filtered | Literal["refused"] | None
"""What a replay made of a dead letter: dead again, filtered, or delivered (None); a person's properties: refused."""


# Where the books count an event that is in the archive: nothing is moved for it.
ARCHIVED = "archived"


class Turn(msgspec.Struct):
    """A job's turn on a lane: the letters to try, by id, None for those that are gone.

    `deaths` counts workers that vanished with letters of this lane in hand, `mapping` and `sending` those that had the
    first one alone by then, while it was mapped and while it was sent; `search` is the bound on a turn while a refused
    letter is looked for (0: it is not); `vanished` says who those were.
    """

    deaths: int
    mapping: int
    sending: int
    search: int
    letters: dict[str, Letter | None]
    vanished: list[Vanished] = []

    @property
    def alone(self) -> bool:
        """Whether letters are tried one by one, each noted first, so that the next process knows what was in hand."""
        return self.deaths >= len(CAUTIOUS_LETTERS)


class _Row(msgspec.Struct, frozen=True):
    """What became of one letter, as the script reads it; a place is that of a cause's key, 0 for none."""

    id: str
    tally: str  # what the job counts
    was: str = ""  # the field of the books that counts the event until now; empty: neither letter nor event is left
    became: str = ""  # the same from now on
    note: str = ""
    held: int = 0
    cause: str = ""
    place: int = 0
    now: dict[str, str] | None = None
    now_place: int = 0


class LetterLanes:
    """The lanes as a replay uses them."""

    def __init__(self, client: redis.Redis, lease_ms: int, person_ttl_s: int, wake_ms: int) -> None:
        self._lease_ms = lease_ms
        self._person_ttl_s = person_ttl_s
        self._wake_ms = wake_ms
        self._take = client.register_script(script("replay_take"))
        self._caution = client.register_script(script("replay_caution"))
        self._settle = client.register_script(script("replay_settle"))

    def take(
        self, lane: Lane, job_id: str, token: str, most: int, *, overtake: bool
    ) -> Turn | Literal["empty", "busy", "live"]:
        """Take the lease and read up to `most` letters of the job; `overtake` does so though live events wait."""
        keys = [lane.key(kind) for kind in ("lease", "events", "inhand")]
        keys += [job_part_key(lane.shard, kind, lane.integration, job_id) for kind in ("replay", "replayed")]
        args: list[Any] = [token, self._lease_ms, lane.integration, most, int(overtake), *CAUTIOUS_LETTERS]
        reply: Any = self._take(keys=[*keys, lane.key("dead")], args=args)
        if isinstance(reply, bytes):
            ended: Literal["empty", "busy", "live"] = reply.decode()  # type: ignore[assignment]
            return ended
        deaths, mapping, sending, search, ids, records, gone = reply
        letters = [decode_letter(record) if record else None for record in records]
        by_id = dict(zip((i.decode() for i in ids), letters, strict=True))
        return Turn(deaths, mapping, sending, search, by_id, read_vanished(gone))

    def caution(self, lane: Lane, token: str, phase: Phase) -> None:
        """Note what the letter that is alone in hand goes through: a holder that vanishes then may be its work."""
        self._caution(keys=[lane.key(kind) for kind in ("lease", "inhand")], args=[token, phase])

    def _was(self, _dead_id: str) -> str:
        """Where the books count an event that is no dead letter; empty for a dead letter."""
        return ""

    def settle(
        self,
        lane: Lane,
        job_id: str,
        token: str,
        outcomes: Sequence[tuple[str, Letter | None, Became]],
        people: Mapping[str, bytes],
        search: int,
        change: bytes = b"",
    ) -> bool:
        """End the turn: write what became of letters and people, release the lease; whether live events wait.

        `change` is what the trail's changes say of this turn.

        Raises:
            LeaseLostError: the lease belongs to another holder, or the turn was ended before; nothing was changed.
        """
        keys = [lane.key(kind) for kind in ("lease", "events", "wake", "ledger", "inhand")]
        keys += [job_part_key(lane.shard, kind, lane.integration, job_id) for kind in ("replay", "replayed")]
        keys += [lane.key(kind) for kind in ("dead", "deadtime", "deadcauses")]
        causes: dict[str, int] = {}
        rows = [_row(*outcome, self._was(outcome[0]), causes) for outcome in outcomes]
        keys += [*people, *(cause_key(lane.shard, lane.integration, cause) for cause in causes), lane.key("changes")]
        head: list[Any] = [token, lane.integration, self._wake_ms, self._person_ttl_s, COUNTS_S, search]
        reply: Any = self._settle(keys=keys, args=[*head, pack(rows), change, *people.values()])
        if reply == b"lost":
            raise LeaseLostError(f"{lane.integration} on shard {lane.shard}")
        return bool(reply == b"more")


def _row(dead_id: str, letter: Letter | None, became: Became, was: str, causes: dict[str, int]) -> _Row:
    """One letter as the script reads it; `causes` gives each cause its place among the keys.

    `was`: where the books count an event that is no dead letter; empty for a dead letter.
    """
    if was == ARCHIVED:  # what the books have of it stays: the trail that says so is gone from Redis
        what = "refused" if became == "refused" or isinstance(became, Burial) else _field(became)
        return _Row(dead_id, what, "delivered", "delivered")
    former = letter if not was else None
    if former is not None:
        was = former.settled or "dead"
    if not was:  # the script finds it gone
        return _Row(dead_id, "gone")
    if became == "refused":  # no event: the books know nothing of it
        return _Row(dead_id, "refused", was, was)
    ended = _field(became)
    burial = became if isinstance(became, Burial) else None
    if former is None and was == "delivered" and ended != "delivered":  # Customer.io has it from the first time
        return _Row(dead_id, "refused" if burial else ended, was, was)
    if former is not None and former.settled:
        ended = former.settled
    held = bool(burial and burial.settled) - bool(former and former.settled)

    def place(cause: str) -> int:
        return causes.setdefault(cause, len(causes) + 1)

    return _Row(
        dead_id,
        "dead" if burial else _field(became),
        was,
        ended,
        _note(was, ended, burial, held),
        held,
        former.cause if former else "",
        place(former.cause) if former else 0,
        burial.named() if burial else None,
        place(burial.cause) if burial else 0,
    )


def _field(became: Burial | Filtered | None) -> str:
    """The field of the books that counts the event from now on."""
    if isinstance(became, Burial):
        return became.settled or "dead"
    return f"filtered:{became.reason}" if isinstance(became, Filtered) else "delivered"


def _note(was: str, ended: str, burial: Burial | None, held: int) -> str:
    """What the trail's changes say: nothing, where the event is counted as before and its properties are as before."""
    if was == ended and not held:
        return ""
    return f"{ended}:properties_rejected" if burial and ended == "delivered" else ended
