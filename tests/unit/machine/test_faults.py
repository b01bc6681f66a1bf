"""Why a server does not serve, in words."""

from concurrent.futures import ProcessPoolExecutor

from worker.machine.faults import reason
from worker.process.offspring import spawning
from worker.process.sentinels import PrimaryDownError


def ask():
    raise PrimaryDownError("no primary")


def test_a_fault_that_another_process_raised():
    """A plan looks at many events in processes of its own: `primary down: _RemoteTraceback` is what it said."""
    with ProcessPoolExecutor(1, spawning()) as pool:
        assert reason(pool.submit(ask).exception()) == "the Sentinels see the primary down"
