"""The relay's Celery application with remote control, by which a test counts tasks and makes a worker deaf."""

from worker.tasks import app

app.conf.worker_enable_remote_control = True

__all__ = ["app"]
