"""`relay compare`: what an integration sent, or would have sent, against an export of what Customer.io has."""

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING

import click

from worker.cli.archive import ARCHIVE
from worker.cli.archive import wanted as archive
from worker.cli.choices import suggestion
from worker.cli.columns import columns, fitted
from worker.cli.given import GivenFile
from worker.cli.integrations import one_integration
from worker.cli.printing import count, echo_json, say, say_lines, several, show_progress
from worker.errors import OperatorError

if TYPE_CHECKING:
    from config.integrations import Integration
    from worker.app import Relay
    from worker.history.exported import There
    from worker.history.matching import Row
    from worker.history.reconciliation import Report, Sample
    from worker.history.scan import Span
    from worker.history.shadowed import Here
    from worker.store.archive import Archive

_PEOPLE = 10
_CAUSES = {
    "other_name": "{events} events are called {here} here and {there} there: [events] gives an event another name",
    "other_person": "{events} events are of other people, as {here} here and {there} there: [sources.NAME.identity]",
    "other_time": "{events} events are {there} apart: a zone is missing in the export's times",
}


@click.command()
@click.argument("file", type=GivenFile())
@one_integration("Compare with this integration.")
@click.option(
    "--map", "pairs", multiple=True, metavar="COLUMN=FIELD", help="Which column is name, person, email, time, event_id."
)
@click.option(
    "--since", metavar="TIME", help="Happened since: 7d, or 2026-01-31T08:00 (UTC).  [default: the export's first]"
)
@click.option("--until", metavar="TIME", help="Happened before.  [default: the export's last]")
@click.option(
    "--within", default="1h", show_default=True, metavar="TIME", help="How far apart two times of one event may be."
)
@click.option("--samples", type=click.IntRange(0, 1000), default=5, show_default=True, help="Examples of each side.")
@ARCHIVE
@click.option("--utc", is_flag=True, help="Times in UTC.  [default: this machine's zone]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(
    file: IO[bytes],
    name: str,
    pairs: tuple[str, ...],
    since: str | None,
    until: str | None,
    within: str,
    samples: int,
    *,
    with_archive: bool,
    utc: bool,
    as_json: bool,
) -> None:
    """Compare FILE (- for standard input), an export of Customer.io's events, with what an integration sent.

    \b
    relay compare events.csv --integration production
    relay compare activities.json --integration production --map data.customer_id=person --since 7d

    FILE is CSV with a head, one JSON object a line, or an array. Of what was received in shadow (send = false) it is
    compared what the configuration in force makes of it. Exit 1 when something differs.
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    from worker.app import relay

    parts = relay()
    integration = parts.integrations.integrations.get(name)
    if integration is None:
        raise click.UsageError(f"no integration {name!r}; {suggestion(name, parts.integrations.integrations)}")
    there = _read(file, pairs)
    report = _compare(
        parts, integration, there, (since, until), within, samples, archive(parts, with_archive=with_archive)
    )
    if as_json:
        echo_json(report)
    else:
        _show(report, name, in_shadow=not integration.send, utc=utc)
    sys.exit(0 if report.is_alike else 1)


def _read(file: IO[bytes], pairs: tuple[str, ...]) -> "list[There]":
    """The events of the export.

    Raises:
        OperatorError: it cannot be read, or has none.
    """
    from worker.history.exported import FIELDS, read_export

    called = {}
    for pair in pairs:
        column, sign, field = pair.rpartition("=")
        if not sign or field not in FIELDS:
            raise click.UsageError(f"--map {pair}: write COLUMN=FIELD; fields are {', '.join(FIELDS)}")
        called[field] = column
    try:
        there = list(read_export(file, called))
    except ValueError as error:
        raise OperatorError(f"{file.name}: {error}") from None
    if not there:
        raise OperatorError(f"{file.name}: it has no event")
    return there


def _compare(
    parts: "Relay",
    integration: "Integration",
    there: "list[There]",
    asked: tuple[str | None, str | None],
    within: str,
    samples: int,
    archived: "Archive | None",
) -> "Report":
    from worker.cli.history import moment
    from worker.history.reconciliation import known_names, reconcile, window
    from worker.history.room import open_history
    from worker.history.scan import Span

    room = open_history(parts, archived)
    made = room.made(integration, parts.mapper)
    within_ms = _length_ms(within)
    span = window(there, _asked(*asked), room.since_ms)
    if span.until_ms is not None and span.until_ms < (span.since_ms or 0):
        raise OperatorError(
            f"the export ends at {moment(span.until_ms)}; nothing of that time is kept here: only what was received "
            f"since {moment(room.since_ms)} (--archive reads on)"
        )
    lanes = [lane for lane in parts.lanes() if lane.integration == integration.name]
    # what happened in the span was received in it, or later; a sender's clock may be ahead
    received = Span(max(0, (span.since_ms or 0) - within_ms))
    events = _watched(made.events(lanes, received))
    report = reconcile(events, there, known_names(integration), span, within_ms, samples)
    report.waiting, report.kept_since_ms = made.waiting, room.since_ms
    return report


def _watched(events: "Iterable[Here]") -> "Iterator[Here]":
    """The same, with progress on a terminal."""
    began_s = time.monotonic()
    for number, event in enumerate(events, 1):
        if number % 20_000 == 0 and sys.stderr.isatty() and time.monotonic() - began_s > 1:
            show_progress(f"{count(number)} events", last=False)
        yield event


def _asked(since: str | None, until: str | None) -> "Span":
    from worker.dead.filters import read_time_ms
    from worker.history.scan import Span

    now_ms = time.time_ns() // 1_000_000
    try:
        return Span(read_time_ms(since, now_ms) if since else None, read_time_ms(until, now_ms) if until else None)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _length_ms(text: str) -> int:
    from worker.dead.filters import read_time_ms

    now_ms = time.time_ns() // 1_000_000
    try:
        return now_ms - read_time_ms(text, now_ms)
    except ValueError:
        raise click.UsageError(f"--within {text}: write a length of time, as 10m or 2h") from None


def _show(report: "Report", name: str, *, in_shadow: bool, utc: bool) -> None:
    from worker.cli.history import moment

    def at(time_ms: int | None) -> str:
        return "no time" if time_ms is None else moment(time_ms, utc=utc)

    say(f"{name}{' (in shadow)' if in_shadow else ''}, {at(report.since_ms)} to {at(report.until_ms)}", bold=True)
    say(
        f"{several(report.both, 'event')} in both, {count(report.only_here)} only here, "
        f"{count(report.only_there)} only at Customer.io"
    )
    _table("EVENT", report.items)
    if report.people:
        say()
        say(f"{several(len(report.people), 'person', 'people')} differ, {count(report.people_alike)} do not")
        _table("PERSON", report.people[:_PEOPLE])
    _samples("Only here", report.samples_here, report.only_here, at)
    _samples("Only at Customer.io", report.samples_there, report.only_there, at)
    if report.why:
        say(f"  what the relay made of these: {', '.join(f'{why} {count(n)}' for why, n in report.why.items())}")
    for hint in report.hints[:5]:
        text = _CAUSES[hint.cause].format(events=count(hint.events), here=hint.here, there=hint.there)
        say(f"Perhaps: {text}", fg="yellow")
    say_lines(_notes(report, at))


def _table(title: str, rows: "list[Row]") -> None:
    if not rows:
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 120
    cells = [[title, "BOTH", "ONLY HERE", "ONLY THERE"]]
    cells += [[row.event or "(nobody)", *(count(n) for n in (row.both, row.only_here, row.only_there))] for row in rows]
    say_lines(columns(fitted(cells, width, (), [(0, 12)]), right=(1, 2, 3)))


def _samples(title: str, samples: "list[Sample]", number: int, at: "Callable[[int | None], str]") -> None:
    if not samples:
        return
    say()
    say(f"{title}{f', {len(samples)} of {count(number)}' if number > len(samples) else ''}:")
    for one in samples:
        more = " ".join(part for part in (one.entry and f"→ relay trace {one.entry}", one.why) if part)
        say(f"  {at(one.time_ms)}  {one.event}  {one.person or '(nobody)'}  {more}".rstrip())


def _notes(report: "Report", at: "Callable[[int | None], str]") -> list[str]:
    lines = []
    if report.since_ms < report.kept_since_ms:
        lines.append(f"Note: what was received before {at(report.kept_since_ms)} is not kept here.")
    if report.left_out:
        names = ", ".join(f"{name} {count(number)}" for name, number in list(report.left_out.items())[:8])
        lines.append(f"Note: left out, since they are no events of Purchasely's: {names}")
    if report.cut_off:
        lines.append(
            f"Note: {several(report.cut_off, 'event')} of the export are of another time than what is compared."
        )
    if report.waiting:
        lines.append(f"Note: {several(report.waiting, 'event')} wait and are not compared yet.")
    if not report.items:
        lines.append("Nothing was compared: neither side has an event of the integration in that time.")
    if report.is_alike:
        lines.append("Nothing differs.")
    return lines
