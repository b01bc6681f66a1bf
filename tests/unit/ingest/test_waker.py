"""Wake-ups and other errands beside the event loop."""

import asyncio
import threading

import pytest

from worker.ingest.single_flight import Errand
from worker.ingest.waker import Waker


def started(send):
    waker = Waker(send)
    waker.start()
    return waker


def test_what_was_asked_for_is_sent_in_order_before_the_stop():
    """A clean stop loses no wake-up."""
    sent = []
    waker = started(lambda *lane: sent.append(lane))
    for shard in range(50):
        waker.wake("production", shard)
    waker.stop(5)
    assert sent == [("production", shard) for shard in range(50)]


@pytest.mark.parametrize("fault", [RuntimeError("secret"), SystemExit("relay: secret")])
def test_one_that_fails_does_not_stop_the_next(fault, caplog):
    """The sweep finds the lane; the log says which, not why in full."""
    sent = []

    def send(integration, shard):
        if shard == 0:
            raise fault
        sent.append(shard)

    waker = started(send)
    waker.wake("production", 0)
    waker.wake("production", 1)
    waker.stop(5)
    assert sent == [1]
    assert caplog.messages == [f"wake_not_sent integration=production shard=0 fault={type(fault).__name__}"]


def test_a_broker_that_hangs_does_not_hold_up_the_stop():
    """What was not sent by then is left to the sweep."""
    release = threading.Event()
    waker = started(lambda *_: release.wait(30))
    waker.wake("production", 0)
    waker.stop(0.05)
    release.set()
    waker.stop(5)


def test_a_waker_that_never_began_stops():
    """A server that cannot start is stopped all the same."""
    Waker(lambda *_: None).stop(1)


def test_an_errand_runs_once_for_all_who_ask_meanwhile():
    """Many scrapes at a time cost one reading."""
    calls = []
    release = threading.Event()

    def call():
        calls.append(1)
        release.wait(5)
        return len(calls)

    async def ask():
        errand = Errand(call, "test")
        asked = [asyncio.create_task(errand.run()) for _ in range(5)]
        await asyncio.sleep(0)
        asked[0].cancel()
        release.set()
        first = await asyncio.gather(*asked[1:])
        return first, await errand.run()

    assert asyncio.run(ask()) == ([1, 1, 1, 1], 2)


def test_an_errand_that_fails_says_so_and_may_be_run_again():
    """The exception reaches who asked."""
    answers = iter([ValueError("no"), None])

    def call():
        answer = next(answers)
        if answer:
            raise answer
        return "done"

    async def ask():
        errand = Errand(call, "test")
        with pytest.raises(ValueError, match="no"):
            await errand.run()
        return await errand.run()

    assert asyncio.run(ask()) == "done"


def test_an_errand_outlives_the_loop_that_asked():
    """A process may end while Redis hangs."""
    release = threading.Event()
    ended = threading.Event()

    def call():
        release.wait(5)
        ended.set()

    async def ask():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await Errand(call, "test").run()

    asyncio.run(ask())
    release.set()
    assert ended.wait(5)
