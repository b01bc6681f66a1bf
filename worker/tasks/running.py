"""What tasks run under: they stop together when asked to, and do not fail where Redis is away."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis

from worker.app import relay
from worker.errors import OperatorError
from worker.process.broker_link import is_demoted, word_of
from worker.process.eventlog import EventLog, RareLog
from worker.process.fault_names import fault_name
from worker.process.in_hand import InHand
from worker.process.stop import Stop

log = EventLog(__name__)
rare_log = RareLog(__name__, every_s=10)

STOP = Stop()
IN_HAND = InHand()


@contextmanager
def redis_may_be_away() -> Iterator[None]:
    """Redis's absence is no fault of a task: nothing is lost, the next sweep begins again.

    What serves begins with `check_once` of the parts: nothing is served of a Redis that holds what this release, or
    these settings, would misread. (A fault in here, before the body, could not be passed over.)
    """
    try:
        with IN_HAND:
            yield
    except OperatorError as error:
        log.critical("cannot_serve", message=error)
    except redis.ResponseError as fault:
        # without its text, which may hold a key
        word = word_of(fault)
        rare_log.error("redis_refused", error=word[:20] if word.isupper() else type(fault).__name__)
        _meet_again(fault)
    except (redis.RedisError, OSError) as fault:
        rare_log.warning("redis_away", fault=fault_name(fault))


def _meet_again(refusal: redis.ResponseError) -> None:
    """What helps where Redis refuses: another may be the primary now, or it was emptied and is joined again."""
    try:
        with suppress(redis.RedisError, OSError, AttributeError):
            if is_demoted(refusal):
                relay().redis.connection_pool.disconnect(inuse_connections=False)
            else:
                relay().join()
    except OperatorError as error:  # it is another one, which this release or these settings would misread
        log.critical("cannot_serve", message=error)
