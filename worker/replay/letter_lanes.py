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
from worker.store.stream import CAUTIOUS_LETTERS, Burial, Lane, pack, script

Became = Burial | Filtered | Literal["refused"] | None
"""What a replay made of a dead letter: dead again, filtered, or delivered (None); a person's properties: refused."""


class Turn(msgspec.Struct):
    """A job's turn on a lane: the letters to try, by id, None for those that are gone.

    `deaths` counts workers that vanished with letters of this lane in hand, `trials` how often the first letter was
    tried alone since; `search` is the bound on a turn while a refused letter is looked for (0: it is not).
    """

    deaths: int
    trials: int
    search: int
    letters: dict[str, Letter | None]


class _Row(msgspec.Struct, frozen=True):
    """What became of one letter, as the script reads it; a place is that of a cause's key, 0 for none.

    `was`: of an event that is no dead letter, the field of the books that counts it.
    """

    id: str
    became: str
    cause: str = ""
    place: int = 0
    now: dict[str, str] | None = None
    now_place: int = 0
    was: str = ""


class LetterLanes:
    """The lanes as a replay uses them."""

    def __init__(self, client: redis.Redis, lease_ms: int, person_ttl_s: int, wake_ms: int) -> None:
        self._lease_ms = lease_ms
        self._person_ttl_s = person_ttl_s
        self._wake_ms = wake_ms
        self._take = client.register_script(script("replay_take"))
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
        deaths, trials, search, ids, records = reply
        letters = [decode_letter(record) if record else None for record in records]
        return Turn(deaths, trials, search, dict(zip((i.decode() for i in ids), letters, strict=True)))

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
        """End the turn: write what became of letters and people, let the lease go; whether live events wait.

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
    """One letter as the script reads it; `causes` gives each cause its place among the keys."""

    def place(cause: str) -> int:
        return causes.setdefault(cause, len(causes) + 1)

    if became == "refused":  # no event: the books know nothing of it
        return _Row(dead_id, "refused", was="refused")
    if letter is None and not was:  # the script finds it gone
        return _Row(dead_id, "delivered")
    if letter is None or was:
        now, now_place = (became.named(), place(became.cause)) if isinstance(became, Burial) else (None, 0)
        return _Row(dead_id, _what(became), now=now, now_place=now_place, was=was)
    if isinstance(became, Burial):
        return _Row(dead_id, "dead", letter.cause, place(letter.cause), became.named(), place(became.cause))
    return _Row(dead_id, _what(became), letter.cause, place(letter.cause))


def _what(became: Became) -> str:
    if isinstance(became, Burial):
        return "dead"
    return f"filtered:{became.reason}" if isinstance(became, Filtered) else "delivered"
