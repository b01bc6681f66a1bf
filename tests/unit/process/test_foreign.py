"""Which messages on the queue are the relay's."""

import json
import re
from pathlib import Path

from celery import Celery

import worker
from worker.process.foreign import TASKS, is_ours


def test_the_tasks_are_those_that_there_are():
    """A task that is not listed would be dropped as somebody else's."""
    texts = [path.read_text() for path in (Path(worker.__file__).parent / "tasks").glob("*.py")]
    assert set(re.findall(r'@app.task\(name="([^"]+)"', "".join(texts))) == TASKS


def test_what_the_relay_sends_is_its_own():
    """Each task's message in the form that Celery gives it, to a broker in memory."""
    sender = Celery("relay", broker="memory://")
    with sender.connection_for_write() as connection:
        queue = connection.SimpleQueue("relay")
        for task, args, options in [
            ("relay.deliver", ("production", 1), {"kwargs": {"probe": True}, "expires": 600}),
            ("relay.replay", ("job", "token"), {"countdown": 5}),
            ("relay.sweep", (), {"expires": 120}),
        ]:
            sender.send_task(task, args, connection=connection, queue="relay", **options)
            sent = queue.channel._get("relay")
            assert is_ours(json.loads(json.dumps(sent)))
            assert not is_ours(sent | {"content-type": "application/x-python-serialize"})
        queue.close()
