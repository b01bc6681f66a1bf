"""Leases of several lanes at once, so that no worker has anything of them in hand."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from worker.app import Relay
from worker.errors import OperatorError
from worker.store.lane import Lane
from worker.store.lease import Lease
from worker.store.taken import Taken

_PATIENCE_S = 60.0


@contextmanager
def hold_lanes(parts: Relay, lanes: list[Lane], sleep: Callable[[float], None]) -> Iterator[list[Lease]]:
    """Hold the leases of lanes.

    Raises:
        OperatorError: one stayed busy.
    """
    leases: list[Lease] = []
    with ExitStack() as held:
        for lane in lanes:
            token = uuid.uuid4().hex
            since_s = time.monotonic()
            ends = since_s + _PATIENCE_S
            taken = parts.streams.take(lane, token, 1, probe=True)
            while not isinstance(taken, Taken):
                if time.monotonic() > ends:
                    raise OperatorError(f"{lane.integration} on shard {lane.shard} is busy; try again")
                sleep(0.1)
                since_s = time.monotonic()
                taken = parts.streams.take(lane, token, 1, probe=True)
            held.callback(parts.streams.release, lane, token, taken.cursor, keep=False, mark=False)
            renew = partial(parts.streams.renew, lane, token)
            lease = held.enter_context(Lease(renew, parts.settings.lease_s, _PATIENCE_S * 10, since_s))
            lease.check()
            leases.append(lease)
        yield leases
