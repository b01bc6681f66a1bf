"""Replay: dead letters, retained events or people's properties again, as jobs of the workers; pause, resume, abort."""

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from config.integrations import Integration, Integrations
from worker.acts.named import named_integration
from worker.acts.record import Doer, record
from worker.app import Relay
from worker.dead.fates import Fates
from worker.dead.letter import Letter
from worker.errors import OperatorError
from worker.history.archive import ArchivedFates, ArchivedScan
from worker.history.backfill import Backfill, Plan, Wanted
from worker.history.find import Found
from worker.history.people import Known
from worker.history.scan import Scan, Span
from worker.history.sentences import NOT_SENT
from worker.process.wording import several
from worker.replay.job import Job, JobKind, JobState
from worker.replay.survey import States, Survey, Surveyor
from worker.store.archive import Archive
from worker.store.lane import Lane

_PREFIXES: Final[dict[JobKind, str]] = {"letters": "replay", "events": "replay", "people": "resync", "edits": "edit"}
_VERBS: Final[dict[JobState, str]] = {"paused": "pause", "running": "resume", "aborted": "abort"}


class Chosen(msgspec.Struct, frozen=True):
    """What a job is to do: the ids of letters (or entries) it sends, those of the archive with their bytes."""

    ids: list[str]
    carried: dict[str, bytes] = {}


def refuse_in_shadow(integration: Integration) -> None:
    """Refuse to start a job that could send nothing.

    Raises:
        OperatorError: the integration is in shadow.
    """
    if not integration.send:
        raise OperatorError(f"{integration.name} is in shadow and sends nothing; first put send = true in force")


def look_back(parts: Relay, name: str, wanted: Wanted, archived: Archive | None = None) -> tuple[Backfill, Chosen]:
    """What a replay of retained events into an integration would do: its plan is in the first.

    Raises:
        OperatorError: there is no such integration, or it is in shadow.
    """
    known = named_integration(parts, name)
    refuse_in_shadow(known)
    scan, fates = Scan(parts.redis), Fates(parts.redis)
    if archived is not None:
        scan = archived_scan = ArchivedScan(parts.redis, archived)
        fates = ArchivedFates(parts.redis, archived_scan)
    work = Backfill(scan, fates, parts.mapper(known), parts.suppressed.people(), wanted, parts.layout)
    ids = list(work.chosen(lane for lane in parts.lanes() if lane.integration == name))
    return work, Chosen(ids, work.carried)


def replay_events(parts: Relay, name: str, chosen: Chosen, meant: str, rate: float, doer: Doer) -> Job:
    """Send retained events into an integration again."""
    job = new_job("events", doer, meant, [name], len(chosen.ids), rate)
    parts.jobs.start(job, chosen.ids, chosen.carried)
    return started(parts, job, "replay", doer, several(len(chosen.ids), "event"))


class One(msgspec.Struct, frozen=True):
    """One event that is to be sent into an integration again, and what that would do; `off_too`: although it is off."""

    plan: Plan
    chosen: Chosen
    off_too: bool


def look_at_one(parts: Relay, name: str, found: Found) -> One:
    """What sending one retained event into an integration would do, whatever became of it.

    An event that the filter has off is sent as well, under its code: somebody chose just this one.

    Raises:
        OperatorError: there is no such integration of its source, it is in shadow, or the event would not be sent.
    """
    known = parts.integrations.integrations.get(name)
    if known is None or known.source != found.source:
        there = ", ".join(one.name for one in parts.integrations.of_source(found.source)) or "none"
        raise OperatorError(f"no integration {name!r} takes this event; there are: {there}")
    refuse_in_shadow(known)
    received_ms = found.event.received_ms
    wanted = Wanted(Span(received_ms, received_ms), only="all", entry=found.entry_id)
    lane, silent = Lane(found.source, name, found.shard), parts.suppressed.people()
    for off_too in (False, True):
        mapper = parts.mapper(known.with_every_event() if off_too else known)
        work = Backfill(Scan(parts.redis), Fates(parts.redis), mapper, silent, wanted, parts.layout)
        chosen = Chosen(list(work.chosen([lane])), work.carried)
        if "event_off" not in work.plan.filtered:
            break
    plan = work.plan
    if plan.waiting:
        raise OperatorError(f"this event waits for {name}, and is delivered by itself")
    if not plan.would_send:
        why = ", ".join(NOT_SENT.get(reason, reason) for reason in (*plan.filtered, *plan.failing))
        raise OperatorError(f"{name} would not send this event: {why or 'it is not kept any more'}")
    return One(plan, chosen, off_too)


def send_one(parts: Relay, name: str, one: One, doer: Doer) -> Job:
    """Send that event into the integration again."""
    meant = f"--integration {name} (one event{', which is off' if one.off_too else ''})"
    job = new_job("events", doer, meant, [name], 1, 0)
    job.off_too = int(one.off_too)
    parts.jobs.start(job, one.chosen.ids, one.chosen.carried)
    return started(parts, job, "replay", doer, "1 event")


def survey_letters(
    parts: Relay,
    letters: Iterable[Letter],
    *,
    fixed: bool = False,
    failing: bool = False,
    config: Integrations | None = None,
    states: States | None = None,
) -> tuple[Survey, Chosen]:
    """What a replay of dead letters would do, and which of them it would try; nothing is sent.

    `config`: as if that were in force. `states` reads people's states, where somebody has read them before.
    """
    known = (config or parts.integrations).integrations
    mappers = {name: parts.mapper(one) for name, one in known.items()}
    now_ms, suppressed = time.time_ns() // 1_000_000, parts.suppressed.people()
    surveyor = Surveyor(mappers, states or parts.streams.states, suppressed, now_ms, fixed=fixed, failing=failing)
    ids = [letter.id for letter in surveyor.pass_on(letters)]
    return surveyor.survey, Chosen(ids)


def replay_letters(parts: Relay, survey: Survey, chosen: Chosen, meant: str, rate: float, doer: Doer) -> Job:
    """Send dead letters again, those that a survey chose."""
    job = new_job("letters", doer, meant, sorted(survey.integrations), len(chosen.ids), rate)
    parts.jobs.start(job, chosen.ids)
    return started(parts, job, "dead replay", doer, several(len(chosen.ids), "letter"))


def resync(parts: Relay, name: str, known: Known, meant: str, rate: float, doer: Doer) -> Job:
    """Send the properties of known people to an integration again."""
    job = new_job("people", doer, meant, [name], known.people, rate)
    lanes: Mapping[tuple[str, int], Sequence[str]] = {(name, shard): found for shard, found in known.digests.items()}
    parts.jobs.start_on(job, lanes)
    return started(parts, job, "resync", doer, several(known.people, "person", "people"))


def move_job(parts: Relay, job_id: str, state: JobState, doer: Doer) -> JobState | None:
    """Pause, resume or abort a job; the state it is in then, None: there is no such job."""
    from worker.tasks import wake_job  # noqa: PLC0415 - makes Celery's application

    now = parts.jobs.move(job_id, state)
    if now == state != "paused":
        wake_job(parts.claims, job_id)
    record(parts.redis, doer, f"jobs {_VERBS[state]}", f"job {job_id}", f"is {now}")
    return now


def new_job(kind: JobKind, doer: Doer, meant: str, names: list[str], number: int, rate: float) -> Job:
    """A job of one kind that is not started yet; `meant` says for the record what it is about."""
    return Job(
        id=f"{_PREFIXES[kind]}-{uuid.uuid4().hex[:6]}",
        by=doer.by,
        filter=meant,
        integrations=names,
        created_ms=time.time_ns() // 1_000_000,
        rate=rate,
        matched=number,
        left=number,
        kind=kind,
    )


def started(parts: Relay, job: Job, what: str, doer: Doer, number: str) -> Job:
    """Have a worker take up a job that is stored, and keep who asked for it."""
    from worker.tasks import wake_job  # noqa: PLC0415 - makes Celery's application

    wake_job(parts.claims, job.id)
    record(parts.redis, doer, what, job.filter, f"{number}, job {job.id}")
    return job
