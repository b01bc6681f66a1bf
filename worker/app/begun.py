"""Beginning of a process: its log and its parts, on the configuration in force, or exit code 2."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import redis

from config.variables import unknown_variables
from worker.app.process import Relay, relay
from worker.errors import OperatorError
from worker.process.eventlog import EventLog
from worker.process.fault_names import fault_name
from worker.process.logs import configure
from worker.store.processes import Role

T = TypeVar("T")
log = EventLog(__name__)


@contextmanager
def beginning(role: Role) -> Iterator[Relay]:
    """This process's parts, which begin once they are used as the body has it; Redis may be away.

    Raises:
        SystemExit: 2, where settings or the integrations file have an error; the log says which.
    """
    configure(role)
    try:
        parts = relay()
        parts.role = role
        configure(role, parts.settings.log_level, parts.settings.log_format)
        for warning in unknown_variables(os.environ):
            log.warning("unknown_variable", message=warning)
        yield parts  # a fault of the body is none of Redis
        try:
            parts.begin()
        except (redis.RedisError, OSError) as fault:
            log.warning("redis_away", fault=fault_name(fault))
    except OperatorError as error:
        for line in error.lines:
            log.critical("cannot_start", message=line)
        raise SystemExit(2) from None


def begun(role: Role, build: Callable[[Relay], T]) -> T:
    """The application that `build` makes of this process's parts; while Redis is away, it says so to who asks it.

    Raises:
        SystemExit: as of `beginning`.
    """
    with beginning(role) as parts:
        made = build(parts)
    return made  # noqa: RET504 - not before the parts have begun
