"""The hand-written way: one Celery task and one POST an event, the same mapping, nothing else."""

import os

import requests
from celery import Celery

from config.integrations import load
from worker.app import read_settings
from worker.mapping.decision import Send
from worker.mapping.mapper import Mapper
from worker.purchasely.event import read_event
from worker.store.broker import find_broker

app = Celery("baseline", broker=find_broker(read_settings()).url)
app.conf.update(
    task_ignore_result=True, task_acks_late=True, task_default_queue="baseline", worker_hijack_root_logger=False
)
integration = load(os.environ["RELAY_INTEGRATIONS"], os.environ).integrations["production"]
mapper = Mapper(integration)


@app.task(name="baseline.deliver")
def deliver(raw: str) -> None:
    """Map one event; POST its identify and its event one by one."""
    decision = mapper.decide(read_event("1702390766120-0", raw.encode()), 1702390766120)
    assert isinstance(decision, Send)
    for operation in mapper.compose([decision], {}).operations:
        url = f"{integration.base_url}/api/v2/entity"
        headers = {"Content-Type": "application/json"}
        requests.post(
            url, data=operation.body, auth=(integration.site_id, integration.api_key), headers=headers, timeout=10
        )
