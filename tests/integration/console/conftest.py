"""The console of a relay that a test module sets up as its `stack`."""

import pytest

from tests.support.consoledoor import site


@pytest.fixture
def console(stack):
    """Its console, over HTTP."""
    with site(stack.parts) as console:
        yield console
