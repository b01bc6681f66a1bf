"""Completion in the real shells: bash and zsh are typed at, fish is asked."""

import os
import sys
from pathlib import Path

import pytest

from tests.support.deadstack import opened
from tests.support.shells import fish_offers, shell

# What is typed before the tab key, and what the line is then: commands, options, names that only Redis knows.
LINES = [
    ("relay dead rep", "relay dead replay "),
    ("relay config ro", "relay config rollback "),
    ("relay dead replay --incl", "relay dead replay --include-failing "),
    ("relay dead list --reason re", "relay dead list --reason rejected "),
    ("relay dead list --reason=re", "relay dead list --reason=rejected "),
    ("relay dead list --where 'plan = m' --rea", "relay dead list --where 'plan = m' --reason "),
    ("relay hold pro", "relay hold production "),
    ("relay dead list --integration=pro", "relay dead list --integration=production "),
]


@pytest.fixture
def environ(tmp_path, redis_url, customerio):
    """The environment of somebody on call at a relay with one integration."""
    with opened(tmp_path, redis_url, customerio) as stack:
        yield {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "TERM": "dumb",
            "COLUMNS": "200",
            "LANG": "C.UTF-8",
            **stack.environ,
        }


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_the_tab_key_completes_a_line(name, environ):
    """As typed, in a terminal; an option and its value in one word too."""
    with shell(name, environ) as terminal:
        for typed, line in LINES:
            terminal.type(f"{typed}\t", line)
            terminal.erase()


def test_several_that_fit_are_listed(environ):
    """Zsh says what each is for."""
    with shell("zsh", environ) as terminal:
        terminal.type("relay dead replay --fi\t", "--fixed  -- Only those that pass under the present configuration")


def test_fish_completes_and_explains(environ):
    """One offer for each line, whole: a comma does not end the explanation."""
    for typed, line in LINES:
        assert list(fish_offers(typed, environ)) == [line.split()[-1]], typed
    assert fish_offers("relay jo", environ)["jobs"].endswith("pause, resume, abort.")
