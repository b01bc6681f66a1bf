"""Replay jobs: who asked for what, how far it is, and whether it may go on."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import redis

from worker.dead.letter import split_id
from worker.errors import OperatorError
from worker.purchasely.payload import read_object
from worker.purchasely.person import person_names
from worker.replay.job import NEXT, Job, JobState, read_job, write_job
from worker.store.keys import JOBS, OPEN_JOBS, job_key, job_part_key
from worker.store.layout import read_layout, refuse_while_moving

HISTORY = 200
# The kind of key that has the events which a job carries.
CARRIED = "carried"
# How long a prepared job is kept if its command is killed before it starts the job.
PREPARED_S = 3600
# How long the counts of a job outlive its last turn; they are summed up when it ends.
COUNTS_S = 90 * 86_400
_CHUNK = 1000


class Jobs:
    """The jobs in Redis."""

    def __init__(self, client: redis.Redis, shards: int) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._shards = shards

    def start(self, job: Job, ids: Sequence[str], bodies: Mapping[str, bytes] | None = None) -> None:
        """Store which letters a job is to replay, in this order, and start it.

        `bodies` are events that are in no stream any more: the job carries them until it ends.

        Raises:
            OperatorError: as of `start_on`.
        """
        self._refuse_other_lanes()  # nothing is carried for a job that cannot be started
        lanes: dict[tuple[str, int], list[str]] = {}
        for dead_id in ids:
            integration, shard, _ = split_id(dead_id)
            lanes.setdefault((integration, shard), []).append(dead_id)
        self._carry(job, bodies or {})
        self.start_on(job, lanes)

    def start_on(self, job: Job, lanes: Mapping[tuple[str, int], Sequence[str]]) -> None:
        """Store what a job has to do on each lane (integration and shard), in this order, and start it.

        Raises:
            OperatorError: the number of shards grows, or has grown since these lanes were looked up.
        """
        self._refuse_other_lanes()
        keys = []
        for (integration, shard), here in lanes.items():
            key = job_part_key(shard, "replay", integration, job.id)
            keys.append(key)
            for start in range(0, len(here), _CHUNK):
                chunk = here[start : start + _CHUNK]
                # numbered, so that a command repeated after a lost answer adds nothing
                self._redis.zadd(key, {dead_id: start + place for place, dead_id in enumerate(chunk)})
                self._redis.expire(key, PREPARED_S)
        pipe = self._redis.pipeline(transaction=False)
        for key in keys:
            pipe.persist(key)
        for name in job.integrations:
            for shard in range(self._shards):
                pipe.expire(job_part_key(shard, CARRIED, name, job.id), COUNTS_S)
        pipe.execute()
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(job_key(job.id), mapping=write_job(job))
            pipe.zadd(JOBS, {job.id: job.created_ms})
            pipe.sadd(OPEN_JOBS, job.id)
            pipe.execute()
        try:
            self._refuse_other_lanes()
        except OperatorError:  # a growth waits for jobs, and one that began meanwhile may not have seen this one
            self.move(job.id, "aborted")
            self.close(job)
            raise
        self._forget_oldest()

    def _refuse_other_lanes(self) -> None:
        """Refuse lanes that were looked up by another layout than the one in force."""
        refuse_while_moving(self._redis)
        found = read_layout(self._redis)
        if found is not None and found.shards != self._shards:
            raise OperatorError(
                f"there are {found.shards} shards by now, and were {self._shards} when it was looked up what to send: "
                "people are elsewhere; do it again"
            )

    def _carry(self, job: Job, bodies: Mapping[str, bytes]) -> None:
        """Keep what a job carries, for as long as any job may take once it is started; its end deletes it."""
        pipe, keys = self._redis.pipeline(transaction=False), set()
        for number, (dead_id, raw) in enumerate(bodies.items(), 1):
            integration, shard, _ = split_id(dead_id)
            key = job_part_key(shard, CARRIED, integration, job.id)
            keys.add(key)
            pipe.hset(key, dead_id, raw)
            if number % _CHUNK == 0 or number == len(bodies):
                for one in keys:
                    pipe.expire(one, PREPARED_S)
                pipe.execute()

    def get(self, job_id: str) -> Job | None:
        """One job with its counts as they are now."""
        row = self._redis.hgetall(job_key(job_id))
        if not row:
            return None
        job = read_job(row)
        if not job.closed:
            job.left = sum(left for _, _, left in self.lanes(job))
            job.counts = self._counts(job)
        return job

    def peek(self, job_id: str) -> Job | None:
        """One job without its counts: a single read."""
        row = self._redis.hgetall(job_key(job_id))
        return read_job(row) if row else None

    def page(self, limit: int, before_ms: int | None = None) -> list[Job]:
        """The newest jobs first; `before_ms` goes on from the last one's `created_ms`."""
        most: Any = "+inf" if before_ms is None else f"({before_ms}"
        ids = self._redis.zrevrangebyscore(JOBS, most, "-inf", 0, limit)
        return [job for job_id in ids if (job := self.get(job_id.decode()))]

    def about(self, meant: str, looked_at: int = 50) -> Job | None:
        """The newest job whose filter is this, if it is among the last ones."""
        ids = [job_id.decode() for job_id in self._redis.zrevrange(JOBS, 0, looked_at - 1)]
        pipe = self._redis.pipeline(transaction=False)
        for job_id in ids:
            pipe.hget(job_key(job_id), "filter")
        found = (job_id for job_id, text in zip(ids, pipe.execute(), strict=True) if text == meant.encode())
        return next((job for job_id in found if (job := self.get(job_id))), None)

    def open(self) -> list[Job]:
        """The jobs that are not closed, without their counts."""
        ids = sorted(job_id.decode() for job_id in self._redis.smembers(OPEN_JOBS))
        return [job for job_id in ids if (job := self.peek(job_id))]

    def lanes(self, job: Job) -> list[tuple[str, int, int]]:
        """Integration, shard and number of letters of each lane where the job has something left."""
        places = [(name, shard) for name in job.integrations for shard in range(self._shards)]
        pipe = self._redis.pipeline(transaction=False)
        for name, shard in places:
            pipe.zcard(job_part_key(shard, "replay", name, job.id))
        return [(*place, left) for place, left in zip(places, pipe.execute(), strict=True) if left]

    def move(self, job_id: str, state: JobState) -> JobState | None:
        """Put a job into another state; the state it is in now, None when there is no such job."""
        key = job_key(job_id)
        while True:
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.watch(key)
                found = pipe.hget(key, "state")
                if found is None:
                    return None
                now: JobState = found.decode()
                if now == state or now not in NEXT[state]:
                    return now
                pipe.multi()
                ended_ms = time.time_ns() // 1_000_000 if state in {"aborted", "done"} else 0
                pipe.hset(key, mapping={"state": state, "ended_ms": ended_ms, "message": ""})
                try:
                    pipe.execute()
                except redis.WatchError:
                    continue
                return state

    def note(self, job_id: str, **facts: str | int) -> None:
        """Update fields of an existing job."""
        if self._redis.exists(job_key(job_id)):
            self._redis.hset(job_key(job_id), mapping=facts)

    def close(self, job: Job) -> None:
        """Sum up a job that has ended and clear what is left of it on the lanes. May be repeated."""
        key = job_key(job.id)
        if not self._redis.hexists(key, "closed"):
            left = sum(count for _, _, count in self.lanes(job))
            counts = msgspec.json.encode(self._counts(job))
            self._redis.hset(key, mapping={"counts": counts, "left": left, "closed": "1", "edit": ""})
        pipe = self._redis.pipeline(transaction=False)
        for name in job.integrations:
            for shard in range(self._shards):
                pipe.delete(*(job_part_key(shard, kind, name, job.id) for kind in ("replay", "replayed", CARRIED)))
        pipe.execute()
        self._redis.srem(OPEN_JOBS, job.id)

    def forget(self, name: str) -> None:
        """Remove a person's identifier from the filters of stored jobs."""
        for job_id in self._redis.zrange(JOBS, 0, -1):
            key = job_key(job_id.decode())
            if name.casefold() in (self._redis.hget(key, "filter") or b"").decode().casefold():
                self._redis.hset(key, "filter", "(forgotten)")
            if name.casefold() in (self._redis.hget(key, "edit") or b"").decode().casefold():
                self.move(job_id.decode(), "aborted")
                self._redis.hset(key, "edit", "")
        self._forget_carried(name)

    def _forget_carried(self, name: str) -> None:
        """Remove the events that name a person from what open jobs carry."""
        for job in self.open():
            for integration in job.integrations:
                for shard in range(self._shards):
                    key = job_part_key(shard, CARRIED, integration, job.id)
                    mine = [dead_id for dead_id, raw in self._redis.hscan_iter(key) if name in _names(raw)]
                    if mine:
                        self._redis.hdel(key, *mine)

    def _counts(self, job: Job) -> dict[str, int]:
        pipe = self._redis.pipeline(transaction=False)
        for name in job.integrations:
            for shard in range(self._shards):
                pipe.hgetall(job_part_key(shard, "replayed", name, job.id))
        total: Counter[str] = Counter()
        for row in pipe.execute():
            total.update({field.decode(): int(count) for field, count in row.items() if field != b"most"})
        return dict(total)

    def _forget_oldest(self) -> None:
        for job_id in self._redis.zrange(JOBS, 0, -HISTORY - 1):
            if self._redis.sismember(OPEN_JOBS, job_id):
                continue
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.zrem(JOBS, job_id)
                pipe.delete(job_key(job_id.decode()))
                pipe.execute()


def _names(raw: bytes) -> set[str]:
    try:
        return person_names(read_object(raw))
    except ValueError:
        return set()
