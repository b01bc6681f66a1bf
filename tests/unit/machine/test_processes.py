"""The processes of the Procfile."""

from pathlib import Path

from worker.machine.processes import GRACE_S, PROCFILE, START, program

ROOT = Path(__file__).parents[3]


def test_the_procfile_is_what_relay_up_runs():
    """A platform that reads the Procfile runs the same commands as `relay up`."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    assert lines == [f"{name}: {command}" for name, command in PROCFILE.items()]


def test_every_process_is_started_and_has_a_grace_time():
    """No process of the Procfile is forgotten."""
    assert set(START) == set(PROCFILE) == set(GRACE_S)


def test_web_starts_last_so_that_it_stops_first():
    """What web accepted is answered before anything else ends."""
    assert START[-1] == "web"


def test_a_program_does_not_depend_on_the_path():
    """The commands are run as modules of this very Python, wherever its scripts are."""
    argv = program("web", {}).argv
    assert argv[:2] == ("/bin/sh", "-c")
    assert argv[2].startswith('exec "$0" -m uvicorn ')


def test_what_listens_has_an_end_to_its_patience():
    """Web and the console: uvicorn alone waits for half a request for ever, and keeps an endless header."""
    listening = [command for command in PROCFILE.values() if command.startswith("uvicorn ")]
    assert len(listening) == 2
    assert all("--http worker.ingest.protocol:Protocol" in command for command in listening)
