"""The dead letter of an event, made ready for the script that writes it."""

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from config.integrations import Identity
from worker.customerio.sender import Attempt
from worker.dead.letter import (
    ATTEMPTS_KEPT,
    EVENT_NAME_KEPT,
    Letter,
    as_text,
    cause_of,
    encode_letter,
    letter_id,
)
from worker.mapping.outcome import Dead
from worker.purchasely.event import Event
from worker.purchasely.person import shard_person
from worker.store.entry_id import received_ms
from worker.store.lane import Lane
from worker.store.settling import Burial


def bury(
    lane: Lane,
    entry_id: str,
    raw: bytes,
    event: Event | None,
    dead: Dead,
    *,
    identity: Identity,
    operations: Sequence[bytes],
    attempts: Sequence[Attempt],
    revision: str,
    failed_ms: int,
    settled: str = "",
) -> Burial:
    """The dead letter of an event, ready for the settle that writes it; `identity` is the chain of its source.

    `settled`: how the event itself was settled, if the letter is about its person's properties alone.
    """
    name = event.name[:EVENT_NAME_KEPT] if event else ""
    about: dict[str, Any] = {"reason": dead.reason, "field": dead.field, "status": dead.status, "event": name}
    letter = Letter(
        id=letter_id(lane.integration, lane.shard, entry_id),
        integration=lane.integration,
        source=lane.source,
        shard=lane.shard,
        cause=cause_of(about),
        **about,
        stage=dead.stage,
        message=dead.message,
        person=shard_person(event.payload, identity) if event else "",
        event_id=event.key if event else "",
        event_time_ms=event.time_ms if event else None,
        received_ms=received_ms(entry_id),
        failed_ms=failed_ms,
        first_failed_ms=failed_ms,
        revision=revision,
        settled=settled,
        attempts=msgspec.to_builtins(attempts[-ATTEMPTS_KEPT:]),
        operations=[body.decode() for body in operations],
        **as_text("raw", raw),
    )
    return burial(letter)


def bury_again(
    letter: Letter,
    dead: Dead,
    made: list[str],
    tried: Sequence[Attempt],
    revision: str,
    failed_ms: int,
    settled: str = "",
    job: str = "",
) -> Burial:
    """The same dead letter after a replay that failed (`job`); `made` are the operations now, `tried` the attempts.

    `settled` as for `bury`; an event that was settled before stays so, whatever a replay ends in.
    """
    about: dict[str, Any] = {**letter.about, "reason": dead.reason, "field": dead.field, "status": dead.status}
    return burial(
        msgspec.structs.replace(
            letter,
            **about,
            cause=cause_of(about),
            stage=dead.stage,
            message=dead.message,
            failed_ms=failed_ms,
            revision=revision,
            replays=letter.replays + 1,
            settled=letter.settled or settled,
            job=job,
            attempts=[*letter.attempts, *msgspec.to_builtins(tried)][-ATTEMPTS_KEPT:],
            operations=made,
        )
    )


def burial(letter: Letter) -> Burial:
    """A letter on its way into Redis."""
    about = orjson.dumps(letter.about)
    return Burial(letter.id, letter.cause, about, letter.failed_ms, encode_letter(letter), letter.settled)
