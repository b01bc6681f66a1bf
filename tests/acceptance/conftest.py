"""A whole relay for a test: its own Redis, the Procfile's processes, a simulator."""

import pytest

from tests.support.stack import Stack


@pytest.fixture
def make_stack(tmp_path, own_redis):
    """Makes stacks that end with the test."""
    made = []

    def make(**env):
        server = own_redis()
        stack = Stack(tmp_path / f"stack-{len(made)}", server.url, **{"RELAY_LEASE_S": "2", **env})
        stack.server = server
        made.append(stack)
        return stack

    yield make
    for stack in made:
        stack.stop()


@pytest.fixture
def stack(make_stack):
    """One stack with all four processes up."""
    return make_stack().start()
