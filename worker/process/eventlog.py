"""Event log of a module: a static name and its fields a line, handed to `logging`; each process gives them one form.

Never a payload, a key or a person; texts that people read are in the field `message`. Every name is explained in
docs/logs.md.
"""

import logging
import time
from collections.abc import Callable, Mapping

from worker.process.plain import plain


class Event:
    """One event of the log, rendered only when somebody reads it."""

    def __init__(self, name: str, fields: Mapping[str, object]) -> None:
        self.name = name
        self.fields = fields

    def __str__(self) -> str:
        return " ".join([self.name, *pairs(self.fields)])


class EventLog:
    """The log of one module: `log.warning("wake_not_sent", integration=name, shard=3)`."""

    def __init__(self, module: str) -> None:
        self._logger = logging.getLogger(module)

    def info(self, name: str, /, **fields: object) -> None:
        """What happens in good order and somebody may want to see."""
        self.at(logging.INFO, name, **fields)

    def warning(self, name: str, /, **fields: object) -> None:
        """What heals by itself, and is worth a look when it goes on."""
        self.at(logging.WARNING, name, **fields)

    def error(self, name: str, /, **fields: object) -> None:
        """What somebody should look at."""
        self.at(logging.ERROR, name, **fields)

    def critical(self, name: str, /, **fields: object) -> None:
        """What keeps the process from its work until somebody acts."""
        self.at(logging.CRITICAL, name, **fields)

    def at(self, level: int, name: str, /, **fields: object) -> None:
        """An event of the given level."""
        if self._logger.isEnabledFor(level):
            self._logger.log(level, Event(name, fields))


class RareLog(EventLog):
    """The same, for what may happen a thousand times a second: at most one line per event in `every_s`, with a count.

    Events are the same when their names and fields are.
    """

    def __init__(self, module: str, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(module)
        self._every_s = every_s
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}

    def at(self, level: int, name: str, /, **fields: object) -> None:
        """An event, or one more that is counted in the next line."""
        said = " ".join([name, *pairs(fields)])
        logged_s, unsaid = self._logged.get(said, (-self._every_s, 0))
        now_s = self._clock()
        if now_s - logged_s < self._every_s:
            self._logged[said] = (logged_s, unsaid + 1)
        else:
            self._logged[said] = (now_s, 0)
            super().at(level, name, **fields, times=unsaid + 1)


def pairs(fields: Mapping[str, object]) -> list[str]:
    r"""Fields as `key=value`; what would break the line, or be read as another field, is in quotes.

    >>> pairs({"integration": "production", "status": 503, "message": 'a "b"\nc', "none": ""})
    ['integration=production', 'status=503', 'message="a \\"b\\"\\nc"', 'none=""']
    """
    return [f"{key}={_quoted(plain(value))}" for key, value in fields.items()]


def _quoted(text: str) -> str:
    bare = text and not any(char in text for char in ' "=')
    return text if bare else '"' + text.replace('"', '\\"') + '"'
