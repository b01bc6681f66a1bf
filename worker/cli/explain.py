"""`relay explain`: what happens to an event, stage by stage, and why; also under a former revision or a draft."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from worker.cli.completing import INTEGRATIONS
from worker.cli.printing import echo_json, say, say_lines, several
from worker.process.plain import plain_json

if TYPE_CHECKING:
    from config.integrations import Integrations
    from worker.app import Relay


@click.command()
@click.argument("event")
@click.option("--integration", metavar="NAME", help="Only this integration.", shell_complete=INTEGRATIONS)
@click.option("--revision", type=click.IntRange(1), metavar="N", help="Decide by this revision of the configuration.")
@click.option("--file", "draft", type=click.Path(path_type=Path), help="Decide by this draft of the integrations file.")
@click.option("--line", type=click.IntRange(1), help="Which line, of a file with one event a line.")
@click.option("--offline", is_flag=True, help="Do not ask Redis: treat the person as new.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(
    event: str,
    integration: str | None,
    *,
    revision: int | None,
    draft: Path | None,
    line: int | None,
    offline: bool,
    as_json: bool,
) -> None:
    """Explain EVENT: a file, - for standard input, or the id of an event that is kept (see relay trace).

    \b
    relay explain event.json
    relay explain 7/1764115200000-0 --revision 41
    relay explain event.json --file draft.toml --integration production

    Nothing is sent and nothing changes.
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    from worker.app import relay
    from worker.errors import OperatorError
    from worker.history.explaining import explain_now
    from worker.mapping.explain import explain_event
    from worker.purchasely.event import read_event

    parts = relay()
    if not offline:
        parts.check_store()
    config = _config(parts, revision, draft)
    chosen = [one for one in config.integrations.values() if integration in (None, one.name)]
    if not chosen:
        raise OperatorError(f"no integration {integration!r} in {config.path}; there are: {_names(config)}")
    entry_id, raw, source = _find(parts, event, line)
    try:
        read = read_event(entry_id, raw)
    except ValueError:
        raise OperatorError(_no_event("standard input" if event == "-" else event, raw)) from None
    asked = [one for one in chosen if source in (None, one.source)]
    about = explain_event(read, config.identity(source or chosen[0].source), parts.settings.shards)
    told = [explain_now(parts, read, one, offline=offline) for one in asked]
    if as_json:
        echo_json({"event": about, "integrations": told})
    else:
        _show(about, told, config.path)


def _config(parts: "Relay", revision: int | None, draft: Path | None) -> "Integrations":
    """The configuration that is to decide.

    Raises:
        OperatorError: there is no such revision, or the draft has errors.
    """
    from worker.cli.given import read_given, spoken
    from worker.revisions.owner import check

    if revision is not None and draft is not None:
        raise click.UsageError("give --revision or --file, not both")
    if draft is not None:
        return check(read_given(draft), spoken(draft), parts.secrets)
    if revision is not None:
        return check(parts.revisions.get(revision).text, f"revision {revision}", parts.secrets)
    return parts.integrations


def _names(config: "Integrations") -> str:
    return ", ".join(config.integrations) or "none"


def _find(parts: "Relay", event: str, line: int | None) -> tuple[str, bytes, str | None]:
    """The entry id, the bytes and the source (when it is known) of what is to be explained."""
    now = f"{time.time_ns() // 1_000_000}-0"
    if event == "-":
        return now, _line(sys.stdin.buffer.read(), line), None
    path, unread = Path(event), ""
    try:
        if path.is_file():
            return now, _line(path.read_bytes(), line), None
    except PermissionError:  # a folder that this user may not look into says nothing of an event's id
        from worker.cli.given import unreadable

        unread = f" (if it is a file: {unreadable()})"
    return _kept(parts, event, unread)


def _kept(parts: "Relay", ident: str, unread: str) -> tuple[str, bytes, str | None]:
    from worker.errors import OperatorError
    from worker.history.room import open_history

    for found in open_history(parts).finder.event(ident):
        return found.entry_id, found.event.raw, found.source
    raise OperatorError(
        f"{ident} is no file, and no event of this id is kept: it was trimmed, or never received{unread}"
    )


def _line(raw: bytes, line: int | None) -> bytes:
    """One event out of a file with an event a line; the whole of it without a number.

    Raises:
        OperatorError: there is no such line.
    """
    from worker.errors import OperatorError

    if line is None:
        return raw
    lines = [one for one in raw.splitlines() if one.strip()]
    if line > len(lines):
        raise OperatorError(f"it holds {several(len(lines), 'event')}; --line takes 1 to {len(lines):,}")
    return lines[line - 1]


def _no_event(event: str, raw: bytes) -> str:
    """Why some bytes are no event, and what to do."""
    if not raw.strip():
        return f"{event} is empty; write one event, a JSON object"
    lines = sum(1 for one in raw.splitlines() if one.strip().startswith(b"{"))
    if lines > 1:
        return f"{event} holds {lines:,} events; --line 1 takes one"
    if raw.lstrip().startswith(b"["):
        return f"{event} holds an array; write one event, or one a line and --line N"
    return f"{event} is not a JSON object"


def _show(about: dict[str, Any], told: list[dict[str, Any]], path: str) -> None:
    say(f"{about['name'] or '(no event_name)'}: {about['meaning']}")
    say(f"  id {about['key']}, person {about['person'] or '(nobody)'}, shard {about['shard']}")
    for one in told:
        reason = f" ({one['reason']})" if one["reason"] else ""
        say()
        say(f"{one['integration']}: {one['outcome']}{reason}")
        for stage in one["stages"]:
            line = f"  [{path}:{stage['line']}]" if stage["line"] else ""
            say(f"  {'✓' if stage['result'] == 'passed' else '✗'} {stage['stage']}: {stage['why']}{line}")
        if one.get("message"):
            say(f"  ✗ {one['field']}: {one['message']}")
        for operation in one["operations"]:
            document = plain_json(orjson.dumps(operation, option=orjson.OPT_INDENT_2).decode())
            verb = "would send" if one["reason"] == "shadow" else "sends"
            say_lines(f"  {verb} " + document.replace("\n", "\n  "))
        if "after" in one:
            _show_changes(one["before"], one["after"])


def _show_changes(before: dict[str, Any], after: dict[str, Any]) -> None:
    """The person's properties that the event changes."""
    changed = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    if not changed:
        say("  the person's properties stay as they are")
        return
    say("  the person's properties that change:")
    width = max(len(name) for name in changed)
    for name in changed:
        former = f"{value(name, before[name])} → " if before.get(name) is not None else ""
        say(f"    {name.ljust(width)}  {former}{value(name, after.get(name))}")


def value(name: str, given: object) -> str:
    """A property's value for people: dates as dates, in UTC; no value says so.

    >>> value("plan", "monthly"), value("is_in_trial", True), value("purchased_at", 1764115200000), value("plan", None)
    ('monthly', 'true', '2025-11-26 00:00:00 UTC', '(none)')
    """
    from worker.people.properties import DATE_PROPERTIES

    if given is None:
        return "(none)"
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, int) and name in DATE_PROPERTIES:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(given / 1000))
    return str(given)
