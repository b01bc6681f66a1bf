"""One web door for all tests of the folder that leave its server alone."""

from collections.abc import Iterator

import pytest

from tests.support.door import ENVIRON, Door, make_parts, running


@pytest.fixture(scope="session")
def door_server(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A running door."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRON.items():
            patch.setenv(name, value)
        parts = make_parts(tmp_path_factory.mktemp("door"), f"{server_url}/8")
        parts.redis.flushdb()  # a revision that an earlier test left would count more than the file
        _ = parts.integrations
        with running(parts) as door:
            yield door


@pytest.fixture
def door(door_server: Door, redis_url: str) -> Door:
    """The same, over an empty database."""
    assert redis_url.endswith("/8")
    door_server.wakes.clear()
    return door_server


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the integrations file of a door of one's own needs."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
