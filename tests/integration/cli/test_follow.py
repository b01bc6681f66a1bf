"""A job that is watched while Redis goes away: it goes on by itself, and so does the watching."""

import threading
import time

import pytest

from tests.support.parts import make_parts
from worker.cli.dead import follow as module
from worker.cli.dead.follow import follow
from worker.errors import OperatorError
from worker.replay.job import Job


@pytest.fixture
def server(own_redis):
    return own_redis()


@pytest.fixture
def jobs(tmp_path, server):
    parts = make_parts(tmp_path, server.url)
    parts.join()
    now_ms = time.time_ns() // 1_000_000
    parts.jobs.start(Job("replay-1", "ann", "--all", ["production"], now_ms, 0.0, 1), ["production.0.1700000000000-0"])
    yield parts.jobs
    parts.redis.close()


def test_a_fail_over_is_waited_for(jobs, server):
    """`relay dead replay` and `relay resync` ended with exit 2, `--json` without the name of the job, which went on."""
    server.kill()

    def come_back():
        server.start()
        jobs.move("replay-1", "aborted")
        jobs.close(jobs.get("replay-1"))

    back = threading.Timer(1.0, come_back)
    back.start()
    assert follow(jobs, "replay-1", quiet=True).state == "aborted"
    back.join()


def test_who_stays_away(jobs, server, monkeypatch):
    """How the watching goes on is said."""
    monkeypatch.setattr(module, "_AWAY_S", 0.0)
    server.kill()
    with pytest.raises(OperatorError, match="job replay-1 goes on when it does: relay jobs show replay-1 --wait"):
        follow(jobs, "replay-1", quiet=True)


def test_a_job_that_a_fail_over_lost(jobs):
    """It was not copied yet."""
    jobs._redis.flushall()
    with pytest.raises(OperatorError, match="Redis has lost the job replay-1"):
        follow(jobs, "replay-1", quiet=True)
