"""Edit many dead letters alike, as a job of the workers; tried on all of them first, without writing or sending."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from worker.acts.record import Doer
from worker.acts.replaying import new_job, started
from worker.app import Relay
from worker.dead.edits import Changes
from worker.dead.letter import Letter
from worker.process.wording import several
from worker.replay.job import Job
from worker.replay.survey import States, Survey, Surveyor

_CHUNK = 500


class Tried(msgspec.Struct):
    """What an edit would do: the ids it would change, letters it leaves alone, and what a replay would do then.

    `unchanged` are like that already, `unfit` it does not fit (or makes too large), `orphans` are of integrations that
    are not in the file any more.
    """

    ids: list[str] = []
    unchanged: int = 0
    unfit: int = 0
    orphans: int = 0
    survey: Survey = msgspec.field(default_factory=Survey)


def try_edit(parts: Relay, letters: Iterable[Letter], wanted: Changes, states: States | None = None) -> Tried:
    """What an edit would do to these letters; nothing is written. `states` as for `survey_letters`."""
    tried, rest = Tried(), iter(letters)
    mappers = {name: parts.mapper(known) for name, known in parts.integrations.integrations.items()}
    now_ms, suppressed = time.time_ns() // 1_000_000, parts.suppressed.people()
    surveyor = Surveyor(mappers, states or parts.streams.states, suppressed, now_ms, failing=True)
    while chunk := list(islice(rest, _CHUNK)):
        after = sorted(_edited(parts, chunk, wanted, tried), key=lambda letter: (letter.integration, letter.shard))
        tried.ids += [letter.id for letter in surveyor.pass_on(after)]
    tried.survey = surveyor.survey
    return tried


def edit_letters(parts: Relay, tried: Tried, wanted: Changes, meant: str, doer: Doer) -> Job:
    """Change the letters that were tried. The originals are kept, and no letter is replayed by that."""
    names = sorted(tried.survey.integrations)
    job = new_job("edits", doer, meant, names, len(tried.ids), rate=0)
    job.edit = msgspec.json.encode(wanted).decode()
    parts.jobs.start(job, tried.ids)
    return started(
        parts, job, "dead edit", doer, f"{several(len(tried.ids), 'letter')}, changed in {', '.join(wanted.paths)}"
    )


def _edited(parts: Relay, letters: Iterable[Letter], wanted: Changes, tried: Tried) -> Iterator[Letter]:
    """The letters as they would be, those that would be left alone counted."""
    editors = {name: parts.serving.editor(one, wanted) for name, one in parts.integrations.integrations.items()}
    for letter in letters:
        editor = editors.get(letter.integration)
        after = editor.edited(letter) if editor else "gone"
        if isinstance(after, Letter):
            yield after
        elif editor is None:
            tried.orphans += 1
        elif after == "unchanged":
            tried.unchanged += 1
        else:
            tried.unfit += 1
