"""Record of acts in `relay:actions`: who did what, on what, why, and with which result."""

import re
import time

import msgspec
import redis

from worker.process.eventlog import EventLog
from worker.process.fault_names import fault_name
from worker.store.actions import Action, Actions, discreet

log = EventLog(__name__)

_QUOTES = "'\""
# The value of a filter by person: the record outlives a person who is forgotten.
_PERSON = re.compile(r"""--person (?!\(person [0-9a-f]{12}\))('[^']*'|"[^"]*"|\S+)""")


class Doer(msgspec.Struct, frozen=True):
    """Who acts, and why: the name of a login or of an OS user, and a sentence that may be empty."""

    by: str
    why: str = ""


def record(client: redis.Redis, doer: Doer, what: str, on: str, result: str = "") -> None:
    """Keep what was done; that it cannot be kept does not undo it."""
    shown = _PERSON.sub(lambda match: f"--person ({discreet(match[1].strip(_QUOTES))})", on)
    try:
        Actions(client).add_done(Action(time.time_ns() // 1_000_000, doer.by, what, shown, doer.why, result))
    except (redis.RedisError, OSError) as fault:
        log.warning("action_not_recorded", act=what, fault=fault_name(fault))
