"""What is said of a server that answers and refuses: `start it` was the advice for each of these."""

import pytest
import redis

from config.settings import Settings
from tests.support.refusing import REFUSING
from worker.machine.faults import reason, remedy
from worker.machine.servers import look_at_servers
from worker.process.broker_link import is_demoted
from worker.store.address import read_address
from worker.store.connect import open_once

SAID = {
    "readonly": ("it is a replica and takes no writes", "name the primary in RELAY_REDIS_URL"),
    "replicas": ("too few of its replicas are connected", "start them"),
    "disk": ("it cannot save to its disk", "make room on its disk"),
    "busy": ("a script in it does not end", "`redis-cli script kill`"),
    "memory": ("its memory is full", "raise its maxmemory"),
}


@pytest.mark.parametrize("state", SAID)
def test_a_refusal_is_named_with_what_to_do(own_redis, state):
    """By a command that wrote, and by `relay check`."""
    server = own_redis()
    begin, end = REFUSING[state]
    begin(server)
    why, cure = SAID[state]
    with open_once(read_address(server.url, "RELAY_REDIS_URL"), 5) as client:
        for write in (client.set, lambda *given: client.pipeline(transaction=False).set(*given).execute()):
            with pytest.raises(redis.RedisError) as found:
                write("anything", "")
            assert reason(found.value) == why
            assert cure in remedy(found.value, "RELAY_REDIS_URL")
            assert is_demoted(found.value) is (state != "memory")
    wrong = [fact for fact in look_at_servers(Settings(redis_url=server.url)) if fact.level == "wrong"]
    assert any(why in fact.text and cure in fact.remedy for fact in wrong), wrong
    end(server)
