"""Lines of the log: one form for the relay's events and its libraries', as text, as JSON, for the journal."""

import io
import json
import logging
import os
import pty
import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.transport.virtual import base

from tests.support import logs
from worker.process.eventlog import EventLog, RareLog
from worker.process.library_logs import NAMES, known
from worker.process.logs import configure, is_coloured, is_journal

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture
def made():
    """Configures the root logger to write to a text; afterwards it is as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, warnings.showwarning
    out = io.StringIO()

    def make(form, level="INFO", process="worker-2", out=out):
        configure(process, level, form, out)
        return out

    yield make
    root.handlers[:], root.level, warnings.showwarning = before
    logging.captureWarnings(capture=False)


def test_json_is_utf_8_in_every_locale(made):
    r"""Without UTF-8 it had \\xe9 in it, which no reader of JSON takes."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    made("json", out=out)
    EventLog("worker.x").warning("integration_held", message="café 猫")
    out.flush()
    assert json.loads(out.buffer.getvalue())["message"] == "café 猫"


def test_an_event_is_one_line(made):
    """Time, level, process, name, fields; a field that would break the line is in quotes."""
    out = made("text")
    EventLog("worker.x").warning("integration_held", integration="production", status=503, message='a "b"\nc')
    (line,) = out.getvalue().splitlines()
    assert re.sub(TIME, "TIME", line) == (
        r'TIME WARNING worker-2 integration_held integration=production status=503 message="a \"b\"\nc"'
    )


def test_as_json_every_field_is_its_own(made):
    """The same event for a collector of logs."""
    out = made("json")
    EventLog("worker.x").error("redis_refused", error="READONLY", shard=3)
    line = json.loads(out.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("timestamp"))
    assert line == {
        "level": "error",
        "process": "worker-2",
        "event": "redis_refused",
        "pid": os.getpid(),
        "logger": "worker.x",
        "error": "READONLY",
        "shard": 3,
    }


@pytest.mark.parametrize("form", ["text", "json"])
@given(text=st.text(st.characters(exclude_categories=())))
def test_no_text_makes_a_second_line(form, text):
    """Whatever a stranger wrote: no line is forged, and a terminal gets nothing it would act on."""
    out = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        configure("web", "INFO", form, out)
        EventLog("worker.x").info("events_buried", field=text)
    finally:
        root.handlers[:], root.level = before
        logging.captureWarnings(capture=False)
    assert out.getvalue().endswith("\n")
    assert out.getvalue().removesuffix("\n").isprintable()
    if form == "json":
        assert json.loads(out.getvalue())["field"] == text


def test_an_exception_is_its_kind_and_its_place(made):
    """Its text may quote an event or a key, so it is never written."""
    out = made("text")
    try:
        int("jeff@example.com")
    except ValueError:
        logging.getLogger("celery.bootsteps").exception("it failed")
    (line,) = out.getvalue().splitlines()
    assert "library_message" in line
    assert "fault=ValueError at=test_logs.py:" in line
    assert "jeff" not in line


def test_the_level_is_kept_and_libraries_are_quiet(made):
    """Celery's line a task, and uvicorn's about its life cycle, say nothing."""
    out = made("text", "INFO")
    EventLog("worker.x").at(logging.DEBUG, "unseen")
    logging.getLogger("celery.app.trace").info("Task relay.deliver succeeded")
    logging.getLogger("uvicorn.error").info("Waiting for application startup.")
    logging.getLogger("py.warnings").warning("%s", "c.py:1: CPendingDeprecationWarning: In Celery 5.1 we …")
    assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("logger", "text", "args", "said"),
    [
        (
            "uvicorn.error",
            "Uvicorn running on %s://%s:%d (Press CTRL+C to quit)",
            ("http", "127.0.0.1", 8080),
            "web_listens address=http://127.0.0.1:8080",
        ),
        ("celery.apps.worker", "%s ready.", ("celery@host",), "worker_ready name=celery@host"),
        ("celery.apps.worker", "worker: Warm shutdown (MainProcess)", (), "worker_stopping how=warm"),
        (
            "celery.worker.consumer.consumer",
            "%s (%r)",
            ("consumer: Connection to broker lost.", ConnectionError("jeff")),
            "broker_lost fault=ConnectionError",
        ),
        (
            "celery.worker.consumer.consumer",
            "consumer: Cannot connect to %s: %s.\n%s\n",
            ("redis://h:1//", ConnectionRefusedError("x"), "Trying again in 2.00 seconds... (1/9)\n"),
            (
                "broker_away address=redis://h:1// fault=ConnectionRefusedError "
                'message="Trying again in 2.00 seconds... (1/9)"'
            ),
        ),
        (
            "celery.beat",
            "beat: Connection error: %s. Trying again in %s seconds...",
            (ConnectionRefusedError("x"), 4.0),
            'broker_away fault=ConnectionRefusedError message="Trying again in 4.0 seconds"',
        ),
        ("kombu", "two\nlines", (), 'library_message message="two lines"'),
        (
            "py.warnings",
            "%s",
            ("/a/b.py:9: SecurityWarning: be\nwarned\n  call(a)\n",),
            'python_warning kind=SecurityWarning message="be warned"',
        ),
        (
            "celery.app.trace",
            "Task %(name)s[%(id)s] raised: %(exc)s",
            ({"name": "relay.trim", "id": "1-2", "exc": "jeff"},),
            "task_failed task=relay.trim id=1-2",
        ),
        (
            "multiprocessing",
            "Process %r pid:%r exited with %r",
            ("ForkPoolWorker-3", 11357, "signal 9 (SIGKILL)"),
            'child_ended child=worker-3 child_pid=11357 how="signal 9 (SIGKILL)"',
        ),
        ("celery.worker.request", "Task handler raised error: %r", (ValueError("jeff"),), "task_failed"),
    ],
)
def test_what_libraries_say_has_static_names(logger, text, args, said):
    """Their own texts change between releases; alerts on the log do not."""
    event = known(logging.LogRecord(logger, logging.INFO, "", 0, text, args, None))
    assert str(event) == said
    assert event.name in NAMES


def test_strangers_do_not_fill_the_log(made, monkeypatch):
    """A request that is no HTTP is said once a minute, whoever sends how many of them."""
    monkeypatch.setattr("worker.process.library_logs._said_s", {})
    made("text")
    logger = logging.getLogger("uvicorn.error")
    record = logger.makeRecord(logger.name, logging.WARNING, "", 0, "Invalid HTTP request received.", (), None)
    assert [bool(logger.filter(record)) for _ in range(300)].count(True) == 1


def test_a_worker_that_stops_alarms_nobody(made):
    """A wake-up that comes meanwhile goes back to the broker, as it should; kombu warns of it."""
    made("text")
    logger = logging.getLogger("kombu.transport.virtual.base")
    text = "Requeuing undeliverable message for queue %r: No consumers."
    assert text == base.W_NO_CONSUMERS
    assert not logger.filter(logger.makeRecord(logger.name, logging.WARNING, "", 0, text, ("relay",), None))


def test_a_library_cannot_quote_without_end():
    """Celery quotes whole messages."""
    event = known(logging.LogRecord("celery", logging.ERROR, "", 0, "x" * 9000, None, None))
    assert len(str(event)) < 600


def test_the_journal_takes_level_and_time_by_itself():
    """JOURNAL_STREAM says which stream is the journal's own; a child's file is not."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading) as journal:
        status = os.fstat(stream.fileno())
        env = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert is_journal(stream, env)
        assert not is_journal(stream, {"JOURNAL_STREAM": "1:2"})
        assert not is_journal(io.StringIO(), env)
        root = logging.getLogger()
        before = root.handlers[:], root.level
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("JOURNAL_STREAM", env["JOURNAL_STREAM"])
                configure("beat", "INFO", "text", stream)
            EventLog("worker.x").error("redis_refused", error="READONLY")
        finally:
            root.handlers[:], root.level = before
            logging.captureWarnings(capture=False)
        assert journal.readline() == "<3>ERROR beat redis_refused error=READONLY\n"


def test_colour_is_for_terminals():
    """And for nobody who said NO_COLOR."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal, os.fdopen(master):
        assert is_coloured(terminal, {})
        assert not is_coloured(terminal, {"NO_COLOR": "1"})
        assert not is_coloured(terminal, {"TERM": "dumb"})
    assert not is_coloured(io.StringIO(), {})


def test_what_happens_a_thousand_times_a_second_is_counted(caplog):
    """One line at once, the next when time has passed, with how many there were."""
    now = [10.0]
    log = RareLog("worker.x", 5, lambda: now[0])
    for _ in range(3):
        log.warning("not_stored", reason="memory")
    log.warning("not_stored", reason="timeout")
    now[0] += 5
    log.warning("not_stored", reason="memory")
    assert caplog.messages == [
        "not_stored reason=memory times=1",
        "not_stored reason=timeout times=1",
        "not_stored reason=memory times=3",
    ]


def test_the_page_of_the_log_lists_every_event():
    """With its level and fields as in the code (written by `tests.support.logs`), and what it means."""
    page = logs.PAGE.read_text("utf-8")
    assert page == logs.written(page), "run python -m tests.support.logs"
    assert "|  |\n" not in page.replace("| of a library |  |", ""), "an event without a meaning"


def test_no_field_hides_what_every_line_has():
    """Time, level, process and name are a line's own."""
    for name, (_, fields) in logs.events().items():
        assert not fields & logs.RESERVED, name


def test_the_relay_logs_events_alone():
    """A module that logs by itself would have lines of another form."""
    own = {"eventlog.py", "logs.py", "library_logs.py"}
    sources = [path for path in logs.ROOT.glob("worker/**/*.py") if path.name not in own]
    assert [path.name for path in sources if "getLogger(" in path.read_text("utf-8")] == []
