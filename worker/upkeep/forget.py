"""Forget a person: their events leave the streams and the dead letters, what was known of them is deleted."""

import time
from collections.abc import Callable, Iterable

import msgspec

from worker.app import Relay
from worker.mapping.identity import state_name
from worker.purchasely.person import plain_name
from worker.store.archive_state import ArchiveRecord
from worker.store.keys import person_key
from worker.store.lane import Lane
from worker.store.layout import refuse_while_moving
from worker.upkeep.forget_archive import forget_archived
from worker.upkeep.forget_entries import Removed, forget_entries, person_fields, streams
from worker.upkeep.forget_states import clear_states, find_states
from worker.upkeep.lane_leases import hold_lanes


class Left(msgspec.Struct, frozen=True):
    """Something that still names the person, how often, and why it was left and what ends it."""

    what: str
    count: int
    why: str


class Forgotten(msgspec.Struct):
    """What was removed: stream entries, those among them that still waited, dead letters, states of people.

    `mentions` are settled events of other people that named this one, removed too; `cleared` are other people's states
    that the name was taken out of; `archived` are events of the archive.
    """

    entries: int = 0
    waiting: int = 0
    dead_letters: int = 0
    states: int = 0
    mentions: int = 0
    cleared: int = 0
    archived: int = 0
    left: list[Left] = []


def forget(parts: Relay, person: str, sleep: Callable[[float], None] = time.sleep) -> Forgotten:
    """Remove whatever names the person, on all shards and for all integrations.

    Their e-mail, anonymous and user ids found together in one event count as one person only for that event: to forget
    an anonymous past as well, forget the anonymous id too. Events of other people that name this one (transfers) go
    once every integration is past them; those that wait are theirs, and left.

    Raises:
        ArchiveError: everything else is done; the archive does not answer.
        OperatorError: a lane stayed busy; running it again goes on where this ended. Or people are on their way to new
            shards.
    """
    refuse_while_moving(parts.redis)
    removed, gone = Forgotten(), Removed()
    name = plain_name(person)
    digests = {state_name("id", person), state_name("email", person)}
    for stream in streams(parts):
        with hold_lanes(parts, stream.lanes, sleep) as leases:
            forget_entries(parts, stream, leases, name, digests, gone)
            # while nobody else has a state in hand that it would write back
            _forget_states(parts, [stream.shard], digests, removed)
    # ids that were only found on a later shard
    _forget_states(parts, range(parts.settings.shards), digests, removed)
    removed.entries, removed.waiting, removed.mentions = gone.entries, gone.waiting, gone.mentions
    unreadable = _forget_known(parts, name, removed, sleep)
    letters = 0
    for integration in parts.known_integrations():
        removed.dead_letters += parts.dead_changes.forget(integration, name, person_fields(parts))
        letters += parts.dead_changes.mentioning(integration, name)
    parts.jobs.forget(name)
    removed.left = _left(parts, name, gone.left, letters, unreadable)
    if parts.archive is not None:  # last: what is archived meanwhile has left the streams before
        removed.archived = forget_archived(parts, parts.archive, name, person_fields(parts), sleep)
    return removed


def _left(parts: Relay, name: str, waiting: int, letters: int, unreadable: int) -> list[Left]:
    """What still names the person."""
    listed = int(name in parts.suppressed.people())
    elsewhere = ArchiveRecord(parts.redis).read().files if parts.archive is None else 0
    found = [
        Left(
            "files of an archive",
            elsewhere,
            "RELAY_ARCHIVE_URL is not set here, so they were not looked at; set it and run this again",
        ),
        Left(
            "events of other people that wait and name the person in a transfer",
            waiting,
            "they have yet to be delivered; run this again then, or let the retention time pass",
        ),
        Left(
            "dead letters of other people that name the person in a transfer",
            letters,
            "they are the others' events; replay or discard them (relay dead), then run this again",
        ),
        Left(
            "states that this release cannot read",
            unreadable,
            "run this again with the newer release that wrote them, or after `relay resume NAME --rebuild` if damaged",
        ),
        Left("entry of the suppression list", listed, "it keeps them from being sent; `relay suppress remove` ends it"),
    ]
    return [one for one in found if one.count]


def _forget_states(parts: Relay, shards: Iterable[int], digests: set[str], removed: Forgotten) -> None:
    """Delete the states that the person's events lead to."""
    pipe = parts.redis.pipeline(transaction=False)
    for shard in shards:
        for integration in parts.integrations.integrations:
            for known in digests:
                pipe.delete(person_key(shard, integration, known))
    removed.states += sum(pipe.execute())


def _forget_known(parts: Relay, name: str, removed: Forgotten, sleep: Callable[[float], None]) -> int:
    """Delete and clear the states that say the person's name themselves; how many cannot be read."""
    found = find_states(parts.redis, name)
    for (integration, shard), keys in found.keys.items():
        known = parts.integrations.integrations.get(integration)
        # nobody serves an integration that is not configured any more
        lanes = [Lane(known.source, integration, shard)] if known else []
        with hold_lanes(parts, lanes, sleep):
            deleted, cleared = clear_states(parts.redis, sorted(keys), name)
        removed.states += deleted
        removed.cleared += cleared
    return found.unreadable
