"""celery-batches: a task an event, a request for a hundred of them."""

import os
from collections.abc import Sequence

from celery import Celery
from celery_batches import Batches

from bench.rival_mapping import Mapping

app = Celery("rival", broker=os.environ["BENCH_BROKER"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_default_queue="rival",
    worker_prefetch_multiplier=200,
    worker_hijack_root_logger=False,
)
mapping = Mapping()


@app.task(name="rival.deliver", base=Batches, flush_every=100, flush_interval=1)
def deliver(tasks: Sequence) -> None:
    """Map a hundred events and POST them together."""
    mapping.post_all([task.args[0] for task in tasks])


def send(raws: list[str]) -> None:
    """Put events into the queue."""
    with app.producer_pool.acquire() as producer:
        for raw in raws:
            deliver.apply_async((raw,), producer=producer)
