"""One simulated Customer.io for all tests of the folder that want to look into it: starting one takes its time."""

from collections.abc import Iterator

import pytest

from tests.support.deadstack import options
from worker.simulator.app import Simulator
from worker.simulator.serve import running


@pytest.fixture(scope="session")
def customerio_server() -> Iterator[tuple[str, Simulator]]:
    """The base URL and the simulator."""
    with running(options()) as served:
        yield served


@pytest.fixture
def customerio(customerio_server: tuple[str, Simulator]) -> tuple[str, Simulator]:
    """The same, as at the start."""
    customerio_server[1].reset()
    return customerio_server
