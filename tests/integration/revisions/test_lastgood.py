"""The last good revision on disk, where it cannot be written."""

import logging

from tests.integration.revisions.conftest import revision, text
from worker.revisions.lastgood import LastGood


def test_a_copy_that_cannot_be_kept_is_warned_of_once_for_each_cause(tmp_path, caplog):
    """Something else is in its place: seen at the level that people look at, and not at every revision."""
    folder = tmp_path
    kept = LastGood(folder)
    with caplog.at_level(logging.INFO):
        blocked = folder / "config.json"
        for _ in range(3):
            blocked.mkdir(exist_ok=True)
            kept.write(revision(text()))
        assert [one.levelname for one in caplog.records] == ["WARNING"]
        blocked.rmdir()
        kept.write(revision(text()))
        assert kept.read() == revision(text())
        blocked.unlink()
        blocked.mkdir()
        kept.write(revision(text()))
    assert [one.levelname for one in caplog.records] == ["WARNING"] * 2
