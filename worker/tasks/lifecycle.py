"""Lifecycle of a worker, its children and beat: what Celery's signals begin and end."""

import atexit
import os

from billiard.process import current_process
from celery import signals
from celery.worker import state

import worker.replay.serving  # noqa: F401 - loaded before the fork, so that children share it
from worker.alerts.watchman import watch as watch_alerts
from worker.app import read_settings, relay
from worker.app.begun import beginning
from worker.customerio.spans import close_spans
from worker.process.alive import give_sign, withdraw
from worker.process.eventlog import EventLog
from worker.process.foreign import QUEUE
from worker.process.library_logs import tame_pool
from worker.process.logs import configure, write_now
from worker.process.memory import settle_in, share_with_children, use_one_arena
from worker.process.offspring import end_with
from worker.process.pulse import Pulse
from worker.process.watchdog import EXIT_DEAF, Watchdog
from worker.store.broker import BrokerAwayError, count_messages
from worker.store.processes import Role
from worker.store.turns import Turns
from worker.tasks import celery_app
from worker.tasks.periodic import ask_for
from worker.tasks.running import IN_HAND, STOP
from worker.upkeep.deputy import Deputy

log = EventLog(__name__)

_SIGN_S = 5.0
_parent_pid = 0


@signals.celeryd_init.connect
def _log_worker(**_: object) -> None:
    """Before Celery says anything."""
    from celery.apps import worker as program  # noqa: PLC0415 - loaded already, in a worker

    program.safe_say = write_now
    _log_as("worker")


@signals.setup_logging.connect
def _log_alone(**_: object) -> None:
    """Whoever listens keeps Celery from giving lines a form of its own."""
    tame_pool()


def _log_as(process: str) -> None:
    chosen = read_settings()
    configure(process, chosen.log_level, chosen.log_format)


@signals.worker_init.connect
def _begin_worker(**_: object) -> None:
    _begin("worker")


@signals.beat_init.connect
def _begin_beat(**_: object) -> None:
    _begin("beat")
    log.info("beat_starts")
    relay().start_pulse()
    atexit.register(relay().end)
    _look_after_alerts()


def _begin(role: Role) -> None:
    with beginning(role):  # while Redis is away, Celery waits for its broker, and the sweep joins
        if role == "worker":
            use_one_arena()


@signals.worker_before_create_process.connect
def _before_fork(**_: object) -> None:
    global _parent_pid  # noqa: PLW0603 - a child is to know it, and nothing else is handed to it
    _parent_pid = os.getpid()
    share_with_children()


@signals.worker_process_init.connect
def _begin_child(**_: object) -> None:
    _log_as(f"worker-{current_process().name.rpartition('-')[2]}")
    STOP.guard_child(_end)
    relay().role = "child"
    settle_in()
    end_with(_parent_pid, STOP.ask)
    relay().start_pulse()


@signals.worker_ready.connect
def _watch(**_: object) -> None:
    relay().start_pulse()  # after the children were forked
    if read_settings().pool == "threads":
        settle_in()
    _look_after_alerts()
    chosen = read_settings()
    Pulse(lambda: give_sign(chosen.data_dir, "worker"), _SIGN_S).start()
    atexit.register(withdraw, chosen.data_dir, "worker")
    Pulse(Deputy(Turns(relay().redis), celery_app.every_s(), ask_for).look, chosen.sweep_interval_s).start()
    broker = relay().broker

    def queue_length() -> int | None:
        try:
            return count_messages(broker, QUEUE, 5)
        except BrokerAwayError:
            return None

    def busy() -> bool:
        return bool(state.active_requests or state.reserved_requests)

    Watchdog(
        queue_length,
        lambda: sum(state.total_count.values()),
        busy,
        chosen.watchdog_s,
        ages_s=IN_HAND.ages_s,
        hangs_s=celery_app.HANGS_S,
        stop=_stop_soon,
    ).start()


def _stop_soon() -> None:
    """Stop as on a signal: what a worker that is to end took from the broker, it would only send again."""
    STOP.ask()
    state.should_stop = EXIT_DEAF


def _look_after_alerts() -> None:
    watching = watch_alerts(relay())
    watching.start()
    atexit.register(watching.stop)


@signals.worker_shutdown.connect
@signals.worker_process_shutdown.connect
def _end(**_: object) -> None:
    close_spans()
    relay().end()


@signals.worker_shutting_down.connect
def _shut_down(**_: object) -> None:
    STOP.ask()
