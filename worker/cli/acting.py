"""Options of every command that changes something: who does what, and why; and the record it leaves."""

import getpass
import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from worker.acts.record import Doer
    from worker.app import Relay

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


def acting(by: str | None, why: str = "") -> "Doer":
    """Who does it and why, as an act takes it."""
    from worker.acts.record import Doer

    return Doer(doer(by), why)


def record(parts: "Relay", what: str, on: str, *, by: str | None, why: str = "", result: str = "") -> None:
    """Keep what was done in `relay actions`."""
    from worker.acts import record as acts

    acts.record(parts.redis, acting(by, why), what, on, result)
