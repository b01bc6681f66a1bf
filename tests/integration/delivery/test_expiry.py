"""Messages expire by Redis's clock, not by that of the host that takes them."""

import os
import subprocess
import sys

PROGRAM = """
from datetime import UTC, datetime, timedelta
from worker.app import relay
from worker.tasks import app
from worker.tasks.expiry import Request

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

def expired(**left):
    one = Request.__new__(Request)
    one._expires = NOW + timedelta(**left)
    return one.maybe_expire()

print({task.Request for name, task in app.tasks.items() if name.startswith("relay.")})
print(expired(days=-1))
relay().processes.own_beats.append(int(NOW.timestamp() * 1000))
print(expired(seconds=1), expired(seconds=-1))
"""


def test_a_message_expires_by_the_clock_of_redis(redis_url):
    """By a clock two hours ahead every wake-up and probe was outdated, and no other worker got them.

    Before the first heartbeat, which says what time it is, nothing has expired.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    env["RELAY_REDIS_URL"] = redis_url
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines() == ["{'worker.tasks.expiry:Request'}", "False", "False True"], done.stderr
