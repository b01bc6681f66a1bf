"""Processes of a pool, wherever the command was typed that begins them."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.support.unseen import unseen
from worker.process import offspring


def test_a_pool_begins_where_everybody_may_be(tmp_path):
    """In the home of somebody else each new process failed at once, and `relay config plan` with it."""
    with unseen(tmp_path):
        offspring.spawning()
        assert Path.cwd() == Path("/")


def test_a_pool_begins_where_the_command_was_typed(tmp_path, monkeypatch):
    """Where that can be entered: names of files are meant from there."""
    monkeypatch.chdir(tmp_path)
    with ProcessPoolExecutor(1, offspring.spawning(), offspring.begin) as pool:
        assert pool.submit(Path.cwd).result() == tmp_path
