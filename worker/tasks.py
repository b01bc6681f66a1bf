"""Celery tasks: deliver, replay, sweep, trim, sample.

A message only says "there is work for this integration on this shard". Events never travel in it: losing a message, or
running one twice, costs nothing.
"""

import atexit
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis
from billiard.process import current_process
from celery import Celery, signals
from celery.worker import state
from kombu.exceptions import OperationalError

import worker.replay.serving  # noqa: F401 - loaded before the fork, so that children share it
from config.variables import unknown_variables
from worker.alerts.watchman import watch as watch_alerts
from worker.app import read_settings, relay
from worker.customerio.spans import close_spans
from worker.errors import OperatorError, RelayError
from worker.ledger.figures import Ledger
from worker.ledger.headroom import watch
from worker.ledger.sampling import take_sample
from worker.process.alive import give_sign, withdraw
from worker.process.broker_link import is_demoted
from worker.process.eventlog import EventLog, RareLog
from worker.process.foreign import QUEUE, guard
from worker.process.in_hand import InHand
from worker.process.instance import new_token
from worker.process.logs import configure, write_now
from worker.process.memory import settle_in, share_with_children, use_one_arena
from worker.process.offspring import end_with
from worker.process.pulse import Pulse
from worker.process.stop import Stop
from worker.process.watchdog import Watchdog
from worker.replay.claims import Claims
from worker.store.broker import BrokerAwayError, count_messages
from worker.store.processes import Role
from worker.store.samples import Samples
from worker.store.stream import Lane
from worker.store.turns import Turns
from worker.upkeep.counting import count_codes
from worker.upkeep.deputy import Deputy
from worker.upkeep.idle_jobs import idle_jobs
from worker.upkeep.rounds import Rounds

log = EventLog(__name__)
rare_log = RareLog(__name__, every_s=10)

# Old messages need not be served, but clocks differ: a worker whose clock is ahead would drop all there are.
_MESSAGE_LIFE_S = 600
_SWEEP_LIFE_S = 120
_SIGN_S = 5.0
# A sample a minute is wanted, and codes are counted in small bites; more often than that, so that no minute is missed.
SAMPLE_INTERVAL_S = 20.0
_COUNTING_S = 1.0
# What is without progress for so long hangs in spite of every other bound.
HANGS_S = 600
# Lanes that one process serves at once: those that wait for an answer cost memory alone, and with answers after 100 ms
# about ten keep it busy.
_THREADS = 32
# Of one process, for messages that its threads send.
_BROKER_CONNECTIONS = 8

guard()
app = Celery("relay")
app.conf.update(
    task_default_queue=QUEUE,
    task_ignore_result=True,
    task_acks_late=False,  # a wake-up that is lost is found by the sweep; one that is kept would be redelivered late
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
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


_stop = Stop()
_parent_pid = 0
_in_hand = InHand()


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
            "schedule": SAMPLE_INTERVAL_S,
            "options": {"expires": _SWEEP_LIFE_S},
        },
    }


@signals.celeryd_init.connect
def _log_worker(**_: object) -> None:
    """Before Celery says anything."""
    from celery.apps import worker as program  # noqa: PLC0415 - loaded already, in a worker

    program.safe_say = write_now
    _log_as("worker")


@signals.setup_logging.connect
def _log_alone(**_: object) -> None:
    """Whoever listens keeps Celery from giving lines a form of its own."""


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
    relay().pulse.start()
    atexit.register(relay().end)
    _look_after_alerts()


def _begin(role: Role) -> None:
    _log_as(role)
    for warning in unknown_variables(os.environ):
        log.warning("unknown_variable", message=warning)
    parts = relay()
    parts.role = role
    if role == "worker":
        use_one_arena()
    try:
        parts.begin()
    except OperatorError as error:
        for line in error.lines:
            log.critical("cannot_start", message=line)
        raise SystemExit(2) from None
    except (redis.RedisError, OSError) as fault:
        log.warning("redis_away", fault=type(fault).__name__)  # Celery waits for its broker, the sweep joins


@signals.worker_before_create_process.connect
def _before_fork(**_: object) -> None:
    global _parent_pid  # noqa: PLW0603 - a child is to know it, and nothing else is handed to it
    _parent_pid = os.getpid()
    share_with_children()


@signals.worker_process_init.connect
def _begin_child(**_: object) -> None:
    _log_as(f"worker-{current_process().name.rpartition('-')[2]}")
    _stop.guard_child(_end)
    relay().role = "child"
    settle_in()
    end_with(_parent_pid, _stop.ask)
    relay().pulse.start()


@signals.worker_ready.connect
def _watch(**_: object) -> None:
    relay().pulse.start()  # after the children were forked
    if read_settings().pool == "threads":
        settle_in()
    _look_after_alerts()
    chosen = read_settings()
    Pulse(lambda: give_sign(chosen.data_dir, "worker"), _SIGN_S).start()
    atexit.register(withdraw, chosen.data_dir, "worker")
    every_s = {name: float(entry["schedule"]) for name, entry in app.conf.beat_schedule.items()}
    Pulse(Deputy(Turns(relay().redis), every_s, _ask_for).look, chosen.sweep_interval_s).start()
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
        ages_s=_in_hand.ages_s,
        hangs_s=HANGS_S,
        stop=_stop.ask,
    ).start()


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
    _stop.ask()


@app.task(name="relay.deliver", expires=_MESSAGE_LIFE_S)
def deliver(integration: str, shard: int, *, probe: bool = False) -> None:
    """Deliver what waits for an integration on a shard, and ask to be called again if the budget did not suffice."""
    parts = relay()
    if not _are(str, integration) or not _are(int, shard) or not _is_shard(shard):
        log.warning("foreign_message_dropped", task="deliver")
        return
    known = parts.integrations.integrations.get(integration)
    if known is None:
        log.warning("unknown_integration", integration=integration[:60])
        return
    if known.unresolved:
        log.warning("integration_not_served", integration=integration, message=f"secret missing: {known.unresolved}")
        return  # another host may have the secret: the sweep goes on asking
    lane = Lane(known.source, integration, shard)
    with _stop, _redis_may_be_away():
        if _stop.asked():
            return  # this process is about to end: the next sweep finds the lane another one
        while parts.delivery(lane, _stop).run(new_token(), probe=probe) == "more":
            if wake(integration, shard) or _stop.asked():
                return  # the broker has the message: others get their turn first
            _in_hand.go_on()


@app.task(name="relay.replay", expires=_MESSAGE_LIFE_S)
def replay(job_id: str, token: str) -> None:
    """Work on a replay job, and ask to be called again while something is left; `token` says whose turn it is."""
    if not _are(str, job_id, token):
        log.warning("foreign_message_dropped", task="replay")
        return
    with _stop, _redis_may_be_away():
        if _stop.asked():
            return  # this process is about to end: the claim expires, and a sweep wakes the job
        following = relay().job_run(job_id, wake, _stop).run(token)
        if following is not None:
            _continue_job(job_id, *following)


def _ask_for(name: str) -> None:
    """Send the message of a round, as beat does."""
    entry = app.conf.beat_schedule[name]
    try:
        app.send_task(entry["task"], retry=False, **entry["options"])
    except OperationalError as fault:
        rare_log.warning("round_not_sent", round=name, fault=type(fault).__name__)


def _is_due(name: str) -> bool:
    """Whether a round is due: two beats ask for it twice as often."""
    return Turns(relay().redis).take(name, float(app.conf.beat_schedule[name]["schedule"]) / 2)


@app.task(name="relay.sweep")
def sweep() -> None:
    """Wake every lane and job that has a backlog and nobody to serve it; let held integrations probe."""
    with _redis_may_be_away():
        if not _is_due("sweep"):
            return
        for lane, probe in Rounds(relay()).sweep():
            wake(lane.integration, lane.shard, probe=probe)
        parts = relay()
        for job_id, token in idle_jobs(parts.jobs, parts.claims, parts.holds, parts.integrations.integrations):
            _continue_job(job_id, token, 0)
        Rounds(relay()).relieve()
        watch(relay().redis, relay().holds, Ledger(relay()).bounds())


@app.task(name="relay.trim")
def trim() -> None:
    """Drop what every group is past and the retention no longer asks for."""
    with _redis_may_be_away():
        if not _is_due("trim"):
            return
        entries = Rounds(relay()).trim()
        log.at(logging.INFO if entries else logging.DEBUG, "trimmed", entries=entries)


@app.task(name="relay.sample")
def sample() -> None:
    """Keep the books of this minute for the charts, and count which event codes came; a full server goes without."""
    with _redis_may_be_away(), suppress(redis.exceptions.OutOfMemoryError):
        parts = relay()
        if not _is_due("sample"):
            return
        take_sample(Samples(parts.redis), Ledger(parts).accounts)
        count_codes(parts.redis, parts.integrations.sources, parts.settings.shards, _COUNTING_S)


def _is_shard(shard: int) -> bool:
    """Whether there is such a shard; there may be more of them since this process looked."""
    if shard >= relay().settings.shards:
        with _redis_may_be_away():
            relay().look_at_layout()
    return 0 <= shard < relay().settings.shards


def _are(kind: type, *values: object) -> bool:
    """Whether all are of just this kind: messages are JSON, and may be anybody's."""
    return all(type(value) is kind for value in values)


def wake(integration: str, shard: int, *, probe: bool = False) -> bool:
    """Send a wake-up; False when the broker does not take it (the next sweep will)."""
    try:
        deliver.apply_async((integration, shard), {"probe": probe} if probe else {}, retry=False)
    except OperationalError as fault:
        log.warning("wake_not_sent", integration=integration, shard=shard, fault=type(fault).__name__)
        return False
    return True


def wake_job(claims: Claims, job_id: str) -> bool:
    """Have a worker take up an idle job at once; False when the broker does not take the message (the sweep will)."""
    token = claims.wake(job_id)
    if token is None:
        return True  # somebody is at work on it
    if _continue_job(job_id, token, 0):
        return True
    claims.drop(job_id, token)  # the next sweep need not wait for the claim to expire
    return False


def _continue_job(job_id: str, token: str, wait_s: float) -> bool:
    """Send the message that works on a job; when the broker does not take it, a sweep will, once the claim expires."""
    try:
        replay.apply_async((job_id, token), countdown=wait_s or None, retry=False)
    except OperationalError as fault:
        log.warning("job_not_woken", job=job_id, fault=type(fault).__name__)
        return False
    return True


@contextmanager
def _redis_may_be_away() -> Iterator[None]:
    """Redis's absence is no fault of a task: nothing is lost, the next sweep begins again.

    Nothing is served of a Redis that holds what this release, or these settings, would misread.
    """
    try:
        with _in_hand:
            relay().check_once()
            yield
    except OperatorError as error:
        log.critical("cannot_serve", message=error)
    except redis.ResponseError as fault:
        # without its text, which may hold a key
        rare_log.error("redis_refused", error=str(fault).split(" ", 1)[0][:20])
        with suppress(redis.RedisError, OSError, AttributeError):
            if is_demoted(fault):
                relay().redis.connection_pool.disconnect(inuse_connections=False)  # another may be the primary now
            else:
                relay().join()  # Redis answers, but not with our keys: it was emptied
    except (redis.RedisError, OSError) as fault:
        log.warning("redis_away", fault=type(fault).__name__)


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
