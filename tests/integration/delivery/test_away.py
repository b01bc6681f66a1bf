"""A part of Redis is away: what tasks say of it."""

import os
import subprocess
import sys

PROGRAM = """
import redis
from worker.process.logs import configure
from worker.tasks.running import redis_may_be_away
configure("worker")
for _ in range(50):
    with redis_may_be_away():
        raise redis.ConnectionError
"""


def test_tasks_say_it_now_and_then(redis_url):
    """A node of a cluster without a replica that takes over: there was a line for each wake-up of its lanes."""
    env = {**os.environ, "RELAY_REDIS_URL": redis_url, "RELAY_INTEGRATIONS": ""}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert 0 < (done.stdout + done.stderr).count("redis_away fault=ConnectionError") < 5, done.stderr
