"""A part of Redis is away: what tasks say of it."""

import os
import subprocess
import sys

from tests.support.servers import free_port

PROGRAM = """
import redis
from worker.process.logs import configure
from worker.tasks.running import redis_may_be_away
configure("worker")
for _ in range(50):
    with redis_may_be_away():
        raise redis.ConnectionError
from worker.tasks.periodic import sample, sweep, trim
from worker.tasks.serving import deliver, replay
for task, *given in ((sweep,), (trim,), (sample,), (replay, "job", "token"), (deliver, "production", 99)):
    task(*given)
print("went on")
"""


def test_tasks_say_it_now_and_then():
    """A line for each wake-up of its lanes, and `RuntimeError` of each task in a process that began meanwhile."""
    env = {**os.environ, "RELAY_REDIS_URL": f"redis://127.0.0.1:{free_port()}", "RELAY_INTEGRATIONS": ""}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    said = done.stdout + done.stderr
    assert 0 < said.count("redis_away fault=Connection") < 5, said
    assert "foreign_message_dropped" not in said, said  # there may be so many shards by now
    assert "went on" in said, said


OTHER = """
import redis
from worker.app import relay
from worker.process.logs import configure
from worker.tasks.running import redis_may_be_away
configure("worker")
relay().role = "worker"
relay().join()
relay().redis.set("relay:shards", 7)
with redis_may_be_away():
    raise redis.ResponseError("NOGROUP the stream has no such group")
print("went on")
"""


def test_a_redis_that_was_put_in_the_place_of_another_is_not_joined(redis_client, redis_url):
    """It has events of another number of shards: said in one line, as at the start, and no task fails of it."""
    env = {**os.environ, "RELAY_REDIS_URL": redis_url, "RELAY_SHARDS": "4"}
    env.pop("RELAY_INTEGRATIONS", None)
    done = subprocess.run(
        [sys.executable, "-c", OTHER], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    said = done.stdout + done.stderr
    assert "redis_refused error=NOGROUP" in said, said
    assert 'cannot_serve message="RELAY_SHARDS is 4, but this Redis holds events spread over 7 shards' in said, said
    assert "went on" in said, said
    assert redis_client.get("relay:shards") == b"7"
