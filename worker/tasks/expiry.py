"""Celery's request, which expires by Redis's clock: a worker whose own is ahead would drop the messages of all."""

from datetime import UTC, datetime

from celery.worker.request import Request as CelerysRequest

from worker.app import relay


class Request(CelerysRequest):  # type: ignore[misc] # celery has no types
    """The same otherwise. Its time is that of the last heartbeat; before the first one nothing has expired."""

    def maybe_expire(self) -> bool:
        """Whether it has expired; Celery looks before it runs a task."""
        beats = relay().processes.own_beats
        return bool(self.expires and beats) and datetime.fromtimestamp(beats[-1] / 1000, UTC) > self.expires
