"""Next steps of a failure that is being solved: what its newest job came to, and what is left to replay after that."""

import msgspec

from worker.acts.replaying import survey_letters
from worker.app import Relay
from worker.console.failures import title
from worker.dead.filters import Filter
from worker.dead.groups import Group
from worker.dead.letter import Letter
from worker.dead.letters import arrival
from worker.replay.job import Job

# So many letters are tried for a page; what is started later tries them all.
TRIED = 500


class Left(msgspec.Struct, frozen=True):
    """The failure that a job was about: what is wrong, how many are failed still, and how many of them would be sent.

    `others` None: there are more than were tried.
    """

    number: int
    title: str
    count: int
    others: int | None


def newest(parts: Relay, one: Group, most: int = TRIED) -> list[Letter]:
    """The letters of a group that failed last, by lane and in order of arrival there."""
    letters, _ = parts.dead_letters.page([one.integration], one.narrow(Filter()), most)
    return sorted(letters, key=lambda letter: (letter.shard, arrival(letter.id)))


def left_of(parts: Relay, job: Job) -> Left | None:
    """What is left of the failure that a job was about; None: it was about something else, or goes on."""
    if job.state != "done" or job.kind not in {"letters", "edits"}:
        return None
    known = [one for one in parts.dead_groups.numbered().values() if meant(one) == job.filter]
    if not known:
        return None
    found = parts.dead_letters.causes.list([known[0].integration], known[0].narrow(Filter()))
    count = sum(cause.count for cause in found)
    others = None
    if count <= TRIED:
        survey, _ = survey_letters(parts, newest(parts, known[0]))
        others = survey.matched - survey.again
    return Left(known[0].number, title(parts, known[0]), count, others)


def meant(one: Group) -> str:
    """A group as its jobs and their record name it."""
    return one.narrow(Filter()).text()
