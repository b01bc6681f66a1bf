"""The relay's Celery application, with an event that hangs for ever whoever maps it."""

import threading

from worker.mapping.mapper import Mapper
from worker.tasks import app, celery_app

__all__ = ["app"]

celery_app.HANGS_S = 3

_decide = Mapper.decide


def _decide_or_hang(self, event, *rest):
    if event.name == "HANGER":
        threading.Event().wait()
    return _decide(self, event, *rest)


Mapper.decide = _decide_or_hang
