"""Parts that one integration's deliveries and replays share: mapping, HTTP session, request sizes, dead limit."""

from collections.abc import Callable

import redis

from config.integrations import Integration
from config.settings import Settings
from worker.customerio.rate_limit import RequestPace
from worker.customerio.sender import Sender
from worker.customerio.spans import open_spans
from worker.customerio.track_api import TrackApi
from worker.dead.bound import DeadBound
from worker.delivery.lease_run import Delivery
from worker.delivery.parts import Bounds, LeaseParts
from worker.delivery.request import Requests
from worker.delivery.settlement import Settler
from worker.mapping.batching import Fill
from worker.mapping.mapper import Mapper
from worker.process.stop import Stop
from worker.store.holders import Holders
from worker.store.holds import Holds, IntegrationHold
from worker.store.lane import Lane
from worker.store.stream import Streams
from worker.store.suppression import Suppressed


class Workshop:
    """The parts of one integration, kept from lease to lease; to be made after a fork."""

    def __init__(
        self,
        integration: Integration,
        chosen: Settings,
        client: redis.Redis,
        streams: Streams,
        holders: Holders,
        holds: Holds,
        suppressed: Suppressed,
        stop: Stop,
        fill: Fill,
        pace: RequestPace,
    ) -> None:
        self.bounds = bounds(chosen)
        self._integration = integration
        self.gate = IntegrationHold(holds, integration.name, integration.fingerprint)
        self._spans = open_spans(enabled=chosen.traces)
        self._api = TrackApi(integration, chosen.request_timeout_s)
        self._sender = Sender(
            self._api,
            chosen.request_attempts,
            chosen.retry_max_s,
            chosen.request_timeout_s,
            stop.sleep,
            pace.wait,
        )
        self._tolerance_ms = int(chosen.clock_tolerance_s * 1000)
        self._mapper = Mapper(integration, self._tolerance_ms)
        self._fill = fill
        self._bound = DeadBound(client, chosen.shards, integration.name, chosen.dead_limit)
        self._streams = streams
        self.holders = holders
        self._suppressed = suppressed
        self._stop = stop

    def serves(self, integration: Integration) -> bool:
        """Whether it can serve this integration too: another revision, but the same address and key."""
        former = self._integration
        if former is not integration:
            if former.fingerprint != integration.fingerprint:
                return False
            self._integration, self._mapper = integration, Mapper(integration, self._tolerance_ms)
        return True

    def delivery(self, lane: Lane) -> Delivery:
        """A delivery for one lease."""
        integration = self._mapper.integration
        settler = Settler(lane, integration.revision_name, integration.revision, integration.source_identity)
        requests = self.requests(lane, self._fill)
        parts = LeaseParts(
            lane,
            self._streams,
            requests,
            settler,
            self.gate,
            self.holders,
            self.bounds,
            self._stop.asked,
            self._bound.reached,
        )
        return Delivery(parts)

    @property
    def mapper(self) -> Mapper:
        """The integration's mapping."""
        return self._mapper

    def requests(self, lane: Lane, fill: Fill, *, every_event: bool = False) -> Requests:
        """The requests of one lease; `every_event`: without the event filter."""
        silent, mapper = self._suppressed.people(), self._mapper
        if every_event:
            mapper = Mapper(mapper.integration.with_every_event(), self._tolerance_ms)
        return Requests(lane, mapper, self._sender, self._streams.states, fill, self._stop.asked, silent, self._spans)

    def lease_renewal(self, lane: Lane, renew_job: Callable[[], None]) -> Callable[[str], bool]:
        """What prolongs a replay's lease, and the claim on its job with it."""

        def renew(token: str) -> bool:
            renew_job()
            return self._streams.renew(lane, token)

        return renew

    def close(self) -> None:
        """Close the HTTP session."""
        self._api.close()


def bounds(chosen: Settings) -> Bounds:
    """The bounds of one task: events a batch and a probe, budget, lease and patience in seconds."""
    one_request_s = chosen.request_timeout_s + chosen.retry_max_s
    patience_s = chosen.request_attempts * one_request_s + 30
    return Bounds(chosen.batch_events, chosen.probe_events, chosen.budget_s, chosen.lease_s, patience_s)
