"""Parts of a delivery: what it needs of the streams and of other holders, and how much it may do."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

import msgspec

from worker.delivery.judging import Gate
from worker.delivery.request import Requests
from worker.delivery.settlement import Settler
from worker.store.lane import Lane
from worker.store.settling import Following, Settlement
from worker.store.taken import InHand, Phase, Taken, Vanished


class Shelf(Protocol):
    """What delivery needs of the streams; `worker.store.stream.Streams` says what each does."""

    # ruff: noqa: D102

    def take(self, lane: Lane, token: str, count: int, *, probe: bool = ...) -> Taken | Literal["held", "busy"]: ...
    def caution(self, lane: Lane, token: str, alone: str, phase: Phase) -> None: ...
    def refused(self, lane: Lane, token: str, end: str) -> int: ...
    def renew(self, lane: Lane, token: str) -> bool: ...
    def states(self, keys: Sequence[str]) -> list[bytes | None]: ...
    def settle(
        self,
        lane: Lane,
        token: str,
        step: int,
        done: Settlement,
        more: int,
        behind: str,
        meanwhile: Callable[[], Sequence[str]] = ...,
    ) -> Following: ...
    def release(
        self, lane: Lane, token: str, cursor: str, *, keep: bool, mark: bool = ...
    ) -> Literal["lost", "more", "empty"]: ...


class Survival(Protocol):
    """What a holder needs of the others; `worker.store.holders.Holders` says what each does."""

    def surviving(self, lane: Lane, in_hand: InHand, token: str) -> AbstractContextManager[None]: ...
    def survived(self, lane: Lane, in_hand: InHand, token: str) -> None: ...
    def may_live(self, vanished: Sequence[Vanished]) -> Sequence[Vanished]: ...


class Bounds(msgspec.Struct, frozen=True):
    """How much and how long: events a batch, events a probe, seconds a task, lease and patience in seconds."""

    batch_events: int
    probe_events: int
    budget_s: float
    lease_s: float
    patience_s: float


class LeaseParts(msgspec.Struct, frozen=True):
    """What one lease is worked with. `full`: whether the dead limit is reached, after so many more burials."""

    lane: Lane
    shelf: Shelf
    requests: Requests
    settler: Settler
    gate: Gate
    holders: Survival
    bounds: Bounds
    stopping: Callable[[], bool] = lambda: False
    full: Callable[[int], bool] = lambda _: False
