"""Picture of `relay dead`: the groups of dead letters at the terminal's width, and the next steps."""

import time
from collections.abc import Mapping, Sequence

import click

from worker.cli.columns import columns, fitted, sparkline
from worker.cli.printing import count, several, span
from worker.dead.advice import what_is_wrong
from worker.dead.groups import HOURS, Group, where
from worker.process.wording import per_s

_DAY_MS = 86_400_000
_BESIDE = 100  # columns from which the next steps are beside each other
_EVENTS = 15
# The least that still says something: of where it is wrong, then of what.
_WHERE, _WHAT = 14, 40

Tried = Mapping[str, Sequence[str]]
"""The fields that may name a person, of each integration."""

Rates = Mapping[str, Sequence[float]]


def picture(
    groups: Sequence[Group],
    shown: int,
    now_ms: int,
    width: int,
    limit: int,
    tried: Tried,
    rates: Rates | None = None,
) -> list[str]:
    """All of it, of the first `shown` groups; `limit` is the bound on an integration's dead letters.

    `rates`: how fast the number of each group changes just now, by its number, where somebody watches.
    """
    some = groups[:shown]
    lines = [*heading(groups, now_ms, width, limit), "", *table(some, now_ms, width, tried, rates)]
    if len(groups) > len(some):
        rest = several(sum(one.count for one in groups[shown:]), "failed event")
        lines.append(f"and {rest} in {several(len(groups) - len(some), 'more group')} (--limit)")
    return [*lines, "", *steps(some[0], width)]


def heading(groups: Sequence[Group], now_ms: int, width: int, limit: int) -> list[str]:
    """How many failed, whose, since when; and how many more there is room for."""
    totals = totals_of(groups)
    number = _numbers(groups)
    if len(totals) == 1:
        whose = f"{number}, {next(iter(totals))}"
    else:
        whose = f"{number}: " + ", ".join(f"{name} {count(total)}" for name, total in totals.items())
    oldest_ms = min((one.oldest_ms for one in groups if one.oldest_ms), default=now_ms)
    since = f"since {clock(oldest_ms, now_ms)} ({short(now_ms - oldest_ms)})"
    text = f"{whose}, {since}. Others are not affected."
    fullest = max(totals, key=lambda name: totals[name])
    room = f"(room for {count(max(0, limit - totals[fullest]))} more{f' of {fullest}' if len(totals) > 1 else ''})"
    if len(text) + 2 + len(room) <= width:
        return [f"{text}  {room}"]
    return [*click.wrap_text(text, width).splitlines(), room]


def _numbers(groups: Sequence[Group]) -> str:
    """How many events failed, and of how many only the person's properties were refused."""
    told = sum(one.count for one in groups if one.reason == "properties_rejected")
    failed = sum(one.count for one in groups) - told
    refused = f"{several(told, 'event')} with refused properties" if told else ""
    return " and ".join(filter(None, [several(failed, "failed event") if failed or not told else "", refused]))


def table(groups: Sequence[Group], now_ms: int, width: int, tried: Tried, rates: Rates | None = None) -> list[str]:
    """A line a group; where the terminal is narrow, bars and times make room for what is wrong and where."""
    rows = [["#", "FAILED", "INTEGRATION", "WHAT IS WRONG", "WHERE", "LAST", f"{HOURS} H" if rates is None else "NOW"]]
    rows += [
        [
            str(one.number or "-"),
            count(one.count),
            one.integration,
            what_is_wrong(one.reason, one.field, one.status, tried.get(one.integration, ())),
            where(one.events),
            short(now_ms - one.newest_ms),
            sparkline(one.hours) if rates is None else _change(rates.get(str(one.number), (0.0,))[0]),
        ]
        for one in groups
    ]
    place = 3
    if len({one.integration for one in groups}) == 1:
        rows = [row[:2] + row[3:] for row in rows]
        place = 2
    narrow = fitted(rows, width, [place + 3, place + 2], [(place + 1, _WHERE), (place, _WHAT)])
    return columns(narrow, right=[0, 1])


def described(one: Group, now_ms: int, tried: Sequence[str]) -> list[str]:
    """One group: how many of which events, since when."""
    what = what_is_wrong(one.reason, one.field, one.status, tried)
    times = f"since {clock(one.oldest_ms, now_ms)}, the last {short(now_ms - one.newest_ms)} ago"
    rows = [[count(cause.count), cause.event or "(no event name)", cause.cause] for cause in one.causes]
    lines = columns([["FAILED", "EVENT", "CAUSE"], *rows[:_EVENTS]], right=[0])
    if len(rows) > _EVENTS:
        lines.append(f"and {several(len(rows) - _EVENTS, 'more event name')}")
    head = f"{one.number}: {_numbers([one])} of {one.integration}, {times}"
    return [head, f"   {what}", *(f"   {line}" for line in lines)]


def _change(rate: float) -> str:
    """How fast a group grows or shrinks."""
    return "=" if not rate else f"{'+' if rate > 0 else '-'}{per_s(abs(rate))}"


def steps(first: Group, width: int) -> list[str]:
    """What can be done next, with a number that is on the screen."""
    which = str(first.number) if first.number else f"--cause {first.causes[0].cause}"
    found = [
        f"Look: relay dead show {which}" if first.number else f"Look: relay dead list {which}",
        f"Try: relay dead replay {which} --dry-run",
        f'Give up: relay dead discard {which} -m "why"',
    ]
    return ["     ".join(found)] if width >= _BESIDE else found


def totals_of(groups: Sequence[Group]) -> dict[str, int]:
    """How many letters of each integration are in these groups."""
    totals: dict[str, int] = {}
    for one in groups:
        totals[one.integration] = totals.get(one.integration, 0) + one.count
    return totals


def clock(at_ms: int, now_ms: int) -> str:
    """A time of this machine's zone; the day where it is not today's."""
    form = "%H:%M" if now_ms - at_ms < _DAY_MS else "%Y-%m-%d %H:%M"
    return time.strftime(form, time.localtime(at_ms / 1000))


def short(milliseconds: int) -> str:
    """A length of time in its largest unit alone.

    >>> short(90_000), short(-3)
    ('1 min', '0 ms')
    """
    return " ".join(span(max(0, milliseconds)).split()[:2])
