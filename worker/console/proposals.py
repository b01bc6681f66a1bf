"""Proposals that may solve a group of failures, each tried on its letters without writing or sending anything."""

from collections.abc import Iterable
from dataclasses import dataclass

from config.errors import ConfigError
from worker.acts.editing import Tried, try_edit
from worker.acts.replaying import survey_letters
from worker.app import Relay
from worker.console.drafting import read_draft
from worker.console.editing import Edited, edit
from worker.console.form import form_of
from worker.console.rows import Fields
from worker.dead.advice import what_is_wrong
from worker.dead.edits import Changes, read_value
from worker.dead.letter import Letter
from worker.errors import OperatorError
from worker.history.sentences import NOT_SENT
from worker.replay.survey import States, Survey


@dataclass(frozen=True, slots=True)
class Proposal:
    """One way to solve it: what the letters would come to then, or why it cannot be tried."""

    survey: Survey | None = None
    wrong: str = ""
    changed: int = 0


def _no_seal(_: str) -> str:
    raise OperatorError("no secret is set here")


def rename(text: str, integration: str, code: str, name: str) -> Edited:
    """The text with an event sent under another name; an empty name switches the event off."""
    form = form_of(text, integration)
    fields: dict[str, list[str]] = {f"events.{code}.name": [name]}
    if name:
        fields[f"events.{code}.on"] = ["on"]
    if form.all_events:
        fields["events.all"] = ["on"]
    posted: Fields = fields
    return edit(text, integration, "events", posted, _no_seal)


def try_text(parts: Relay, letters: Iterable[Letter], edited: Edited, states: States | None = None) -> Proposal:
    """What a replay would do under another configuration."""
    if edited.errors:
        return Proposal(wrong=next(iter(edited.errors.values())))
    try:
        config = read_draft(parts, edited.text)
    except ConfigError as error:
        return Proposal(wrong=str(error))
    survey, _ = survey_letters(parts, letters, config=config, states=states)
    return Proposal(survey)


def changes_of(path: str, value: str) -> Changes:
    """An edit of one field: set to a value, or removed when the value is empty.

    Raises:
        ValueError: the value is no JSON and no text.
    """
    return Changes(settings=((path, read_value(value)),)) if value else Changes(removals=(path,))


def try_field(
    parts: Relay, letters: Iterable[Letter], path: str, value: str, states: States | None = None
) -> tuple[Proposal, Tried | None]:
    """What a replay would do once a field of every letter is set, or removed."""
    try:
        tried = try_edit(parts, letters, changes_of(path, value), states)
    except ValueError as error:
        return Proposal(wrong=str(error)), None
    return Proposal(tried.survey, "", len(tried.ids)), tried


def outcomes(survey: Survey) -> list[tuple[int, str, str]]:
    """What would become of the letters now: how many, what, why; every letter in one row."""
    rows = [
        (survey.sent, "would pass", ""),
        (survey.unsure, "may pass", "something has changed, and Customer.io did not say which part it refused"),
        (survey.unknown, "not tried here", "they crashed their worker"),
        (survey.same, "would be refused again", "what Customer.io refused has not changed"),
        *((number, "would fail again", _wrong(cause)) for cause, number in survey.fields.items()),
        *((number, "would be filtered", NOT_SENT.get(why, why)) for why, number in survey.filtered.items()),
        *(
            (number, "cannot be replayed", f"{name} is no integration any more")
            for name, number in survey.orphans.items()
        ),
    ]
    return [row for row in rows if row[0] or row[1] == "would pass"]


def _wrong(cause: str) -> str:
    """What is wrong, of a reason and a field."""
    reason, _, field = cause.partition(":")
    return what_is_wrong(reason, field, 0)
