"""A Redis that takes no writes for a while, as in a fail-over: nobody ends, nobody floods the log, all go on."""

import pytest

from tests.support.payloads import payload
from tests.support.refusing import REFUSING
from tests.support.waiting import elapse, until


def send(stack, *names):
    return stack.post([payload("ACTIVATE", user_id=name) | {"event_id": name} for name in names])


@pytest.mark.parametrize("reason", [name for name in REFUSING if name != "memory"])
def test_a_server_that_takes_no_writes_ends_no_process(make_stack, reason):
    """READONLY, NOREPLICAS, MISCONF, BUSY: 503 with the reason, and everything by itself when it is over.

    At MISCONF a worker asked for messages a thousand times a second, with a line each; at BUSY the door said nothing
    of the reason, with a line for each request.
    """
    begin, end = REFUSING[reason]
    stack = make_stack().start()
    assert send(stack, "a").status_code == 200
    until(lambda: stack.account.delivered == 1, "it is delivered")
    begin(stack.server)
    [answer] = until(lambda: [found for found in [send(stack, "b")] if found.status_code == 503], "it stores nothing")
    assert f"({reason})" in answer.json()["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    for _ in range(40):
        assert send(stack, "b").status_code == 503
        elapse(0.2)
    end(stack.server)
    until(lambda: send(stack, "b", "c").status_code == 200, "it stores again")
    until(lambda: stack.account.delivered == 3, "all are delivered", within_s=60)
    assert {name: one.poll() for name, one in stack.processes.items()} == dict.fromkeys(stack.processes)
    for name in ("web", "worker", "beat"):
        assert len(stack.log(name)) < 6000, stack.log(name)
    assert stack.findings == []
