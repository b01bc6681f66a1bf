"""Celery's consumer, which at a stop sends the messages again that it took and that nobody has begun to work on.

The broker would give them back once the last batch has ended; twice does no harm, and their lanes do not wait for it.
"""

import threading
from collections.abc import Sequence
from typing import Any

from celery.worker import state
from kombu.exceptions import OperationalError

from worker.process import consumer
from worker.process.eventlog import EventLog
from worker.process.fault_names import fault_name

log = EventLog(__name__)

# What is not sent by then is left to the sweep.
_WAIT_S = 2.0


class Consumer(consumer.Consumer):
    """The same otherwise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sending = threading.Thread()

    def stop(self) -> None:
        """Take no more messages, and let others have those that wait for a thread or child of this worker."""
        # before Celery forgets them
        left = [one for one in list(state.reserved_requests) if one not in state.active_requests]
        super().stop()
        # a daemon: a broker that hangs must not keep the batches in hand from ending
        self._sending = threading.Thread(target=send_again, args=(left,), name="send again", daemon=True)
        self._sending.start()

    def shutdown(self) -> None:
        """Close the connection, once all is sent or that took too long."""
        if self._sending.ident is not None:
            self._sending.join(_WAIT_S)
        super().shutdown()


def send_again(requests: Sequence[Any]) -> None:
    """Send what was asked for, in the order that it came; the rest is left to the sweep where the broker is away."""
    for one in requests:
        try:
            one.task.apply_async(one.args, one.kwargs, retry=False)
        except TypeError:
            continue  # a stranger's message, of another form
        except OperationalError as fault:
            log.warning("wake_not_sent", fault=fault_name(fault))
            return
