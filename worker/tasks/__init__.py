"""Celery's side of the relay: `celery --app worker.tasks` finds the application and all its tasks here."""

from worker.tasks import lifecycle  # noqa: F401 - listens to Celery's signals
from worker.tasks.celery_app import app
from worker.tasks.periodic import sample, sweep, trim
from worker.tasks.serving import deliver, replay, wake, wake_job

__all__ = ["app", "deliver", "replay", "sample", "sweep", "trim", "wake", "wake_job"]
