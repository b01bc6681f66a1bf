"""Serving: the tasks that deliver and replay, and the messages that wake them.

A message only says "there is work for this integration on this shard". Events never travel in it: losing a message, or
running one twice, costs nothing.
"""

from kombu.exceptions import OperationalError

from worker.app import relay
from worker.process.eventlog import EventLog
from worker.process.fault_names import fault_name
from worker.process.instance import new_token
from worker.replay.claims import Claims
from worker.store.lane import Lane
from worker.tasks.celery_app import app
from worker.tasks.running import IN_HAND, STOP, redis_may_be_away

log = EventLog(__name__)

# Old messages need not be served; a host that sends them may have a clock that is behind.
_MESSAGE_LIFE_S = 600


@app.task(name="relay.deliver", expires=_MESSAGE_LIFE_S)
def deliver(integration: str, shard: int, *, probe: bool = False) -> None:
    """Deliver what waits for an integration on a shard, and ask to be called again if the budget did not suffice."""
    parts = relay()
    is_there = _are(str, integration) and _are(int, shard) and _is_shard(shard)
    if is_there is None:
        return  # that Redis is away is said by then, and the next sweep asks again
    if not is_there:
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
    with STOP, redis_may_be_away():
        if STOP.asked():
            wake(integration, shard, probe=probe)  # this process is about to end: another one is to have the lane
            return
        parts.check_once()
        while parts.delivery(lane, STOP).run(new_token(), probe=probe) == "more":
            if wake(integration, shard) or STOP.asked():
                return  # the broker has the message: others get their turn first
            IN_HAND.go_on()


@app.task(name="relay.replay", expires=_MESSAGE_LIFE_S)
def replay(job_id: str, token: str) -> None:
    """Work on a replay job, and ask to be called again while something is left; `token` says whose turn it is."""
    if not _are(str, job_id, token):
        log.warning("foreign_message_dropped", task="replay")
        return
    with STOP, redis_may_be_away():
        if STOP.asked():
            continue_job(job_id, token, 0)  # as above
            return
        relay().check_once()
        following = relay().job_run(job_id, wake, STOP).run(token)
        if following is not None:
            continue_job(job_id, *following)


def _is_shard(shard: int) -> bool | None:
    """Whether there is such a shard; there may be more of them since this process looked. None: nobody knows now."""
    if shard < relay().settings.shards:
        return shard >= 0
    has_looked = False
    with redis_may_be_away():
        relay().check_once()
        relay().look_at_layout()
        has_looked = True
    return shard < relay().settings.shards if has_looked else None


def _are(kind: type, *values: object) -> bool:
    """Whether all are of just this kind: messages are JSON, and may be anybody's."""
    return all(type(value) is kind for value in values)


def wake(integration: str, shard: int, *, probe: bool = False) -> bool:
    """Send a wake-up; False when the broker does not take it (the next sweep will)."""
    try:
        deliver.apply_async((integration, shard), {"probe": probe} if probe else {}, retry=False)
    except OperationalError as fault:
        log.warning("wake_not_sent", integration=integration, shard=shard, fault=fault_name(fault))
        return False
    return True


def wake_job(claims: Claims, job_id: str) -> bool:
    """Have a worker take up an idle job at once; False when the broker does not take the message (the sweep will)."""
    token = claims.wake(job_id)
    if token is None:
        return True  # somebody is at work on it
    if continue_job(job_id, token, 0):
        return True
    claims.drop(job_id, token)  # the next sweep need not wait for the claim to expire
    return False


def continue_job(job_id: str, token: str, wait_s: float) -> bool:
    """Send the message that works on a job; when the broker does not take it, a sweep will, once the claim expires."""
    try:
        replay.apply_async((job_id, token), countdown=wait_s or None, retry=False)
    except OperationalError as fault:
        log.warning("job_not_woken", job=job_id, fault=fault_name(fault))
        return False
    return True
