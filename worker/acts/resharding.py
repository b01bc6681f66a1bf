"""More shards: what it would move and wait for, and the growth itself, step by step, until all of it is done."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import msgspec
from redis.exceptions import ReadOnlyError

from worker.acts.record import Doer, record
from worker.app import Relay
from worker.errors import LeaseLostError, OperatorError
from worker.store.keys import LAYOUT_LEASE
from worker.store.lease import Lease
from worker.store.scripts import script
from worker.store.spread import ELSEWHERE
from worker.upkeep.growing import Growing, Progress

MOST_SHARDS = 4096
_LEASE_S = 10.0
# A step may read the states of millions of people.
_PATIENCE_S = 3_600.0
_PAUSE_S = 0.5
# A fail-over, or a restart with the files of a day, is waited for so long.
_AWAY_S = 120.0
_AWAY = (*ELSEWHERE, ReadOnlyError, LeaseLostError, OSError)


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
    growing, token = Growing(parts, look), uuid.uuid4().hex
    away_since_s = None
    while True:
        try:
            with alone(parts, token, sleep) as lease:
                for found in _steps(parts, growing, growth, doer):
                    away_since_s = None
                    if found.done:
                        return found
                    tell(found)
                    sleep(_PAUSE_S)
                    lease.check()
                    lease.progressed()
        except _AWAY as fault:
            away_since_s = away_since_s or time.monotonic()
            if time.monotonic() - away_since_s > _AWAY_S:
                raise
            tell(Progress(away=type(fault).__name__))
            sleep(_PAUSE_S)


def _steps(parts: Relay, growing: Growing, growth: Growth, doer: Doer) -> Iterator[Progress]:
    """Step by step to the last one, from whatever is there: a server that took over may know nothing of it yet."""
    about = f"{growth.shards} to {growth.to} shards"
    while True:
        parts.look_at_layout()
        if not parts.layout.moving and parts.layout.shards != growth.to:
            _check_number(parts.layout.shards, growth.to)
            record(parts.redis, doer, "reshard", about, "begun")
            growing.begin(growth.to)
        found = growing.step()
        if found.done:
            here = " in this run" if growth.moving else ""
            result = f"done, {found.states} states and {found.letters} dead letters moved{here}"
            record(parts.redis, doer, "reshard", about, result)
        yield found


def _check_number(shards: int, to: int) -> None:
    if to <= shards or to % shards or to > MOST_SHARDS:
        some = ", ".join(str(shards * times) for times in (2, 3, 4) if shards * times <= MOST_SHARDS)
        raise OperatorError(
            f"{to} is no whole multiple of the present {shards} shards, up to {MOST_SHARDS}; each is divided into "
            f"as many parts. The next ones: {some or 'none'}"
        )


@contextmanager
def alone(parts: Relay, token: str, sleep: Callable[[float], None]) -> Iterator[Lease]:
    """The lease on growing; that of a command that was killed is waited for, one's own is taken up again.

    Raises:
        OperatorError: another process is at it.
    """
    life_ms = int(_LEASE_S * 1000)
    ends_s = time.monotonic() + 2 * _LEASE_S
    since_s = time.monotonic()
    renew = partial(parts.redis.register_script(script("renew")), keys=[LAYOUT_LEASE], args=[token, life_ms])
    while not parts.redis.set(LAYOUT_LEASE, token, nx=True, px=life_ms) and not renew():
        if time.monotonic() > ends_s:
            raise OperatorError(
                "a `relay reshard` is at work: wait for it, or end it (Ctrl-C) and run it again afterwards; "
                "it goes on where it ended"
            )
        sleep(_PAUSE_S)
        since_s = time.monotonic()
    with Lease(lambda: bool(renew()), _LEASE_S, _PATIENCE_S, since_s) as lease:
        yield lease
    if renew():
        parts.redis.delete(LAYOUT_LEASE)
