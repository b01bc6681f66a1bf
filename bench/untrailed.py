"""The worker without its trail: what `bench.trail` compares with."""

from worker.delivery import settlement

settlement.trail_run = lambda *_: b""  # type: ignore[assignment]

from worker.tasks import app  # noqa: E402, F401 - Celery looks for it here
