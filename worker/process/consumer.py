"""Celery's consumer, which waits before it connects again where the broker refuses who connects.

A broker that is away is tried in growing intervals; one that refuses (RabbitMQ without the virtual host) was tried
five times a second.
"""

from time import sleep
from typing import Any

from celery.worker.consumer import Consumer as CelerysConsumer

_PAUSE_S = 5


class Consumer(CelerysConsumer):  # type: ignore[misc] # celery has no types
    """The same otherwise."""

    def on_connection_error_before_connected(self, exc: Any) -> None:
        """Say it, and wait; a signal to stop is looked at afterwards."""
        super().on_connection_error_before_connected(exc)
        sleep(_PAUSE_S)
