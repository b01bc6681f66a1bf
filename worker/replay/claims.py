"""Claims on jobs: one chain of tasks at a time, each task handing the claim on to its successor."""

import uuid
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import redis

from worker.store.keys import job_key

# How long a job that was woken stays claimed while its message is under way.
_WAKE_MS = 10_000


class Claims:
    """The claims on jobs. A chain that breaks, because its worker was killed, leaves a claim that expires."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer

    def take(self, job_id: str, token: str, following: str, life_ms: int) -> bool:
        """Whether the task with this token may work on the job; its successor's token is then `following`."""
        key = job_key(job_id, "lease")
        if self._redis.set(key, following, nx=True, px=life_ms):
            return True
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.watch(key)
            if pipe.get(key) not in {token.encode(), following.encode()}:
                return False
            pipe.multi()
            pipe.set(key, following, px=life_ms)
            try:
                pipe.execute()
            except redis.WatchError:
                return False
            return True

    def wake(self, job_id: str) -> str | None:
        """The token for a message that wakes an idle job; None when a task works on it."""
        token = uuid.uuid4().hex
        return token if self.take(job_id, token, token, _WAKE_MS) else None

    def renew(self, job_id: str, life_ms: int) -> None:
        """Prolong the claim."""
        self._redis.pexpire(job_key(job_id, "lease"), life_ms)

    def drop(self, job_id: str, token: str) -> None:
        """Release the claim, if it is still this token's."""
        key = job_key(job_id, "lease")
        with self._redis.pipeline(transaction=True) as pipe, suppress(redis.WatchError):
            pipe.watch(key)
            if pipe.get(key) == token.encode():
                pipe.multi()
                pipe.delete(key)
                pipe.execute()

    def claimed(self, ids: Iterable[str]) -> set[str]:
        """Which of these jobs a chain of tasks works on."""
        names = list(ids)
        pipe = self._redis.pipeline(transaction=False)
        for job_id in names:
            pipe.exists(job_key(job_id, "lease"))
        return {job_id for job_id, there in zip(names, pipe.execute(), strict=True) if there}
