"""`relay trace`: what became of an event, in every integration."""

from typing import TYPE_CHECKING

import click

from worker.cli.archive import ARCHIVE, wanted
from worker.cli.integrations import several_integrations
from worker.cli.printing import echo_json, say, say_hanging
from worker.cli.progress import busy

if TYPE_CHECKING:
    from worker.history.room import History
    from worker.history.scan import Span


@click.command()
@click.argument("ident", metavar="ID")
@several_integrations()
@click.option("--person", default="", metavar="ID", help="The person's id: looks at one shard only.")
@click.option(
    "--at", metavar="TIME", help="About when it was received (one hour around): 2h, or 2026-01-31T08:00 (UTC)."
)
@ARCHIVE
@click.option("--utc", is_flag=True, help="Times in UTC.  [default: this machine's zone]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def trace(
    ident: str,
    integrations: tuple[str, ...],
    person: str,
    at: str | None,
    *,
    with_archive: bool,
    utc: bool,
    as_json: bool,
) -> None:
    """Say what became of an event: ID is Purchasely's event id, the ULID seen in Customer.io, or SHARD/ENTRY.

    \b
    relay trace 5e1f8c0a-…                       by Purchasely's event_id
    relay trace 01JH2Z… --person customer-0101   faster: one shard
    relay trace 7/1764115200000-0 --json

    Exit 1: nothing of this id is kept.
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    from worker.app import relay
    from worker.cli.history import lines, moment, refuse_unknown
    from worker.history.room import open_history

    parts = relay()
    refuse_unknown(parts, integrations)
    room = open_history(parts, wanted(parts, with_archive=with_archive))
    with busy("looking for the event", quiet=as_json):
        found = room.finder.event(ident, person=person, span=_near(at))
        traces = [room.tracer.trace(one, integrations) for one in found]
    if as_json:
        echo_json(traces[0] if len(traces) == 1 else {"items": traces, "next": None})
    for one in () if as_json else traces:
        event = one.event
        say(f"event {event.event_id}, person {event.person or '(nobody)'}, entry {event.entry} of {event.source}")
        say_hanging(lines(one, utc=utc))
    if not traces:
        why = _gone(room, ident, moment(room.since_ms, utc=utc), narrowed=bool(person or at))
        further = "; --archive reads on" if parts.settings.archive_url and not with_archive else ""
        say(f"relay: no event {ident} is kept: {why}{further}", err=True)
        raise SystemExit(1)


def _gone(room: "History", ident: str, since: str, *, narrowed: bool) -> str:
    """Why nothing was found; `since` is how far back the past reaches."""
    match room.gone(ident):
        case "forgotten":
            return "its person was forgotten"
        case "received" if narrowed:
            return "it was received, but not of this person or at this time: ask without --person and --at"
        case "received":
            return f"it was received, and is gone: older than {since}, or its person was forgotten"
        case "trimmed":
            return f"gone since {since}: older than what is kept"
        case "unknown":
            return f"gone since {since}, or never received"


def _near(at: str | None) -> "Span":
    """An hour on either side of a time."""
    import time

    from worker.dead.filters import read_time_ms
    from worker.history.scan import ALWAYS, Span

    if at is None:
        return ALWAYS
    try:
        at_ms = read_time_ms(at, time.time_ns() // 1_000_000)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return Span(at_ms - 3_600_000, at_ms + 3_600_000)
