"""Log lines: one event a line, a static name first, then `key=value`; never a payload, a key or a person."""

import logging
import sys
import time
from typing import Any

from worker.process.plain import plain, plain_lines


class PlainFormatter(logging.Formatter):
    """A formatter whose lines cannot be forged by what is in them, and that send a terminal no commands."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The line, without a traceback."""
        return plain(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        """A traceback, which has lines of its own."""
        return "\n".join(plain_lines(super().formatException(ei)))


def configure(level: str) -> None:
    """Send every log line of this process to standard error in the relay's form."""
    stream = logging.StreamHandler(sys.stderr)
    line = PlainFormatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(processName)s %(name)s %(message)s")
    line.converter = time.gmtime
    line.datefmt = "%Y-%m-%dT%H:%M:%S"
    stream.setFormatter(line)
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(level.upper())
    for chatty in (
        "urllib3",
        "kombu",
        "amqp",
        "asyncio",
        "celery.worker.strategy",
        "celery.app.trace",
        "celery.beat",
    ):
        logging.getLogger(chatty).setLevel(logging.WARNING)
