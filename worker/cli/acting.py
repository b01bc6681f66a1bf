"""Options of every command that changes something: who does what, and why; and the record it leaves."""

import contextlib
import getpass
import os
import re
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from worker.app import Relay

_QUOTES = "'\""
# The value of a filter by person: the record outlives a person who is forgotten.
_PERSON = re.compile(r"""--person ('[^']*'|"[^"]*"|\S+)""")

BY = click.option("--by", metavar="NAME", help="Who does it, for the record.  [default: RELAY_BY, or $USER]")
WHY = click.option("--message", "-m", default="", metavar="TEXT", help="Why, for the record.")


def doer(by: str | None) -> str:
    """Who does it."""
    for name in (by, os.environ.get("RELAY_BY"), os.environ.get("USER")):
        if name:
            return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def record(parts: "Relay", what: str, on: str, *, by: str | None, why: str = "", result: str = "") -> None:
    """Keep what was done in `relay actions`; that it cannot be kept does not undo it."""
    import redis

    from worker.store.actions import Action, Actions

    shown = _PERSON.sub(lambda match: f"--person ({discreet(match[1].strip(_QUOTES))})", on)
    with contextlib.suppress(redis.RedisError):
        Actions(parts.redis).add(Action(time.time_ns() // 1_000_000, doer(by), what, shown, why, result))


def discreet(person: str) -> str:
    """A person in the record: to be recognised by who knows the identifier, and by nobody else."""
    from worker.store import actions

    return actions.discreet(person)
