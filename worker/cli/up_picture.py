"""Picture of `relay up`: what to know of a relay that has just come up."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.cli.printing import Styled
from worker.process.plain import plain

if TYPE_CHECKING:
    from worker.machine.here import Machine
    from worker.machine.serverfacts import Fact

_BESIDE = 16  # columns of the left one
_LEAST = 40


def _link(machine: "Machine") -> str | None:
    """The address of the console, which logs its reader in once; None where there is no console."""
    from worker.cli.acting import doer

    return machine.console_link(doer(None)) if machine.with_console else None


def facts(machine: "Machine", wrong: "Sequence[Fact]") -> dict[str, object]:
    """The same for programs."""
    settings, integrations = machine.relay.settings, machine.relay.integrations
    return {
        "what": "ready",
        "web": machine.web_url,
        "console": _link(machine),
        "webhooks": {name: f"{machine.web_url}/webhooks/purchasely/{name}" for name in integrations.sources},
        "events": {name: f"{machine.web_url}/v1/events/{name}" for name in integrations.sources},
        "integrations_file": str(settings.integrations) if settings.integrations else None,
        "revision": machine.relay.live.loaded.number,
        "data_dir": str(settings.data_dir) if machine.embedded else None,
        "server": str(machine.embedded.server) if machine.embedded else None,
        "warnings": integrations.warnings,
        "not_delivering": {one.subject: f"{one.text}; {one.remedy}" for one in wrong},
        "processes": machine.supervisor.pids(),
    }


def block(machine: "Machine", took_s: float, wrong: "Sequence[Fact]", width: int) -> list[tuple[str | Styled, ...]]:
    """What to know of a relay that has just come up: lines, each in pieces."""
    head: tuple[str | Styled, ...] = (Styled(f"relay is up ({took_s:.1f} s)", bold=True),)
    if wrong:
        who = ", ".join(one.subject for one in wrong)
        head = (f"relay is up ({took_s:.1f} s), but ", Styled(f"does not deliver to {who}", fg="red", bold=True))
    lines = [*_doors(machine), "", *_stores(machine)]
    faults = [_remark("wrong", "red", f"{one.subject}: {one.text}; {one.remedy}", width) for one in wrong]
    warnings = [_remark("warning", "yellow", text, width) for text in machine.relay.integrations.warnings]
    settings = machine.relay.settings
    elsewhere = machine.embedded and settings.data_dir != Path("data").resolve()
    then = f"RELAY_DATA_DIR={shlex.quote(str(settings.data_dir))} relay status" if elsewhere else "relay status --watch"
    return [
        ("",),
        head,
        ("",),
        *((line,) for line in lines),
        *(line for remark in (*faults, *warnings) for line in remark),
        (f"  in another terminal  {then}",),
        ("",),
        ("Ctrl-C stops it.",),
        ("",),
    ]


def _doors(machine: "Machine") -> Iterator[str]:
    """Where senders and people come in."""
    integrations = machine.relay.integrations
    width = max((len(name) for name in integrations.sources), default=0)
    for name, source in integrations.sources.items():
        if source.webhook_secrets:
            yield f"  {name:{width}}  webhook  {machine.web_url}/webhooks/purchasely/{name}"
        if source.tokens:
            yield f"  {name:{width}}  events   {machine.web_url}/v1/events/{name}"
    if not integrations.sources:
        here = "in the console, or " if machine.with_console else ""
        yield f"  no configuration yet: write the first one {here}with `relay config apply FILE`"
    if machine.with_console:
        yield ""
        yield f"  console       {_link(machine)}"
        yield "                logs you in once, within 30 minutes;"
        yield "                later: relay console link"


def _stores(machine: "Machine") -> Iterator[str]:
    """Where configuration and events are."""
    settings, integrations = machine.relay.settings, machine.relay.integrations
    names = [
        f"{one.name}{' (off)' if not one.enabled else '' if one.send else ' (in shadow)'}"
        for one in integrations.integrations.values()
    ]
    where = settings.integrations or f"revision {machine.relay.live.loaded.number}"
    yield f"  integrations  {where}: {', '.join(names) or 'none'}"
    server = f"{settings.data_dir}, {machine.embedded.server}" if machine.embedded else "the Redis of RELAY_REDIS_URL"
    yield f"  data          {server}"


def _remark(kind: str, colour: str, text: str, width: int) -> list[tuple[str | Styled, ...]]:
    """A remark of one or several lines, under each other beside its kind."""
    first, *more = click.wrap_text(plain(text), max(_LEAST, width - _BESIDE)).splitlines() or [""]
    begin = f"{kind:{_BESIDE - 2}}"
    return [("  ", Styled(begin, fg=colour), first), *((" " * _BESIDE + line,) for line in more)]
