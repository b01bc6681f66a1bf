"""One run of the tests in several processes: each takes a file that no other has taken, until none is left."""

import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import pytest

SHARED = "TESTS_SHARED"
FIRST = "TESTS_FIRST"


class Share:
    """What one process runs. `folder` is empty at first, and the same for all; `first` is what it begins with."""

    def __init__(self, folder: Path, first: str) -> None:
        self._folder = folder
        self._first = first

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """After the shuffle: other processes begin elsewhere, so that long files are begun early."""
        items.sort(key=lambda item: not item.nodeid.startswith(self._first))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """As pytest's own, over what is ours."""
        if session.testsfailed or session.config.option.collectonly:
            return None  # pytest's own says so
        mine = self.taken(session.items)
        item = next(mine, None)
        while item:
            following = next(mine, None)  # what it shares with this one is kept for it
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
            item = following
        return True

    def taken(self, items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
        """The tests of each file that no other process has taken when its turn comes."""
        for file, tests in groupby(items, lambda item: item.nodeid.split("::", 1)[0]):
            if self._take(file):
                yield from tests

    def _take(self, file: str) -> bool:
        try:
            (self._folder / file.replace("/", "-")).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def share() -> Share | None:
    """The share of this process, if `python -m tests` started it for one."""
    folder = os.environ.get(SHARED)
    return Share(Path(folder), os.environ.get(FIRST, "")) if folder else None
