"""The run of one lease: take it, work until nothing waits, and what ends it early."""

import time

from worker.delivery.parts import LeaseParts
from worker.delivery.steps import Ended, LeaseRun
from worker.errors import LeaseLostError, StoppedError, UnknownStateError
from worker.process.eventlog import EventLog
from worker.store.lease import Lease
from worker.store.taken import Taken

log = EventLog(__name__)


class Delivery:
    """Delivers what waits for one integration on one shard, for as long as one lease and one budget last."""

    def __init__(self, parts: LeaseParts) -> None:
        self.parts = parts

    def run(self, token: str, *, probe: bool = False) -> Ended:
        """Deliver until nothing waits, the budget is spent, or the destination fails."""
        try:
            with self.parts.holders.surviving(self.parts.lane, "flight", token):
                return self._run(token, probe=probe)
        except LeaseLostError:
            log.warning("lease_lost", integration=self.parts.lane.integration, shard=self.parts.lane.shard)
            return "lost"

    def _run(self, token: str, *, probe: bool) -> Ended:
        parts, lane, bounds = self.parts, self.parts.lane, self.parts.bounds
        since_s = time.monotonic()
        most = bounds.probe_events if probe else min(bounds.batch_events, parts.requests.entries)
        taken = parts.shelf.take(lane, token, most, probe=probe)
        if not isinstance(taken, Taken):
            return taken
        lease = Lease(lambda: parts.shelf.renew(lane, token), bounds.lease_s, bounds.patience_s, since_s)
        run = LeaseRun(parts, token, lease, taken, probe=probe)
        try:
            with lease:
                return run.serve()
        except StoppedError:
            # What is in flight is abandoned unsettled: sent again by the next holder, it has no second effect.
            log.info("batch_abandoned", integration=lane.integration, shard=lane.shard)
            return run.release()
        except UnknownStateError as error:
            parts.gate.hold("unknown_state", status=0, message=f"shard {lane.shard}: {error}", probe=run.probe)
            run.release(mark=False)
            return "held"
