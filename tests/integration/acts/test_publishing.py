"""Who runs what was published, while Redis goes away and comes back."""

import threading

import pytest

from worker.acts.publishing import publish, wait_for_uptake
from worker.acts.record import Doer
from worker.errors import OperatorError
from worker.store.keys import REVISIONS
from worker.store.processes import Process


def test_a_fail_over_behind_a_publication_is_waited_for(parts, server):
    """All that was said was that Redis does not serve, as if nothing had been published."""
    server.kill()
    back = threading.Timer(1.0, server.start)
    back.start()
    assert wait_for_uptake(parts, 1, 30.0).behind == []
    back.join()


def test_redis_stays_away_behind_a_publication(parts, server):
    """What is known is said: that it was published, under which number, and where to look."""
    server.kill()
    with pytest.raises(OperatorError, match="revision 1 was published, but Redis does not answer since"):
        wait_for_uptake(parts, 1, 0.1)


def test_a_revision_that_a_fail_over_lost(parts):
    """Nobody ran it yet, or they would publish it again; that it was in force and all were behind is what was said."""
    text = f"# another\n{parts.live.loaded.revision.text}"
    assert publish(parts, text, "command", 1, [], Doer("ann")) == 2
    parts.processes.beat(Process(host="h", pid=7, role="worker", version="1", revision=1, since_ms=0))
    parts.redis.hset(REVISIONS, "head", "1")
    with pytest.raises(OperatorError, match="Redis has lost revision 2"):
        wait_for_uptake(parts, 2, 0.1)
