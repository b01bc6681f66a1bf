"""Log lines: one event a line, a static name first, then `key=value`; never a payload, a key or a person."""

import logging
import sys
import time


def configure(level: str) -> None:
    """Send every log line of this process to standard error in the relay's form."""
    stream = logging.StreamHandler(sys.stderr)
    line = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(processName)s %(name)s %(message)s")
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
