"""dramatiq: a message an event, in eight threads."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.rival_mapping import Mapping

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_BROKER"]))
mapping = Mapping()


@dramatiq.actor
def deliver(raw: str) -> None:
    """Map one event; POST its identify and its event one by one."""
    mapping.post_each(raw)


def send(raws: list[str]) -> None:
    """Put events into the queue."""
    for raw in raws:
        deliver.send(raw)
