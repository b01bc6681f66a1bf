"""The relay's Celery application, with an event that freezes whoever maps it, while the file `freeze` is there."""

import os
import signal
from pathlib import Path

from tests.support.waiting import elapse
from worker.mapping.mapper import Mapper
from worker.tasks import app

__all__ = ["app"]

_FREEZE = Path(os.environ["RELAY_DATA_DIR"]) / "freeze"
_decide = Mapper.decide


def _decide_or_freeze(self, event, *rest):
    if event.name == "FREEZER" and _FREEZE.exists():
        os.kill(os.getpid(), signal.SIGSTOP)
        while _FREEZE.exists():  # this thread may go on for a moment, until another one has taken the signal
            elapse(0.01)
    return _decide(self, event, *rest)


Mapper.decide = _decide_or_freeze
