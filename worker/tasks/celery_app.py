"""Celery's application: its settings, the broker, and the clock of what is done periodically."""

import sys

from celery import Celery

from worker.app import read_settings, relay
from worker.errors import OperatorError, RelayError
from worker.process.eventlog import EventLog
from worker.process.foreign import QUEUE, guard
from worker.process.logs import configure

log = EventLog(__name__)

_SWEEP_LIFE_S = 120
# A sample a minute is wanted, and codes are counted in small bites; more often than that, so that no minute is missed.
_SAMPLE_INTERVAL_S = 20.0
# What is without progress for so long hangs in spite of every other bound.
HANGS_S = 600
# Lanes that one process serves at once: those that wait for an answer cost memory alone, and with answers after 100 ms
# about ten keep it busy.
_THREADS = 32
# Of one process, for messages that its threads send.
_BROKER_CONNECTIONS = 8

guard()
app = Celery("relay")
app.Task.Request = "worker.tasks.expiry:Request"
app.conf.update(
    task_default_queue=QUEUE,
    task_ignore_result=True,
    task_acks_late=False,  # a wake-up that is lost is found by the sweep; one that is kept would be redelivered late
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    worker_consumer="worker.tasks.consumer:Consumer",
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,  # in a child our log lines would be sent round in a circle, and lost
    worker_send_task_events=False,
    worker_enable_remote_control=False,  # whoever reaches the broker could end the workers, or change their limits
    worker_proc_alive_timeout=30,
    task_time_limit=HANGS_S,  # of a pool of processes; a thread cannot be ended: see the watchdog
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_pool_limit=2,
    enable_utc=True,
)


def configure_app() -> None:
    """Point Celery at the broker and set the clock of sweep and trim (beat).

    Raises:
        OperatorError: the settings or the integrations file are wrong.
    """
    chosen = read_settings()
    broker = relay().broker
    app.conf.broker_url = broker.url
    app.conf.broker_use_ssl = broker.use_ssl
    app.conf.broker_transport_options = broker.options
    app.conf.worker_pool = chosen.pool
    threaded = chosen.pool == "threads"
    app.conf.worker_concurrency = chosen.concurrency or (_THREADS if threaded else None)
    app.conf.broker_pool_limit = _BROKER_CONNECTIONS if threaded else 2
    app.conf.beat_schedule = {
        "sweep": {
            "task": "relay.sweep",
            "schedule": chosen.sweep_interval_s,
            "options": {"expires": _SWEEP_LIFE_S},
        },
        "trim": {
            "task": "relay.trim",
            "schedule": chosen.trim_interval_s,
            "options": {"expires": _SWEEP_LIFE_S},
        },
        "sample": {
            "task": "relay.sample",
            "schedule": _SAMPLE_INTERVAL_S,
            "options": {"expires": _SWEEP_LIFE_S},
        },
    }


def every_s() -> dict[str, float]:
    """How often each round is due, by its name."""
    return {name: float(entry["schedule"]) for name, entry in app.conf.beat_schedule.items()}


def _refuse_to_start(error: RelayError) -> None:
    """Say why: in the log of a worker or beat, to the person who runs a command."""
    process = next((name for name in ("worker", "beat") if name in sys.argv), "")
    if process:
        configure(process)
    for line in error.lines if isinstance(error, OperatorError) else [str(error)]:
        if process:
            log.critical("cannot_start", message=line)
        else:
            sys.stderr.write(f"relay: {line}\n")


try:
    configure_app()
except RelayError as error:
    _refuse_to_start(error)
    raise SystemExit(2) from None
