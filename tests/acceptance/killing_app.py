"""The relay's Celery application, with an event that kills the process that maps it (as a segfault would)."""

import os
import signal

from worker.mapping.mapper import Mapper
from worker.tasks import app

__all__ = ["app"]

_decide = Mapper.decide


def _decide_or_die(self, event, *rest):
    if event.name == "KILLER":
        os.kill(os.getpid(), signal.SIGKILL)
    return _decide(self, event, *rest)


Mapper.decide = _decide_or_die
