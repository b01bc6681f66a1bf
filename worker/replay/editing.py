"""An edit's turn on one lane: letters of a job changed alike, as `relay dead edit` changes one; nothing is sent."""

import time
from typing import Any, Literal

import msgspec
import redis

from config.integrations import Identity
from worker.dead.changes import DeadChanges
from worker.dead.edits import Changes, edit, home
from worker.dead.letter import Letter
from worker.dead.letters import DeadLetters
from worker.replay.job import Job
from worker.replay.jobs import COUNTS_S
from worker.replay.turn import Ended
from worker.store.keys import job_part_key

Tally = Literal["edited", "unchanged", "unfit", "gone"]
"""Unchanged: it was like that already. Unfit: the change does not fit the event, or makes it too large."""

_TRIES = 3


class Editor:
    """Changes letters; a letter that a replay has in hand is left for later. `job`: its id, and who has started it."""

    def __init__(
        self,
        changes: DeadChanges,
        wanted: Changes,
        job: tuple[str, str],
        identity: Identity,
        shards: int,
        max_event_bytes: int,
    ) -> None:
        self._changes = changes
        self._wanted = wanted
        self._job_id, self._by = job
        self._identity = identity
        self._shards = shards
        self._max_event_bytes = max_event_bytes

    def edited(self, letter: Letter) -> Letter | Tally:
        """The letter as it would be, on the shard of its person; or why it stays as it is."""
        try:
            raw = self._wanted.apply(letter)
            if raw is None:
                return "unchanged"
            if len(raw) > self._max_event_bytes:
                return "unfit"
            now_ms = time.time_ns() // 1_000_000
            new = self._wanted.new_identity
            after = edit(letter, raw, self._by, now_ms, new_identity=new, identity=self._identity)
        except ValueError:
            return "unfit"
        return msgspec.structs.replace(after, shard=home(after, self._shards), job=self._job_id)

    def write(self, letter: Letter) -> Tally | Literal["in hand", "changed"]:
        """Change one letter."""
        after = self.edited(letter)
        if not isinstance(after, Letter):
            return after
        if after.shard == letter.shard:
            change = self._changes.rewrite(letter, after)
        else:
            change, _ = self._changes.move(letter, after, after.shard)
        return "edited" if change == "done" else change


class EditTurns:
    """Turns of one job on one lane."""

    def __init__(
        self, client: redis.Redis, job: Job, integration: str, shard: int, letters: DeadLetters, editor: Editor
    ) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._left = job_part_key(shard, "replay", integration, job.id)
        self._counts = job_part_key(shard, "replayed", integration, job.id)
        self._letters = letters
        self._editor = editor

    def turn(self, most: int, *, overtake: bool = False, probe: bool = False) -> Ended:  # noqa: ARG002 - as a replay's
        """Change up to `most` letters; one whose worker is killed after the change counts as unchanged."""
        ids = [dead_id.decode() for dead_id in self._redis.zrange(self._left, 0, most - 1)]
        if not ids:
            return Ended("empty")
        settled = 0
        for dead_id, letter in zip(ids, self._letters.get(ids), strict=True):
            tally = self._write(dead_id, letter)
            if tally != "in hand":
                settled += 1
                self._settle(dead_id, tally)
        return Ended("settled", settled) if settled else Ended("busy")

    def _write(self, dead_id: str, letter: Letter | None) -> str:
        for _ in range(_TRIES):
            if letter is None:
                return "gone"
            tally = self._editor.write(letter)
            if tally != "changed":
                return tally
            letter = self._letters.get([dead_id])[0]  # somebody else has changed it meanwhile
        return "in hand"

    def _settle(self, dead_id: str, tally: str) -> None:
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.zrem(self._left, dead_id)
            pipe.hincrby(self._counts, tally, 1)
            pipe.expire(self._counts, COUNTS_S)
            pipe.execute()
