"""`relay explain`: what happens to an event, stage by stage, and why."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

if TYPE_CHECKING:
    from config.integrations import Integration
    from worker.app import Relay
    from worker.purchasely.event import Event


@click.command()
@click.argument("event")
@click.option("--integration", help="Only this integration.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--offline", is_flag=True, help="Do not look at Redis: as if the person were new.")
def explain(event: str, integration: str | None, *, as_json: bool, offline: bool) -> None:
    """Explain EVENT: a file, - for standard input, or SHARD/ENTRY-ID of an event still in a stream.

    Nothing is sent and nothing changes.
    """
    from worker.app import relay
    from worker.errors import OperatorError
    from worker.mapping.explain import explain_event
    from worker.purchasely.event import read_event

    parts = relay()
    chosen = [i for i in parts.integrations.integrations.values() if integration in (None, i.name)]
    if not chosen:
        raise OperatorError(f"no integration {integration!r} in {parts.integrations.path}")
    entry_id, raw, source = _find(parts, event)
    try:
        read = read_event(entry_id, raw)
    except ValueError:
        raise OperatorError(f"{event} is not a JSON object") from None
    asked = [one for one in chosen if source in (None, one.source)]
    about = explain_event(read, parts.integrations.identity(source or chosen[0].source), parts.settings.shards)
    told = [_for_one(parts, read, one, offline) for one in asked]
    if as_json:
        click.echo(orjson.dumps({"event": about, "integrations": told}).decode())
    else:
        _show(about, told, parts.integrations.path)


def _find(parts: "Relay", event: str) -> tuple[str, bytes, str | None]:
    """The entry id, the bytes and the source (when it is known) of what is to be explained."""
    from worker.errors import OperatorError
    from worker.store.keys import shard_key
    from worker.store.stream import read_range

    now = f"{time.time_ns() // 1_000_000}-0"
    if event == "-":
        return now, sys.stdin.buffer.read(), None
    path = Path(event)
    if path.is_file():
        return now, path.read_bytes(), None
    shard, _, entry_id = event.partition("/")
    if shard.isdigit() and entry_id:
        for source in parts.integrations.sources:
            for _, raw in read_range(parts.redis, shard_key(int(shard), "events", source), entry_id, entry_id):
                return entry_id, raw, source
        raise OperatorError(f"no event {event} in any stream: it was trimmed, or never there")
    raise OperatorError(f"{event} is neither a file, nor -, nor SHARD/ENTRY-ID")


def _for_one(parts: "Relay", event: "Event", integration: "Integration", offline: bool) -> dict[str, Any]:
    from worker.mapping.explain import explain as explain_one
    from worker.purchasely.person import shard_key, shard_of
    from worker.store.keys import person_key

    now_ms = time.time_ns() // 1_000_000
    mapper = parts.mapper(integration)
    owner = shard_key(event.payload, integration.source_identity) or event.key
    state, suppressed = None, frozenset[str]()
    if not offline:
        suppressed = parts.suppressed.people()
        digest = mapper.person_of(mapper.decide(event, now_ms, suppressed))
        if digest:
            shard = shard_of(owner, parts.settings.shards)
            state = parts.streams.states([person_key(shard, integration.name, digest)])[0]
    return explain_one(event, mapper, state, now_ms, suppressed)


def _show(about: dict[str, Any], told: list[dict[str, Any]], path: str) -> None:
    click.echo(f"{about['name'] or '(no event_name)'}: {about['meaning']}")
    click.echo(f"  key {about['key']}, person {about['person'] or '(nobody)'}, shard {about['shard']}")
    for one in told:
        reason = f" ({one['reason']})" if one["reason"] else ""
        click.echo(f"\n{one['integration']}: {one['outcome']}{reason}")
        for stage in one["stages"]:
            line = f"  [{path}:{stage['line']}]" if stage["line"] else ""
            click.echo(f"  {'ok ' if stage['result'] == 'passed' else 'stop'} {stage['stage']}: {stage['why']}{line}")
        if one.get("message"):
            click.echo(f"  stop {one['field']}: {one['message']}")
        for operation in one["operations"]:
            click.echo(f"  tells Customer.io: {orjson.dumps(operation, option=orjson.OPT_INDENT_2).decode()}")
        if "after" in one:
            click.echo("  the person's properties (before -> after; * is sent):")
            _show_change(one)


def _show_change(one: dict[str, Any]) -> None:
    before, after = one["before"], one["after"]
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        change = f"{new!r}" if old == new else f"{old!r} -> {new!r}"
        click.echo(f"    {name}: {change}")
