"""The relay's own mapping for the rivals, which run in environments of their own and have none of its clients."""

import os
from collections.abc import Sequence

import requests

from config.integrations import load
from worker.mapping.batching import request_body
from worker.mapping.mapper import Mapper
from worker.mapping.operation import Operation
from worker.purchasely.event import read_event

NOW_MS = 1702390766120
HEADERS = {"Content-Type": "application/json"}


class Mapping:
    """The relay's own mapping, made from the same file."""

    def __init__(self) -> None:
        self.integration = load(os.environ["RELAY_INTEGRATIONS"], os.environ).integrations["production"]
        self.auth = (self.integration.site_id, self.integration.api_key)
        self._mapper = Mapper(self.integration)
        self._done = os.open(os.environ["BENCH_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def operations(self, raws: Sequence[str]) -> list[Operation]:
        """The operations of these events."""
        decisions = [self._mapper.decide(read_event(f"{NOW_MS}-0", raw.encode()), NOW_MS) for raw in raws]
        return self._mapper.compose(decisions, {}).operations

    def done(self, events: int) -> None:
        """Count, by the length of a file."""
        os.write(self._done, b"." * events)

    def post_each(self, raw: str) -> None:
        """One POST an operation."""
        for operation in self.operations([raw]):
            url = f"{self.integration.base_url}/api/v2/entity"
            requests.post(url, data=operation.body, auth=self.auth, headers=HEADERS, timeout=10)
        self.done(1)

    def post_all(self, raws: Sequence[str]) -> None:
        """One POST for all of them."""
        url = f"{self.integration.base_url}/api/v2/batch"
        requests.post(url, data=request_body(self.operations(raws)), auth=self.auth, headers=HEADERS, timeout=10)
        self.done(len(raws))
