"""`relay check`: whether everything the relay depends on is as it should be."""

import sys
from typing import TYPE_CHECKING

import click

from worker.cli.printing import Styled, echo_items, say, say_lines, terminal_width, wrapped_text
from worker.cli.progress import busy
from worker.errors import OperatorError
from worker.process.plain import plain

if TYPE_CHECKING:
    from config.integrations import Integrations
    from worker.app import Relay
    from worker.machine.serverfacts import Fact

_TITLES = {
    "file": "Integrations file",
    "customer.io": "Customer.io",
    "redis": "Redis",
    "broker": "Broker",
    "archive": "Archive",
}
_COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


@click.command()
@click.option("--offline", is_flag=True, help="Look at the integrations file only; ask no server.")
@click.option("--strict", is_flag=True, help="Treat warnings as errors, for CI: a misspelt event code, for example.")
@click.option("--rate", type=click.FloatRange(0), help="Events a second to size memory for.  [default: as retained]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(*, offline: bool, strict: bool, rate: float | None, as_json: bool) -> None:
    """Look at the integrations file, at the keys and regions, and at the servers.

    Says what is wrong, what can be lost, and the command that changes it. Exit 1 when something is
    wrong; warnings alone are exit 0, with --strict 1.
    """
    with busy("asking Customer.io, Redis and the broker", quiet=as_json):
        facts = gather(offline=offline, rate=rate)
    if strict:
        facts = [_strictly(fact) for fact in facts]
    if as_json:
        echo_items(facts)
    else:
        _show(facts)
    sys.exit(1 if any(fact.level == "wrong" for fact in facts) else 0)


def _strictly(fact: "Fact") -> "Fact":
    import msgspec

    return msgspec.structs.replace(fact, level="wrong") if fact.level == "warning" else fact


def gather(*, offline: bool, rate: float | None = None) -> "list[Fact]":
    """Everything that can be said of the present set-up."""
    import redis

    from config.integrations import ConfigError
    from worker.app import Relay, read_settings
    from worker.machine import checkup, inspection
    from worker.machine.serverfacts import Fact

    settings = read_settings()
    facts: list[Fact] = []
    integrations = None
    try:
        integrations = _configuration(Relay(settings), offline=offline)
        facts += inspection.look_at_file(integrations)
    except ConfigError as error:
        facts += [Fact("file", str(settings.integrations), "wrong", problem) for problem in error.problems]
    except OperatorError as error:
        facts.append(Fact("file", "", "wrong", str(error)))
    except (redis.RedisError, OSError):  # why is said of Redis, below
        facts.append(Fact("file", "", "wrong", "the revision in force cannot be read: Redis does not serve"))
    if offline:
        return facts
    return [*facts, *checkup.look_around(settings, lambda: Relay(settings).redis, integrations, rate)]


def _configuration(parts: "Relay", *, offline: bool) -> "Integrations":
    """The integrations file, its secrets included; without RELAY_INTEGRATIONS the revision in force.

    Raises:
        ConfigError: it cannot be used on this machine.
        OperatorError: there is none.
    """
    from config import document
    from config.integrations import parse
    from worker.store.connect import has_address

    file = parts.settings.integrations
    if file is not None:
        return parse(document.read(file), str(file), parts.secrets)
    if offline or not has_address(parts.settings):
        raise OperatorError("no file to look at: set RELAY_INTEGRATIONS to one")
    loaded = parts.live.loaded
    if not loaded.number:
        from worker.revisions.live import NO_CONFIG

        raise OperatorError(NO_CONFIG)
    return parse(loaded.revision.text, f"revision {loaded.number}", parts.secrets, number=loaded.number)


def _under(text: str, place: int) -> list[str]:
    """A text as wide as the terminal from column 11 on; what is too long goes on below, at a column."""
    width = max(terminal_width() - 11, place + 20)
    first, *more = wrapped_text(plain(text), width, " " * (place - 11))
    return [first, *(f"{'':11}{line}" for line in more)]


def _show(facts: "list[Fact]") -> None:
    for area, title in _TITLES.items():
        found = [fact for fact in facts if fact.area == area]
        if not found:
            continue
        say(title, bold=True)
        width = 0 if area == "file" else max(len(fact.subject) for fact in found) + 2
        for fact in found:
            mark = Styled(f"{fact.level:8}", fg=_COLOURS[fact.level])
            said = not fact.subject or fact.text.startswith((f"{fact.subject}:", f"{fact.subject} "))
            subject = f"{fact.subject:{width}}" if width else "" if said else f"{fact.subject}  "
            first, *more = _under(f"{subject}{fact.text}", 11 + width)
            say("  ", mark, f" {first}")
            cure = _under(f"{'':{width}}→ {fact.remedy}", 13 + width) if fact.remedy else []
            say_lines([*more, *(f"{'':11}{line}" if not at else line for at, line in enumerate(cure))])
    wrong = sum(fact.level == "wrong" for fact in facts)
    warnings = sum(fact.level == "warning" for fact in facts)
    say()
    say(f"{wrong or 'nothing'} wrong, {warnings or 'no'} warning{'' if warnings == 1 else 's'}")
