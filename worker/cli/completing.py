"""Completion of what is typed: names, reasons, causes, groups, jobs as they are now; nothing when in doubt."""

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from worker.app import Relay

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completing(known: "Callable[[Callable[[], Relay]], Iterable[tuple[str, str]]]") -> Complete:
    """What completes from words and their explanations; they open the relay's parts where they need them."""

    def complete(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        from worker.cli.parts import open_parts
        from worker.process.plain import plain

        found: list[CompletionItem] = []
        # no completion is better than a traceback in somebody's prompt
        with contextlib.suppress(Exception):
            for word, text in known(open_parts):
                if word.startswith(begun):
                    found.append(CompletionItem(plain(word), help=plain(text)))
        return found

    return complete


def _integrations(opened: "Callable[[], Relay]") -> Iterable[tuple[str, str]]:
    return [(name, "") for name in opened().known_integrations()]


def _reasons(_: "Callable[[], Relay]") -> Iterable[tuple[str, str]]:
    from worker.dead.advice import WRONG

    return [(str(reason), "") for reason in WRONG]


def _events(opened: "Callable[[], Relay]") -> Iterable[tuple[str, str]]:
    from config.catalogue import catalogue
    from worker.dead.filters import Filter

    yield from ((code, one.category) for code, one in catalogue().events.items())
    parts = opened()
    abouts = parts.dead_letters.causes.abouts(parts.known_integrations(), Filter())
    yield from (
        (code, "") for code in sorted({about["event"] for _, _, _, about in abouts} - {*catalogue().events, ""})
    )


def _causes(opened: "Callable[[], Relay]") -> Iterable[tuple[str, str]]:
    from worker.dead.filters import Filter

    parts = opened()
    found = parts.dead_letters.causes.list(parts.known_integrations(), Filter())
    return [(one.cause, f"{one.count} {one.reason} {one.field} {one.event}") for one in found]


def _groups(opened: "Callable[[], Relay]") -> Iterable[tuple[str, str]]:
    from worker.dead.advice import what_is_wrong

    known = sorted(opened().dead_groups.numbered().items())
    return [(str(n), f"{one.integration}: {what_is_wrong(one.reason, one.field, one.status)}") for n, one in known]


def _jobs(opened: "Callable[[], Relay]") -> Iterable[tuple[str, str]]:
    return [(job.id, f"{job.state}, {job.matched - job.left} of {job.matched}") for job in opened().jobs.page(20)]


def _revisions(opened: "Callable[[], Relay]") -> Iterable[tuple[str, str]]:
    return [(str(one.number), one.note) for one in opened().revisions.all()[:20]]


INTEGRATIONS = _completing(_integrations)
REASONS = _completing(_reasons)
EVENTS = _completing(_events)
CAUSES = _completing(_causes)
GROUPS = _completing(_groups)
JOBS = _completing(_jobs)
REVISIONS = _completing(_revisions)
