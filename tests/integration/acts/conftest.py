"""A relay over a server of its own, which a test may kill."""

import pytest

from tests.support.parts import make_parts


@pytest.fixture
def server(own_redis):
    return own_redis()


@pytest.fixture
def parts(tmp_path, server):
    made = make_parts(tmp_path, server.url)
    made.begin()
    yield made
    made.redis.close()
