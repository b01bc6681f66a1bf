"""Filter options that the commands of dead letters share."""

import difflib
import re
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from worker.cli.choices import chosen_word
from worker.cli.completing import CAUSES, EVENTS, GROUPS, JOBS, REASONS
from worker.cli.integrations import several_integrations

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.dead.filters import Filter

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Any], Any]

_CAUSE = re.compile("[0-9a-f]{12}")  # the id of a cause, whole

_FILTERS: tuple[Option, ...] = (
    several_integrations("Letters of this integration only."),
    click.option(
        "--reason",
        "reasons",
        multiple=True,
        metavar="WORD",
        help="A reason: rejected, too_large, no_person, …",
        shell_complete=REASONS,
    ),
    click.option("--field", "fields", multiple=True, metavar="NAME", help="The field that is wrong."),
    click.option("--event", "events", multiple=True, metavar="CODE", help="The event's name.", shell_complete=EVENTS),
    click.option("--status", "statuses", multiple=True, type=int, help="Customer.io's HTTP status."),
    click.option(
        "--cause",
        "causes",
        multiple=True,
        metavar="ID",
        help="A cause: a group and one event name, as `relay dead show GROUP` lists them.",
        shell_complete=CAUSES,
    ),
    click.option("--person", default="", metavar="ID", help="Any identifier of the person."),
    click.option(
        "--job",
        default="",
        metavar="JOB",
        help="What failed again in this replay, or what this edit changed.",
        shell_complete=JOBS,
    ),
    click.option("--since", metavar="TIME", help="Failed since: 30m, 2h, 3d, or 2026-01-31T08:00 (UTC)."),
    click.option("--until", metavar="TIME", help="Failed before."),
    click.option(
        "--where",
        multiple=True,
        metavar="'PATH OP VALUE'",
        help="A condition on the payload: = != > >= < <= ~ (regular expression), or 'PATH exists'; nested: a.b.0.",
    ),
)

LETTERS = click.argument("ids", nargs=-1, metavar="[GROUP|LETTER]...", shell_complete=GROUPS)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
YES = click.option("--yes", is_flag=True, help="Do not ask.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what it would do, and do nothing.")
ALL = click.option("--all", "everything", is_flag=True, help="Every dead letter, without a filter.")


def filters(command: Command) -> Command:
    """Give a command the filters."""
    given: Any = command
    for option in reversed(_FILTERS):
        given = option(given)
    wearing: Command = given
    return wearing


def take_filter(flags: dict[str, Any], parts: "Relay") -> "Filter":
    """The filter, taken out of a command's flags.

    Raises:
        click.UsageError: it cannot be read, or names what never was.
    """
    from worker.dead.condition import read_condition
    from worker.dead.filters import Filter, read_time_ms

    now_ms = time.time_ns() // 1_000_000
    try:
        since, until = flags.pop("since"), flags.pop("until")
        found = Filter(
            since_ms=read_time_ms(since, now_ms) if since else 0,
            until_ms=read_time_ms(until, now_ms) if until else 0,
            where=tuple(read_condition(text) for text in flags.pop("where")),
            person=flags.pop("person"),
            job=flags.pop("job"),
            integrations=flags.pop("integrations"),
            reasons=flags.pop("reasons"),
            fields=flags.pop("fields"),
            events=flags.pop("events"),
            statuses=flags.pop("statuses"),
            causes=flags.pop("causes"),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if found.job and parts.jobs.get(found.job) is None:
        raise click.UsageError(f"no job {found.job}; `relay jobs` lists them")
    for name in found.integrations:
        chosen_word("integration", name, parts.known_integrations(), prefix=False)
    return _known(parts, found) if found.names_causes else found


def _known(parts: "Relay", typed: "Filter") -> "Filter":
    """The filter with its reasons and causes as they are called.

    An id of a cause that is written whole may be of letters that are gone; so may a name of an event or a field.

    Raises:
        click.UsageError: there is no such reason, cause or event: an empty answer would look as if all were well.
    """
    import msgspec

    from config.catalogue import catalogue
    from worker.dead.advice import ADVICE
    from worker.dead.filters import Filter

    places = list(parts.dead_letters.causes.abouts(parts.known_integrations(), Filter()))
    abouts = [about for _, _, _, about in places]
    reasons = {*ADVICE, *(about["reason"] for about in abouts)}
    causes = {cause for _, _, cause, _ in places}
    events = {*catalogue().events, *(about["event"] for about in abouts)}
    for name in typed.events:
        if name not in events and difflib.get_close_matches(name, events, 1, 0.85):
            chosen_word("event", name, events, prefix=False)
    return msgspec.structs.replace(
        typed,
        reasons=tuple(chosen_word("reason", word, reasons) for word in typed.reasons),
        causes=tuple(
            word if _CAUSE.fullmatch(word) else chosen_word("cause", word, sorted(causes)) for word in typed.causes
        ),
    )


def confirm(question: str, *, yes: bool, as_json: bool) -> None:
    """Ask before acting.

    Raises:
        click.Abort: the answer is no.
        click.UsageError: nobody can be asked.
    """
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: add --yes to do it, or --dry-run to see what it would do")
    click.confirm(question, abort=True)
