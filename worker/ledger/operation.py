"""Operation of the relay beyond its books: leases, the broker's queue, requests to Customer.io, causes, needs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec
import redis

from worker.errors import OperatorError
from worker.ledger.accounts import Account
from worker.ledger.requests import Requests, read_requests
from worker.store.broker import Broker, BrokerAwayError, count_messages
from worker.store.counters import Counters
from worker.store.lane import Lane

_BROKER_S = 2.0
# So old an event of an integration that is not held was looked for by several sweeps: their messages may not arrive.
WAITS_MS = 20_000


class Operation(msgspec.Struct, frozen=True):
    """What only the metrics ask for; `queue` is None where the broker cannot say.

    `leases` are lanes that a worker has in hand, by integration; `dead` are dead letters by integration and reason,
    `needs` counts what needs somebody, by kind.
    """

    leases: dict[str, int] = {}
    queue: int | None = None
    requests: dict[str, Requests] = {}
    dead: dict[tuple[str, str], int] = {}
    trimmed: int = 0
    needs: dict[str, int] = {}


def read_leases(client: redis.Redis, lanes: Sequence[Lane]) -> dict[str, int]:
    """How many lanes of each integration are leased just now, in one round trip."""
    pipe = client.pipeline(transaction=False)
    for lane in lanes:
        pipe.exists(lane.key("lease"))
    found: Counter[str] = Counter({lane.integration: 0 for lane in lanes})
    for lane, leased in zip(lanes, pipe.execute(), strict=True):
        found[lane.integration] += int(leased)
    return dict(found)


def read_queue(broker: Broker) -> int | None:
    """How many messages wait at the broker; None while it does not answer."""
    from worker.process.foreign import QUEUE  # noqa: PLC0415 - brings Celery's transport along

    with suppress(BrokerAwayError, OperatorError):
        return count_messages(broker, QUEUE, _BROKER_S)
    return None


def broker_fault(broker: Broker, accounts: Iterable[Account]) -> str:
    """Why the broker carries no wake-up; empty: it answers, or it was not asked, since nothing waits for long."""
    if not any(one.enabled and one.hold is None and one.oldest_ms >= WAITS_MS for one in accounts):
        return ""
    from worker.process.foreign import QUEUE  # noqa: PLC0415 - brings Celery's transport along

    try:
        count_messages(broker, QUEUE, _BROKER_S)
    except BrokerAwayError as fault:
        return str(fault)
    except OperatorError:
        return ""  # an extra is missing here: the processes have it
    return ""


def read_counters(counters: Counters) -> tuple[dict[str, Requests], int]:
    """The requests of all integrations, and how many events were trimmed."""
    found = counters.read()
    return read_requests(found), found.get("trimmed", 0)
