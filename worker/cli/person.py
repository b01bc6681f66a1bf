"""`relay person`: the timeline of a person, and their properties with the event that gave each."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.archive import ARCHIVE, wanted
from worker.cli.explain import value
from worker.cli.integrations import several_integrations
from worker.cli.printing import echo_json, say, say_hanging
from worker.cli.progress import busy

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.history.drafted import Draft
    from worker.history.room import PersonPage
    from worker.history.timeline import PropertyValue


@click.command()
@click.argument("ident", metavar="ID")
@several_integrations()
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Events on a page.")
@click.option("--next", "cursor", metavar="CURSOR", help="The page after this cursor.")
@click.option("--file", "draft", type=click.Path(path_type=Path), help="Say also what this draft would make of each.")
@ARCHIVE
@click.option("--utc", is_flag=True, help="Times in UTC.  [default: this machine's zone]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def person(
    ident: str,
    integrations: tuple[str, ...],
    limit: int,
    cursor: str | None,
    *,
    draft: Path | None,
    with_archive: bool,
    utc: bool,
    as_json: bool,
) -> None:
    """Show what is kept of a person, newest first: user id, Customer.io id, e-mail or anonymous id.

    \b
    relay person customer-0101
    relay person ann@example.com --limit 5 --json
    relay person customer-0101 --file draft.toml

    Exit 1: nothing of this person is kept.
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    from worker.app import relay
    from worker.cli.history import lines, moment, refuse_unknown
    from worker.history.room import open_history

    parts = relay()
    refuse_unknown(parts, integrations)
    room = open_history(parts, wanted(parts, with_archive=with_archive))
    try:
        with busy("looking for the person's events", quiet=as_json):
            page = room.person(ident, limit, cursor, integrations, draft=_draft(parts, draft))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        echo_json(page)
    else:
        say(f"{', '.join(page.person)}")
        for line in _standing(page, parts.suppressed.people(), utc=utc) if not cursor and page.items else []:
            say_hanging([line])
        for one in page.items:
            say_hanging([*lines(one, utc=utc), *_drafted(page, one.event.entry)])
        for name, properties in page.properties.items():
            _show_properties(name, properties, lambda at_ms: moment(at_ms, utc=utc))
        if page.next:
            asked = [f"--integration {name}" for name in integrations]
            asked += [f"--file {shlex.quote(str(draft))}"] if draft else []
            asked += [f"--limit {limit}", *(["--archive"] if with_archive else []), *(["--utc"] if utc else [])]
            say(f"more: relay person {' '.join(asked)} --next {shlex.quote(page.next)} -- {shlex.quote(ident)}")
    if not page.items and not cursor:
        say(f"relay: nothing of {ident!r} is kept; the past reaches back to {moment(room.since_ms, utc=utc)}", err=True)
        raise SystemExit(1)


def _draft(parts: "Relay", path: Path | None) -> "Draft | None":
    """A file that is not in force, to decide events by."""
    if path is None:
        return None
    from worker.cli.given import read_given, spoken
    from worker.history.drafted import Draft
    from worker.revisions.owner import check

    read = check(read_given(path), spoken(path), parts.secrets)
    return Draft.beside(parts, read)


def _drafted(page: "PersonPage", entry: str) -> list[str]:
    """What the draft would make of an event, an integration a line."""
    found = page.drafted.get(entry, [])
    width = max((len(one.integration) for one in found), default=0)
    return [f"   {one.integration.ljust(width)}  {'≠' if one.differs else '='} {one.words}" for one in found]


def _standing(page: "PersonPage", suppressed: frozenset[str], *, utc: bool) -> list[str]:
    """The subscription in words, for each integration that knows another one, and whether the person is suppressed."""
    from worker.cli.history import day
    from worker.purchasely.person import plain_name

    said = {
        name: ", ".join(f"{part.words} {day(part.at_ms, utc=utc)}" if part.at_ms else part.words for part in told)
        for name, told in page.subscription.items()
    }
    is_suppressed = any(plain_name(name) in suppressed for name in page.person)
    texts = list(dict.fromkeys(said.values())) or ["No subscription is known"]
    if len(texts) > 1:
        texts = [f"{name}: {text}" for name, text in said.items()]
    return [*texts[:-1], f"{texts[-1]} · {'suppressed' if is_suppressed else 'not suppressed'}"]


def _show_properties(integration: str, properties: "dict[str, PropertyValue]", when: Any) -> None:
    say(f"Properties now, {integration}:")
    width = max((len(name) for name in properties), default=0)
    for name, told in sorted(properties.items()):
        source = f"← {when(told.at_ms)} {told.event_id}" if told.event_id else "← an event that is no longer kept"
        say_hanging(f"   {name.ljust(width)}  {value(told.property, told.value)}  {source}")
