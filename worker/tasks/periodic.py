"""Periodic tasks: sweep, trim, sample; beat asks for them, and workers where beat is silent."""

import logging
from contextlib import suppress

import redis
from kombu.exceptions import OperationalError

from worker.app import relay
from worker.ledger.figures import Ledger
from worker.ledger.headroom import watch
from worker.ledger.sampling import take_sample
from worker.process.eventlog import EventLog, RareLog
from worker.process.fault_names import fault_name
from worker.store.samples import Samples
from worker.store.turns import Turns
from worker.tasks.celery_app import app, every_s
from worker.tasks.running import redis_may_be_away
from worker.tasks.serving import continue_job, wake
from worker.upkeep.counting import count_codes
from worker.upkeep.idle_jobs import idle_jobs
from worker.upkeep.rounds import Rounds

log = EventLog(__name__)
rare_log = RareLog(__name__, every_s=10)

_COUNTING_S = 1.0


def ask_for(name: str) -> None:
    """Send the message of a round, as beat does."""
    entry = app.conf.beat_schedule[name]
    try:
        app.send_task(entry["task"], retry=False, **entry["options"])
    except OperationalError as fault:
        rare_log.warning("round_not_sent", round=name, fault=fault_name(fault))


def _is_due(name: str) -> bool:
    """Whether a round is due: two beats ask for it twice as often."""
    return Turns(relay().redis).take(name, every_s()[name] / 2)


@app.task(name="relay.sweep")
def sweep() -> None:
    """Wake every lane and job that has a backlog and nobody to serve it; let held integrations probe."""
    with redis_may_be_away():
        relay().check_once()
        if not _is_due("sweep"):
            return
        for lane, probe in Rounds(relay()).sweep():
            wake(lane.integration, lane.shard, probe=probe)
        parts = relay()
        for job_id, token in idle_jobs(parts.jobs, parts.claims, parts.holds, parts.integrations.integrations):
            continue_job(job_id, token, 0)
        Rounds(relay()).relieve()
        watch(relay().redis, relay().holds, Ledger(relay()).bounds())


@app.task(name="relay.trim")
def trim() -> None:
    """Drop what every group is past and the retention no longer asks for."""
    with redis_may_be_away():
        relay().check_once()
        if not _is_due("trim"):
            return
        entries = Rounds(relay()).trim()
        log.at(logging.INFO if entries else logging.DEBUG, "trimmed", entries=entries)


@app.task(name="relay.sample")
def sample() -> None:
    """Keep the books of this minute for the charts, and count which event codes came; a full server goes without."""
    with redis_may_be_away(), suppress(redis.exceptions.OutOfMemoryError):
        parts = relay()
        parts.check_once()
        if not _is_due("sample"):
            return
        take_sample(Samples(parts.redis), Ledger(parts).accounts)
        count_codes(parts.redis, parts.integrations.sources, parts.settings.shards, _COUNTING_S)
