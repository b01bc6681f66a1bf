"""The lease in hand: renewed while its holder works, and never believed in for too long."""

import threading
import time

from tests.support.waiting import until
from worker.errors import LeaseLostError
from worker.store.lease import Lease

LIFE_S = 0.9


class Server:
    """Counts renewals and answers as set."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.renewals = 0

    def renew(self):
        self.renewals += 1
        answer = self.answers.pop(0) if self.answers else True
        if isinstance(answer, Exception):
            raise answer
        return answer


def lost(lease):
    try:
        lease.check()
    except LeaseLostError:
        return True
    return False


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "lease"]


def test_a_lease_is_renewed_while_its_holder_works():
    """Three lives long it stays good."""
    server = Server()
    with Lease(server.renew, LIFE_S, 60, time.monotonic()) as lease:
        lease.check()
        until(lambda: lease.check() or server.renewals > 9, "nine renewals")
    until(lambda: not threads(), "the thread ends")


def test_a_lease_counts_from_the_time_of_asking():
    """A holder that was stopped between the answer and now knows that its time is over."""
    with Lease(Server().renew, LIFE_S, 60, time.monotonic() - LIFE_S) as lease:
        assert lost(lease)
        lease.progress(time.monotonic())
        assert not lost(lease)
        lease.progress(time.monotonic() - 2 * LIFE_S)
        assert lost(lease)


def test_a_lease_that_went_to_another_stays_lost():
    """Even a settle that was answered late does not bring it back."""
    server = Server(False)
    with Lease(server.renew, LIFE_S, 60, time.monotonic()) as lease:
        lease.check()
        until(lambda: lost(lease), "lost", every_s=0.01)
        lease.progress(time.monotonic())
        assert lost(lease)
        assert server.renewals == 1


def test_a_short_absence_of_the_server_is_survived():
    """A renewal that fails is tried again before the life is over."""
    server = Server(ConnectionError(), True, OSError(), True)
    with Lease(server.renew, LIFE_S, 60, time.monotonic()) as lease:
        lease.check()
        until(lambda: lease.check() or server.renewals > 6, "six renewals")


def test_a_long_absence_of_the_server_ends_the_lease():
    """Without renewals the holder stops in time, by its own clock."""
    server = Server(*[ConnectionError()] * 99)
    with Lease(server.renew, LIFE_S, 60, time.monotonic()) as lease:
        lease.check()
        until(lambda: lost(lease), "lost", every_s=0.01)


def test_a_holder_that_hangs_is_not_renewed():
    """Without progress within its patience another worker shall take over."""
    server = Server()
    with Lease(server.renew, LIFE_S, LIFE_S, time.monotonic()) as lease:
        lease.check()
        until(lambda: lost(lease), "lost", every_s=0.01)
        assert server.renewals <= 4


def test_a_holder_that_is_answered_is_not_a_hanging_one():
    """A search may take many requests, each of them slow, before anything is settled."""
    server = Server()
    with Lease(server.renew, LIFE_S, LIFE_S, time.monotonic()) as lease:
        lease.check()
        until(lambda: lease.progressed() or lease.check() or server.renewals > 9, "nine renewals")


def test_a_lease_that_sends_nothing_starts_no_thread():
    """Filtering alone needs no help: each settle prolongs the lease."""
    until(lambda: not threads(), "other tests' threads end")
    with Lease(Server().renew, LIFE_S, 60, time.monotonic()) as lease:
        for _ in range(100):
            lease.progress(time.monotonic())
        assert threads() == []
