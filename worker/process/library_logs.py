"""Log lines of libraries (celery, uvicorn, Python's warnings), as events with static names; their noise is dropped."""

import logging
import re
import time
from collections.abc import Callable

from worker.process.eventlog import Event
from worker.process.fault_names import fault_name

_QUIET = (
    "urllib3",
    "kombu",
    "amqp",
    "asyncio",
    "celery.worker.strategy",
    "celery.app.trace",
    "celery.beat",
    "celery.bootsteps",
    "celery.worker.consumer.consumer",
    "celery.utils.functional",
    "multiprocessing",  # billiard's
)
# Several lines for each try to reach a collector: `spans_not_sent` says it once.
_SILENT = ("opentelemetry.exporter", "opentelemetry.sdk")
_NOISE = frozenset(
    {
        "Started server process [%d]",
        "Waiting for application startup.",
        "Application startup complete.",
        "Waiting for application shutdown.",
        "Application shutdown complete.",
        "Requeuing undeliverable message for queue %r: No consumers.",  # a wake-up that came while the worker stops
    }
)
# A stranger makes as many of these as they like.
_SELDOM = frozenset({"Invalid HTTP request received."})
_SELDOM_S = 60.0
_said_s: dict[str, float] = {}
# A message is a line of these at most: some quote all that they were given.
_MOST_CHARS = 500

# As `warnings.formatwarning` writes it, with the line of the source at its end.
_WARNING = re.compile(r"[^\n]*?:\d+: (?P<kind>\w+): (?P<text>.*?)(?:\n  [^\n]*)?\n?\Z", re.DOTALL)

# By the logger and the beginning of the library's own text: which event it is, from the arguments of the text.
_KNOWN: dict[tuple[str, str], Callable[[tuple[object, ...]], Event]] = {
    ("uvicorn.error", "Uvicorn running on %s://%s:%d"): lambda args: Event(
        "web_listens", {"address": "{}://{}:{}".format(*args)}
    ),
    ("uvicorn.error", "Shutting down"): lambda _: Event("web_stopping", {}),
    ("uvicorn.error", "Finished server process"): lambda _: Event("web_stopped", {}),
    ("celery.worker.consumer.connection", "Connected to"): lambda args: Event("broker_connected", {"address": args[0]}),
    ("celery.apps.worker", "%s ready."): lambda args: Event("worker_ready", {"name": args[0]}),
    ("celery.apps.worker", "worker: Warm shutdown"): lambda _: Event("worker_stopping", {"how": "warm"}),
    ("celery.apps.worker", "worker: Cold shutdown"): lambda _: Event("worker_stopping", {"how": "cold"}),
    # its own text is the first argument
    ("celery.worker.consumer.consumer", "%s (%r)"): lambda args: Event("broker_lost", {"fault": fault_name(args[1])}),
    ("celery.worker.consumer.consumer", "consumer: Cannot connect"): lambda args: Event(
        "broker_away",
        {"address": args[0], "fault": fault_name(args[1]), "message": " ".join(str(args[2]).split())},
    ),
    # of a pool of processes; `worker-3` is what the child called itself
    ("multiprocessing", "Process %r pid:%r exited with"): lambda args: Event(
        "child_ended",
        {"child": f"worker-{str(args[0]).rpartition('-')[2]}", "child_pid": args[1], "how": args[2]},
    ),
    ("celery.worker.request", "Task handler raised error"): lambda _: Event("task_failed", {}),
    ("celery.beat", "beat: Connection error"): lambda args: Event(
        "broker_away", {"fault": fault_name(args[0]), "message": f"Trying again in {args[1]} seconds"}
    ),
}
NAMES = frozenset(  # what the log may hold besides the relay's own names
    {
        "web_listens",
        "web_stopping",
        "web_stopped",
        "broker_connected",
        "worker_ready",
        "worker_stopping",
        "child_ended",
        "broker_lost",
        "broker_away",
        "task_failed",
        "python_warning",
        "library_message",
    }
)


def known(record: logging.LogRecord) -> Event:
    """The event that a library's record is; its text in one line, where nothing better is known of it."""
    text = str(record.msg)
    args = record.args if isinstance(record.args, tuple) else ()
    for (logger, begin), event in _KNOWN.items():
        if record.name == logger and text.startswith(begin):
            return event(args)
    if record.name == "celery.app.trace" and isinstance(record.args, dict):
        # without the exception's text, which may quote an event
        return Event("task_failed", {"task": record.args.get("name", ""), "id": record.args.get("id", "")})
    line = record.getMessage()
    if (warning := _WARNING.match(line)) and record.name == "py.warnings":
        return Event("python_warning", {"kind": warning["kind"], "message": " ".join(warning["text"].split())})
    line = " ".join(line.split())
    said = line if len(line) <= _MOST_CHARS else line[:_MOST_CHARS] + "…"
    return Event("library_message", {"message": said})


def tame() -> None:
    """Have every library log through the root logger, and say what matters alone."""
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        if logger.handlers:  # the access log has none where it is off, and each request would pay for it
            logger.handlers.clear()
            logger.propagate = True
    for name in ("uvicorn.error", "py.warnings", "kombu.transport.virtual.base"):
        logger = logging.getLogger(name)
        if _is_news not in logger.filters:
            logger.addFilter(_is_news)


def tame_pool() -> None:
    """The same of the pool of a worker, which by itself writes bare lines: that a child was killed."""
    from billiard import util  # noqa: PLC0415 - which only workers have

    util.get_logger().propagate = True  # Celery has it made again at each start, without


def _is_news(record: logging.LogRecord) -> bool:
    if record.msg in _SELDOM:
        now_s = time.monotonic()
        if now_s - _said_s.get(record.msg, -_SELDOM_S) < _SELDOM_S:
            return False
        _said_s[record.msg] = now_s
    # Celery warns of what a lost connection does to tasks with late acknowledgement: there are none
    return record.msg not in _NOISE and "CPendingDeprecationWarning" not in record.getMessage()
