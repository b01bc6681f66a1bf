"""Log format of a process: one line an event, as text or JSON, for a terminal, a file or the journal."""

import io
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal

from worker.process.eventlog import Event, pairs
from worker.process.library_logs import known, tame
from worker.process.plain import plain, plain_json

Line = dict[str, Any]
LogFormat = Literal["text", "json"]

# As syslog counts them; the journal takes the number from the beginning of a line.
_JOURNAL = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_FRAMES = 8


def configure(process: str, level: str = "INFO", form: LogFormat | None = None, stream: IO[str] | None = None) -> None:
    """Send every log line of this process to standard error (or `stream`), under the process's name.

    Without a form it is that of the environment, for what is said before the settings are read.
    """
    out = sys.stderr if stream is None else stream
    chosen: LogFormat = form or ("json" if os.environ.get("RELAY_LOG_FORMAT") == "json" else "text")
    if chosen == "json" and isinstance(out, io.TextIOWrapper):
        out.reconfigure(encoding="utf-8")  # as JSON is everywhere (RFC 8259), whatever the locale
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(process, chosen, out, os.environ))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    tame()


def write_now(text: str, _stream: object = None) -> None:
    """Log a line that Celery writes by itself within a signal handler, where no lock may be taken."""
    root = logging.getLogger()
    record = logging.LogRecord("celery.apps.worker", logging.INFO, "", 0, text, None, None)
    if root.isEnabledFor(record.levelno):
        for handler in root.handlers:
            with suppress(OSError):
                os.write(2, f"{handler.format(record)}\n".encode())


def _formatter(process: str, form: LogFormat, stream: IO[str], env: Mapping[str, str]) -> logging.Formatter:
    import structlog  # noqa: PLC0415 - a twentieth of a second, which commands have no use for

    journal = is_journal(stream, env)
    chain: list[Any] = [structlog.stdlib.add_log_level, _Origin(process)]
    if form == "json":
        chain += [structlog.processors.TimeStamper("iso"), _as_json]
    elif journal:
        chain.append(_as_text)
    elif is_coloured(stream, env):
        chain += [structlog.processors.TimeStamper("%H:%M:%S", utc=False), _coloured()]
    else:
        chain += [structlog.processors.TimeStamper("%Y-%m-%dT%H:%M:%S.%fZ"), _as_text]
    return _Lines(chain, journal=journal)


class _Lines(logging.Formatter):
    """Records as lines; a record of a library becomes an event too."""

    def __init__(self, chain: list[Any], *, journal: bool) -> None:
        super().__init__()
        self._chain = chain
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """One line, without an end."""
        said = record.msg if isinstance(record.msg, Event) else known(record)
        line: Any = {"event": said.name, "logger": record.name, **said.fields, **_fault(record)}
        method = record.levelname.lower()
        for step in self._chain:
            line = step(None, method, line)
        return f"<{_JOURNAL.get(method, 6)}>{line}" if self._journal else str(line)


class _Origin:
    """Adds which process it was."""

    def __init__(self, process: str) -> None:
        self._process = process

    def __call__(self, _logger: Any, _method: str, line: Line) -> Line:
        return {"process": self._process, **line}


def _as_json(_logger: Any, _method: str, line: Line) -> str:
    order = ("timestamp", "level", "process", "event")
    fields = {name: line[name] for name in order} | {"pid": os.getpid()} | line
    return plain_json(json.dumps(fields, default=str, ensure_ascii=False, separators=(",", ":")))


def _as_text(_logger: Any, _method: str, line: Line) -> str:
    fields = dict(line)
    time = [fields.pop("timestamp")[:23] + "Z"] if "timestamp" in fields else []
    del fields["logger"]
    head = [fields.pop(name) for name in ("level", "process", "event")]
    return " ".join([*time, head[0].upper(), *head[1:], *pairs(fields)])


def _coloured() -> Callable[..., str]:
    """The same for a terminal, by structlog's own renderer."""
    import structlog  # noqa: PLC0415 - see above

    render = structlog.dev.ConsoleRenderer(colors=True, pad_event_to=24, sort_keys=False)

    def draw(logger: Any, method: str, line: Line) -> str:
        line["logger"] = line.pop("process")
        shown = {name: plain(value) if isinstance(value, str) else value for name, value in line.items()}
        return render(logger, method, shown)

    return draw


def _fault(record: logging.LogRecord) -> dict[str, str]:
    """An exception of a record, as far as it may be said."""
    if not record.exc_info or record.exc_info[1] is None:
        return {}
    fault = record.exc_info[1]
    kind, at = raised(getattr(fault, "exc", fault))  # Celery wraps those of its pool
    return {"fault": kind, "at": at}


def raised(fault: BaseException) -> tuple[str, str]:
    """An exception by its kind and where it was raised: its own text may quote a payload or a key."""
    frames = traceback.extract_tb(fault.__traceback__)[-_FRAMES:]
    places = [f"{Path(frame.filename).name}:{frame.lineno}:{frame.name}" for frame in reversed(frames)]
    return type(fault).__name__, " < ".join(places)


def is_journal(stream: IO[str], env: Mapping[str, str]) -> bool:
    """Whether lines to this stream go to systemd's journal, which then has the time and wants the level in front."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return env.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def is_coloured(stream: IO[str], env: Mapping[str, str]) -> bool:
    """Whether to draw for a person's eyes: on a terminal, unless NO_COLOR is set."""
    return stream.isatty() and not env.get("NO_COLOR") and env.get("TERM") != "dumb"
