"""Plan of a replay of dead letters, in lines: outcomes that add up, then remarks."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import click

from worker.cli.columns import wrapped
from worker.cli.printing import count, several
from worker.dead.advice import refused_part, remedy, what_is_wrong

if TYPE_CHECKING:
    from worker.replay.survey import Survey
    from worker.store.holds import Hold

_LEAST = 40

Which = Callable[[str], str]


def plan(survey: "Survey", chosen: int, holds: "Mapping[str, Hold]", which: Which, width: int) -> list[str]:
    """What a replay would do with `chosen` letters; `holds` are the integrations' own.

    `which` says of a reason how another command takes the letters that have it.
    """
    lines = [
        f"{name} is not in the integrations file any more: its {several(number, 'letter')} cannot be replayed"
        for name, number in survey.orphans.items()
    ]
    if survey.matched:
        lines += [_heading(survey), *wrapped(_outcomes(survey, which), max(_LEAST, width), right=[1])]
        remarks = " ".join(_remarks(survey, holds))
        lines += click.wrap_text(f"Note: {remarks}", width, "", "  ").splitlines() if remarks else []
    if not chosen:
        lines.append("Nothing to replay." + (" (--include-failing to try anyway)" if survey.again else ""))
    return lines


def _heading(survey: "Survey") -> str:
    number, people = several(survey.matched, "failed event"), several(survey.people, "person", "people")
    if len(survey.integrations) == 1:
        return f"{number} of {next(iter(survey.integrations))}, {people}"
    return f"{number} ({', '.join(f'{name} {count(each)}' for name, each in survey.integrations.items())}), {people}"


def _outcomes(survey: "Survey", which: Which) -> list[list[str]]:
    """What would become of the letters: every letter in one row."""
    rows = [
        (survey.sent, "would pass", ""),
        (survey.unsure, "may pass", "something has changed, and Customer.io did not say which part it refused"),
        (survey.unknown, "not tried here", "they crashed their worker"),
    ]
    for refused, number in survey.refused.items():
        reason, _, field = refused.partition(":")
        why = f"refused by Customer.io as before ({refused_part(field).removeprefix('the ')})"
        rows.append((number, "would fail again", f"{why}; {remedy(reason, field, which(reason))}"))
    for wrong, number in survey.fields.items():
        reason, _, field = wrong.partition(":")
        cure = remedy(reason, field, which(reason))
        rows.append((number, "would fail again", f"{what_is_wrong(reason, field, 0)}; {cure}"))
    rows += [(number, "would be filtered", reason) for reason, number in survey.filtered.items()]
    return [[f"  {what}", count(number), why] for number, what, why in rows if number or what == "would pass"]


def _remarks(survey: "Survey", holds: "Mapping[str, Hold]") -> Iterator[str]:
    if survey.late:
        late = "all" if survey.late == survey.matched else count(survey.late)
        yield f"{late} {'is' if survey.late == 1 else 'are'} older than 72 h: no campaign starts."
    if survey.newer:
        have, people = ("has", "person") if survey.newer == 1 else ("have", "people")
        yield f"{count(survey.newer)} {people} {have} newer updates: their properties stay."
    for name, hold in holds.items():
        waits = "replaying goes on all the same" if hold.kind == "dead_limit" else "the job waits for its resume"
        yield f"{name} is held ({hold.kind}): {waits}."
