"""`relay dead show`: everything that is known of one dead letter."""

import shlex
import time
from typing import TYPE_CHECKING, Any

import click

from worker.cli.completing import GROUPS
from worker.cli.dead.choice import find_group, is_number, read_letters
from worker.cli.dead.excerpt import cut_text, pretty
from worker.cli.dead.options import JSON
from worker.cli.dead.rows import cause_words, row
from worker.cli.parts import open_parts
from worker.cli.printing import echo_json, say, say_hanging, say_lines, span, terminal_width
from worker.process.plain import plain, plain_json

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.dead.letter import Letter
    from worker.replay.judgement import Judged

_CURL = 4_000
_READABLE = 120
# What a change of the file or the letters may cure.
_CURED = frozenset({"no_event_name", "no_person", "invalid_time", "too_large", "rejected", "properties_rejected"})


@click.command()
@click.argument("which", metavar="GROUP|LETTER", shell_complete=GROUPS)
@click.option("--full", is_flag=True, help="Long fields too, whole.")
@JSON
def dead_show(which: str, *, full: bool, as_json: bool) -> None:
    """Show LETTER: the event as received, what was made of it, each attempt, and what would become of it now.

    Of a GROUP (a number of `relay dead`): which events it is about, and its newest letter. The curl command does by
    hand what the relay did last; it takes the key from $CUSTOMERIO_SITE_ID and $CUSTOMERIO_API_KEY.
    """
    from worker.ledger.figures import Ledger

    parts = open_parts()
    about, letter = _newest(parts, int(which), as_json=as_json) if is_number(which) else ({}, _read(parts, which))
    file = Ledger(parts).owning_file()
    told = describe(parts, letter, file)
    if as_json:
        echo_json(told | about)
    else:
        _show(letter, told, _fix(letter, which, file), full=full)


def _read(parts: "Relay", letter_id: str) -> "Letter":
    return read_letters(parts.dead_letters, [letter_id])[0]


def _newest(parts: "Relay", number: int, *, as_json: bool) -> "tuple[dict[str, Any], Letter]":
    """What a group is about, said or for programs; and the letter of it that failed last.

    Raises:
        click.ClickException: it has none any more (exit 1).
    """
    from worker.cli.dead.picture import described
    from worker.dead.filters import Filter

    wanted = find_group(parts, number).narrow(Filter())
    now_ms = time.time_ns() // 1_000_000
    groups = parts.dead_groups.list(wanted.integrations, wanted, now_ms)
    letters, _ = parts.dead_letters.page(wanted.integrations, wanted, 1)
    if not groups or not letters:
        raise click.ClickException(f"group {number} has no letter any more: they were replayed or discarded")
    if not as_json:
        known = parts.integrations.integrations.get(groups[0].integration)
        say_hanging(described(groups[0], now_ms, known.identity.id_fields if known else ()))
        say()
    return {"group": row(groups[0])}, letters[0]


def describe(parts: "Relay", letter: "Letter", file: str) -> dict[str, Any]:
    """A letter and what can be said about it; `file` owns the configuration, empty: none does."""
    import msgspec

    from worker.dead.advice import advice
    from worker.dead.neighbours import neighbours

    before, after = neighbours(parts.redis, letter, parts.integrations.identity(letter.source))
    row: dict[str, Any] = msgspec.to_builtins(letter)
    return row | {
        "advice": advice(letter.reason, letter.field, file),
        "now": _now(parts, letter),
        "previous": before and msgspec.to_builtins(before),
        "next": after and msgspec.to_builtins(after),
        "curl": curl(parts, letter),
    }


def _now(parts: "Relay", letter: "Letter") -> dict[str, Any]:
    """What would become of the letter under the present configuration; nothing is tried that killed a worker."""
    from worker.dead.letter import event_of
    from worker.mapping.explain import explain
    from worker.replay.judgement import judge
    from worker.store.keys import person_key

    integration = parts.integrations.integrations.get(letter.integration)
    if integration is None:
        return {"outcome": "unknown", "reason": f"{letter.integration} is not in the integrations file"}
    if letter.reason == "crashed_worker":
        return {"outcome": "unknown", "reason": "it killed its worker, so it is not tried here"}
    try:
        event = event_of(letter)
    except ValueError:
        return {"outcome": "dead", "reason": "not_json"}
    mapper = parts.mapper(integration)
    suppressed, now_ms = parts.suppressed.people(), time.time_ns() // 1_000_000
    try:
        decision = mapper.decide(event, now_ms, suppressed)
        digest = mapper.person_of(decision)
        key = person_key(letter.shard, letter.integration, digest) if digest else ""
        state = parts.streams.states([key])[0] if key else None
        told = explain(event, mapper, state, now_ms, suppressed) | _judged(judge(mapper, letter, decision, state))
    except (ValueError, TypeError, RecursionError) as fault:
        return {"outcome": "dead", "reason": f"it cannot be read or written as JSON ({type(fault).__name__})"}
    return {name: told[name] for name in ("outcome", "reason", "field", "message", "operations") if name in told}


def _judged(judged: "Judged") -> dict[str, str]:
    """The fate of a letter where Customer.io's refusal decides it, as the plan of a replay has it."""
    match judged.fate:
        case "same":
            message = "refused by Customer.io as before: what it refused has not changed"
            return {"outcome": "dead", "reason": judged.reason, "message": message}
        case "unsure":
            message = "something has changed, and Customer.io did not say which part it refused"
            return {"outcome": "unsure", "reason": "", "message": message}
        case _:
            return {"outcome": judged.fate, "reason": judged.reason}


def curl(parts: "Relay", letter: "Letter") -> str:
    """The last request for this letter alone, as a shell command without the key; empty when nothing was made of it."""
    from config.shape import REGION_URLS

    if not letter.operations:
        return ""
    known = parts.integrations.integrations.get(letter.integration)
    url = known.base_url if known else REGION_URLS["us"]
    body = '{"batch":[' + ",".join(letter.operations) + "]}"
    return (
        f"curl -sS -X POST {url}/api/v2/batch \\\n"
        '  -u "$CUSTOMERIO_SITE_ID:$CUSTOMERIO_API_KEY" -H "Content-Type: application/json" \\\n'
        f"  --data-binary {shlex.quote(plain_json(body))}"
    )


def _fix(letter: "Letter", which: str, file: str) -> list[tuple[str, str]]:
    """What to do about it as commands, with the group or letter as it was named; and how `file` is published."""
    from worker.dead.advice import publishing, remedy

    cure = remedy(letter.reason, letter.field, which)
    if letter.reason not in _CURED:
        return []
    then = "" if "replay" in cure else f"; then relay dead replay {which}"
    rows = [("fix", cure.removeprefix("fix it ") + then)]
    if "[" in cure:
        rows.append(("publish", publishing(file)))
    return rows


def _show(letter: "Letter", told: dict[str, Any], fix: list[tuple[str, str]], *, full: bool) -> None:
    from worker.dead.letter import received_of
    from worker.mapping.mapper import LATE_MS

    now_ms = time.time_ns() // 1_000_000
    event_ms = letter.received_ms if letter.event_time_ms is None else letter.event_time_ms
    late = " (older than 72 h: it starts no campaign any more)" if now_ms - event_ms > LATE_MS else ""
    lines = [
        ("letter", letter.id),
        ("cause", f"{cause_words(letter.reason, letter.field, letter.status, letter.event)}   id {letter.cause}"),
        *([("message", letter.message)] if letter.message else []),
        ("advice", told["advice"]),
        *fix,
        ("person", _whose(letter)),
        ("event id", letter.event_id or "-"),
        ("happened", f"{_moment(letter.event_time_ms)}{late}"),
        ("received", _moment(letter.received_ms)),
        ("failed", f"{_moment(letter.failed_ms)}, {span(now_ms - letter.failed_ms)} ago, at stage {letter.stage}"),
        ("replays", str(letter.replays)),
        ("revision", f"{letter.revision} of the integration"),
        ("previous", _told(told["previous"])),
        ("next", _told(told["next"])),
    ]
    lines += [("edited", f"{_moment(e.at_ms)} by {e.by}: {', '.join(e.paths)}") for e in letter.edits]
    if letter.restored:
        lines.append(("imported", f"{_moment(letter.restored['at_ms'])} by {letter.restored['by']}"))
    width = min(_READABLE, terminal_width())
    for name, text in lines:
        say_lines(click.wrap_text(plain(text), width, f"{name:<10}", " " * 10))
    _section("as received", pretty(received_of(letter), full=full))
    if letter.edits:
        from worker.dead.letter import raw_of

        _section("as edited, and as it would be replayed", pretty(raw_of(letter), full=full))
    _section(
        "made of it",
        "\n".join(pretty(op.encode(), full=full) for op in letter.operations) or "nothing: it did not get so far",
    )
    _section("attempts", "\n".join(plain(_attempt(attempt)) for attempt in letter.attempts) or "none: nothing was sent")
    _section("replayed now it would be", plain(verdict(told["now"])))
    if told["curl"]:
        _section("the same by hand", cut_text(told["curl"], _CURL, full=full))


def _whose(letter: "Letter") -> str:
    if letter.reason == "no_person" and letter.person and not letter.edits:
        return f"(nobody; ordered by the device {letter.person})"
    return letter.person or "(nobody)"


def _told(neighbour: dict[str, Any] | None) -> str:
    if neighbour is None:
        return "none that is still kept near by"
    return f"{neighbour['event'] or '(no event name)'}, {_moment(neighbour['time_ms'])}, {neighbour['became']}"


def _section(title: str, text: str) -> None:
    say()
    say(f"{title}:")
    say_lines(f"  {line}" for line in text.split("\n"))


def _attempt(attempt: dict[str, Any]) -> str:
    status = attempt["status"] or "no answer"
    return f"{_moment(attempt['at_ms'])}  {status}  {attempt['took_ms']} ms  {attempt['message']}"


def verdict(now: dict[str, Any]) -> str:
    """What would become of a letter, in a line."""
    said = f" at {now['field']}" if now.get("field") else ""
    message = f": {now['message']}" if now.get("message") else ""
    reason = f" ({now['reason']})" if now["reason"] else ""
    outcome = "failed again" if now["outcome"] == "dead" else now["outcome"]
    return f"{outcome}{reason}{said}{message}"


def _moment(time_ms: int | None) -> str:
    from worker.mapping.attributes import iso_time

    return "no time" if time_ms is None else iso_time(time_ms)
