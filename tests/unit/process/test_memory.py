"""Memory of worker processes: what is loaded once is there once."""

import os
import subprocess
import sys

PROGRAM = """
import gc
from celery import signals
import worker.tasks
loaded = len(gc.get_objects())
signals.worker_before_create_process.send(sender=None)
assert gc.get_freeze_count() > loaded // 2, (gc.get_freeze_count(), loaded)
assert len(gc.get_objects()) < loaded // 100, len(gc.get_objects())
"""


def test_a_child_shares_what_is_loaded():
    """Before a child is forked its parent's objects leave the collector, which would copy each page it looks at."""
    env = {**os.environ, "RELAY_REDIS_URL": "redis://127.0.0.1:1/0", "RELAY_INTEGRATIONS": ""}
    subprocess.run([sys.executable, "-c", PROGRAM], env=env, check=True, timeout=60)
