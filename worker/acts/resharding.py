"""More shards: what it would move and wait for, and the growth itself, step by step, until all of it is done."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import msgspec

from worker.acts.record import Doer, record
from worker.app import Relay
from worker.errors import OperatorError
from worker.store.keys import LAYOUT_LEASE
from worker.store.lease import Lease
from worker.store.stream import script
from worker.upkeep.growing import Growing, Progress

MOST_SHARDS = 4096
_LEASE_S = 10.0
# A step may read the states of millions of people.
_PATIENCE_S = 3_600.0
_PAUSE_S = 0.5


class Growth(msgspec.Struct, frozen=True):
    """What a growth to `to` shards would do.

    `moving`: it was begun and broken off. `waiting` events of each integration are delivered before people of new
    shards are served, `held` ones when they are resumed. `jobs` end first. `stops` says why it cannot begin.
    """

    shards: int
    to: int
    moving: bool
    waiting: dict[str, int]
    held: list[str]
    letters: int
    jobs: list[str]
    processes: int
    stops: list[str]


def look_ahead(parts: Relay, to: int) -> Growth:
    """What a growth to so many shards would do; nothing is changed.

    Raises:
        OperatorError: that number cannot be reached from the present one.
    """
    parts.look_at_layout()
    layout = parts.layout
    _check_number(layout.before if layout.moving else layout.shards, to)
    if layout.moving and layout.shards != to:
        raise OperatorError(
            f"the growth to {layout.shards} shards is not done: run `relay reshard {layout.shards}` first"
        )
    alive = [one for one in parts.processes.all() if one.alive and one.role != "command"]
    older = [f"{one.role} {one.pid} on {one.host}" for one in alive if not one.shards]
    stops = [f"of an earlier release, which would go on by the former number: {name}" for name in older]
    from worker.ledger.figures import Ledger  # noqa: PLC0415 - the figures are read for the plan alone

    accounts = Ledger(parts).accounts()
    return Growth(
        layout.before if layout.moving else layout.shards,
        to,
        layout.moving,
        {one.integration: one.waiting for one in accounts},
        sorted(one.integration for one in accounts if one.hold),
        sum(parts.dead_letters.totals(parts.known_integrations()).values()),
        [job.id for job in parts.jobs.open()],
        len(alive),
        stops,
    )


def reshard(
    parts: Relay,
    growth: Growth,
    doer: Doer,
    tell: Callable[[Progress], None],
    look: Callable[[int], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Progress:
    """Have the shards grow, or go on with it; returns when every person is served where they are now.

    `tell` gets the progress of each step, `look` the number of states moved while one is under way.

    Raises:
        OperatorError: something stops it, or another process is at it.
    """
    if growth.stops:
        raise OperatorError(*growth.stops)
    about = f"{growth.shards} to {growth.to} shards"
    with _hold(parts, sleep) as lease:
        growing = Growing(parts, look)
        parts.look_at_layout()  # another one may have been at it until now
        if not parts.layout.moving:
            growing.begin(growth.to)
            record(parts.redis, doer, "reshard", about, "begun")
        found = growing.step()
        while not found.done:
            tell(found)
            sleep(_PAUSE_S)
            lease.check()
            lease.progressed()
            found = growing.step()
    result = f"done, {found.states} states and {found.letters} dead letters moved"
    record(parts.redis, doer, "reshard", about, result)
    return found


def _check_number(shards: int, to: int) -> None:
    if to <= shards or to % shards or to > MOST_SHARDS:
        some = ", ".join(str(shards * times) for times in (2, 3, 4) if shards * times <= MOST_SHARDS)
        raise OperatorError(
            f"{to} is no whole multiple of the present {shards} shards, up to {MOST_SHARDS}; each is divided into "
            f"as many parts. The next ones: {some or 'none'}"
        )


@contextmanager
def _hold(parts: Relay, sleep: Callable[[float], None]) -> Iterator[Lease]:
    """The lease on growing; that of a command that was killed is waited for."""
    token, life_ms = uuid.uuid4().hex, int(_LEASE_S * 1000)
    ends_s = time.monotonic() + 2 * _LEASE_S
    since_s = time.monotonic()
    while not parts.redis.set(LAYOUT_LEASE, token, nx=True, px=life_ms):
        if time.monotonic() > ends_s:
            raise OperatorError("another `relay reshard` is at work")
        sleep(_PAUSE_S)
        since_s = time.monotonic()
    renew = partial(parts.redis.register_script(script("renew")), keys=[LAYOUT_LEASE], args=[token, life_ms])
    with Lease(lambda: bool(renew()), _LEASE_S, _PATIENCE_S, since_s) as lease:
        yield lease
    if renew():
        parts.redis.delete(LAYOUT_LEASE)
