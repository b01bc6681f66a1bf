"""The texts of the Lua scripts: what is shared is written once."""

from importlib.resources import files

import pytest

from worker.store.scripts import script

NAMES = sorted(path.name.removesuffix(".lua") for path in files("worker.store").joinpath("lua").iterdir())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "prelude"])
def test_a_script_is_whole(name):
    """It begins with its flags, and what it asks for is in it."""
    text = script(name)
    assert text.startswith("#!lua")
    assert "-- include prelude\n" not in text


@pytest.mark.parametrize(
    ("fragment", "of"),
    [
        ("'XINFO', 'GROUPS'", ["prelude"]),
        ("'HSETNX', causes", ["prelude"]),
        ("^(%d+)-(%d+)$", ["prelude"]),
        ("ARGV[at + 2", []),
    ],
)
def test_what_scripts_share_is_written_once(fragment, of):
    """The look-up of a group, the writing of a dead letter, the order of entry ids; no counting of arguments."""
    folder = files("worker.store").joinpath("lua")
    assert [name for name in NAMES if fragment in folder.joinpath(f"{name}.lua").read_text("utf-8")] == of
