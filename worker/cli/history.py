"""Printing of fates of events: one line an integration, in sentences; of which integrations."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.history.trace import Trace


def moment(at_ms: int, *, utc: bool = False) -> str:
    """A time for people, in this machine's zone or in UTC."""
    parts = time.gmtime(at_ms / 1000) if utc else time.localtime(at_ms / 1000)
    return time.strftime("%Y-%m-%d %H:%M:%S", parts) + (" UTC" if utc else "")


def day(at_ms: int, *, utc: bool = False) -> str:
    """The day of a time, in this machine's zone or in UTC.

    >>> day(1_764_115_200_000, utc=True)
    '26 Nov 2025'
    """
    return time.strftime("%-d %b %Y", time.gmtime(at_ms / 1000) if utc else time.localtime(at_ms / 1000))


def lines(trace: "Trace", *, utc: bool = False) -> list[str]:
    """An event and its fates, for people."""
    from config.catalogue import catalogue
    from worker.history.sentences import sentence

    event = trace.event
    known = catalogue().events.get(event.event_name)
    what = known.description if known else "a code that is not in the catalogue"
    width = max((len(one.integration) for one in trace.integrations), default=0)
    return [
        f"{moment(event.received_ms, utc=utc)}  {event.event_name or '(no event_name)'}  {what}",
        *(f"   {one.integration.ljust(width)}  {sentence(one)}" for one in trace.integrations),
    ]


def refuse_unknown(parts: "Relay", integrations: Iterable[str]) -> None:
    """A mistyped name would read as if nothing had become of an event.

    Raises:
        click.UsageError: an integration is not in the configuration.
    """
    known = parts.integrations.integrations
    for name in integrations:
        if name not in known:
            from worker.cli.choices import suggestion

            raise click.UsageError(f"no integration {name!r}; {suggestion(name, known)}")
