"""One web door for all tests of the folder that leave its server alone."""

from collections.abc import Iterator

import pytest

from tests.support.door import ENVIRON, Door, make_parts, running

# Not that of the other tests: a running door says once a second that it is alive, and what it takes from a file.
_DATABASE = 6


@pytest.fixture(scope="session")
def door_server(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A running door."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRON.items():
            patch.setenv(name, value)
        parts = make_parts(tmp_path_factory.mktemp("door"), f"{server_url}/{_DATABASE}", remember_s=0)  # it is emptied
        parts.redis.flushdb()
        _ = parts.integrations
        with running(parts) as door:
            yield door


@pytest.fixture
def door(door_server: Door) -> Door:
    """The same, over an empty database."""
    door_server.redis.flushdb()
    door_server.wakes.clear()
    return door_server


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the integrations file of a door of one's own needs."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
