"""`relay replay`: retained traffic again, into one integration: say what it would do, ask, start the job, watch it."""

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import click

from worker.cli.acting import BY, WHY, acting
from worker.cli.archive import ARCHIVE
from worker.cli.archive import wanted as archive
from worker.cli.choices import suggestion
from worker.cli.completing import EVENTS
from worker.cli.dead.options import DRY_RUN, JSON, YES
from worker.cli.integrations import one_integration
from worker.cli.parts import open_parts
from worker.cli.printing import count, say_hanging, several
from worker.cli.progress import busy
from worker.cli.running import WAIT, Running

if TYPE_CHECKING:
    from worker.acts.record import Doer
    from worker.app import Relay
    from worker.history.backfill import Only, Plan
    from worker.history.scan import Span


@click.command()
@one_integration("Send into this integration.")
@click.option("--since", metavar="TIME", help="Received since: 30m, 2h, 3d, or 2026-01-31T08:00 (UTC).")
@click.option("--until", metavar="TIME", help="Received before.")
@click.option("--event", "events", multiple=True, metavar="CODE", help="Only this event code.", shell_complete=EVENTS)
@click.option(
    "--id", "ident", metavar="EVENT_ID", help="Only this event (see relay trace), even if the event filter has it off."
)
@click.option("--person", default="", metavar="ID", help="Only events that name this person.")
@click.option(
    "--only",
    type=click.Choice(["missing", "shadowed", "all"]),
    default="missing",
    show_default=True,
    help="What was never delivered there and would be now; what was settled in shadow; or both and what was delivered.",
)
@click.option(
    "--rate", type=click.FloatRange(0), default=500.0, show_default=True, help="Events a second; 0: no limit."
)
@WAIT
@ARCHIVE
@YES
@DRY_RUN
@WHY
@BY
@JSON
def replay(
    name: str,
    *,
    since: str | None,
    until: str | None,
    events: tuple[str, ...],
    ident: str | None,
    person: str,
    only: str,
    rate: float,
    wait: bool,
    with_archive: bool,
    yes: bool,
    dry_run: bool,
    message: str,
    by: str | None,
    as_json: bool,
) -> None:
    """Send retained events again: a new integration, a mapping that was repaired, what was filtered by mistake.

    \b
    relay replay --integration production --dry-run
    relay replay --integration production --event RENEWAL_DISABLED --since 2d -m "was off by mistake"
    relay replay --integration production --id 7/1764115200000-0

    Runs as a job of the workers, behind live events, in each person's order; Ctrl-C ends only the watching. ULIDs stay:
    what Customer.io has is not repeated. Exit 1 when events failed or the job was aborted.
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    from worker.acts.named import named_integration
    from worker.acts.replaying import look_back, replay_events
    from worker.history.backfill import Wanted

    parts = open_parts()
    if ident is not None:
        if since or until or events or person or with_archive:
            raise click.UsageError("--id is one event: leave out --since, --until, --event, --person and --archive")
        _send_one(parts, name, ident, Running(dry_run, yes, wait, as_json, None), acting(by, message))
        return
    wanted = Wanted(_span(since, until), frozenset(events), person, cast("Only", only))
    named_integration(parts, name)
    with busy("reading what is retained", quiet=as_json):
        work, chosen = look_back(parts, name, wanted, archive(parts, with_archive=with_archive))
    plan = work.plan
    if not as_json:
        say_hanging(told(plan, name, events))
    meant = _described(name, since, until, events, person, only)
    question = f"send {several(len(chosen.ids), 'event')} to {name}?"
    running = Running(dry_run, yes, wait, as_json, plan)
    doer = acting(by, message)
    running.run(parts.jobs, len(chosen.ids), question, lambda: replay_events(parts, name, chosen, meant, rate, doer))


def _send_one(parts: "Relay", name: str, ident: str, running: Running, doer: "Doer") -> None:
    """One event, whatever became of it.

    Raises:
        OperatorError: it is not kept, or would not be sent.
    """
    from worker.acts.replaying import look_at_one, send_one
    from worker.errors import OperatorError
    from worker.history.room import open_history

    kept = list(open_history(parts).finder.event(ident))
    source = parts.integrations.integrations[name].source if name in parts.integrations.integrations else ""
    found = next((one for one in kept if one.source == source), next(iter(kept), None))
    if found is None:
        raise OperatorError(f"no event of the id {ident} is kept: it was trimmed, or never received")
    one = look_at_one(parts, name, found)
    if not running.as_json:
        off = f", which is off in {name}: under its code" if one.off_too else ""
        say_hanging([*told(one.plan, name), f"It is {found.event.name}{off}."])
    running = replace(running, plan=one.plan)
    running.run(parts.jobs, 1, f"send this event to {name}?", lambda: send_one(parts, name, one, doer))


def told(plan: "Plan", name: str, events: Iterable[str] = ()) -> list[str]:
    """What a replay would do, in lines whose figures add up; `events` are the codes that were asked for."""
    if not plan.matched:
        from config.catalogue import catalogue

        codes = catalogue().events
        strange = [f"{code} is not in the catalogue; {suggestion(code, codes)}" for code in events if code not in codes]
        return ["no retained event matches", *strange]
    lines = [f"{several(plan.matched, 'retained event')} of {name}:"]
    again = f" ({count(plan.delivered)} of them again: Customer.io keeps the first)" if plan.delivered else ""
    facts = [
        (plan.would_send, f"would be sent, to {several(plan.people, 'person', 'people')}{again}"),
        (plan.already, "were delivered already"),
        (plan.shadowed, "were settled in shadow, while another sender delivered them (--only shadowed takes them)"),
        (plan.waiting, "wait, and are delivered by themselves"),
        *((number, f"would be filtered: {reason}") for reason, number in sorted(plan.filtered.items())),
        *((number, f"would fail: {reason}") for reason, number in sorted(plan.failing.items())),
    ]
    lines += [f"  {count(number):>9}  {message}" for number, message in facts if number]
    if plan.late:
        lines.append(
            f"Note: {count(plan.late)} of those that would be sent are older than 72 h: they start no campaign."
        )
    return lines


def _span(since: str | None, until: str | None) -> "Span":
    from worker.dead.filters import read_time_ms
    from worker.history.scan import Span

    now_ms = time.time_ns() // 1_000_000
    try:
        return Span(read_time_ms(since, now_ms) if since else None, read_time_ms(until, now_ms) - 1 if until else None)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _described(name: str, since: str | None, until: str | None, events: tuple[str, ...], person: str, only: str) -> str:
    from worker.store.actions import discreet

    words = [f"--integration {name}", f"--only {only}"]
    words += [f"--{option} {value}" for option, value in (("since", since), ("until", until)) if value]
    words += [f"--event {event}" for event in events]
    return " ".join([*words, f"--person ({discreet(person)})"] if person else words)
