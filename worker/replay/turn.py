"""A job's turn on one lane: read dead letters, map them again, send, settle.

A turn is short, one request, and takes the lane's own lease, so that live events and replays never write a person's
state side by side. The mapping is that of live events with the person's state as it is now: an old event adds to it and
reverts nothing. A letter that kills its worker is found as delivery finds such events: by smaller turns.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, Protocol

import msgspec

from worker.dead.burying import bury_again
from worker.dead.letter import Letter, event_of
from worker.delivery.judging import Gate, Request, hold
from worker.delivery.parting import parted
from worker.delivery.parts import Bounds, Survival
from worker.delivery.poison import crashed_worker, deciding, is_certain
from worker.delivery.request import Requests
from worker.delivery.settlement import settled_as, trail_change
from worker.errors import LeaseLostError, StoppedError, UnknownStateError
from worker.mapping.decision import Decision, again
from worker.mapping.outcome import Dead
from worker.process.eventlog import EventLog
from worker.process.instance import new_token
from worker.replay.letter_lanes import Became, Turn
from worker.store.lane import Lane
from worker.store.lease import Lease
from worker.store.taken import Phase

log = EventLog(__name__)

# Most letters of a turn: one request, so live events that arrive meanwhile wait for one request at most.
TURN_LETTERS = 100

Outcome = tuple[str, Letter | None, Became]


class Letters(Protocol):
    """What a replay needs of a lane's letters; `worker.replay.letter_lanes.LetterLanes` says what each does."""

    # ruff: noqa: D102

    def take(
        self, lane: Lane, job_id: str, token: str, most: int, *, overtake: bool
    ) -> Turn | Literal["empty", "busy", "live"]: ...
    def caution(self, lane: Lane, token: str, phase: Phase) -> None: ...
    def settle(
        self,
        lane: Lane,
        job_id: str,
        token: str,
        outcomes: Sequence[Outcome],
        people: Mapping[str, bytes],
        search: int,
        change: bytes = ...,
    ) -> bool: ...


class Ended(msgspec.Struct, frozen=True):
    """How a turn ended; how many letters it sent or judged; whether live events wait for a wake-up."""

    how: Literal["settled", "empty", "held", "busy", "live", "stopped", "shadow"]
    letters: int = 0
    wake: bool = False


class Replay:
    """Turns of one job on one lane."""

    def __init__(
        self,
        lane: Lane,
        job_id: str,
        letters: Letters,
        requests: Requests,
        gate: Gate,
        renew: Callable[[str], bool],
        holders: Survival,
        bounds: Bounds,
    ) -> None:
        self._lane = lane
        self._job_id = job_id
        self._letters = letters
        self._requests = requests
        self._gate = gate
        self._renew = renew  # prolongs the lane's lease, and the claim on the job with it
        self._holders = holders
        self._bounds = bounds

    def turn(self, most: int, *, overtake: bool = False, probe: bool = False) -> Ended:
        """Try up to `most` letters; `probe` tries a few, once, to see whether a held integration may be resumed."""
        if self._requests.in_shadow:
            return Ended("shadow")  # what is replayed is meant to be sent: it waits for `send = true`
        token = new_token()
        try:
            with self._holders.surviving(self._lane, "inhand", token):
                return self._turn(token, most, overtake=overtake, probe=probe)
        except LeaseLostError:
            log.warning("lease_lost", integration=self._lane.integration, shard=self._lane.shard)
            return Ended("busy")

    def _turn(self, token: str, most: int, *, overtake: bool, probe: bool) -> Ended:
        most = min(most, self._bounds.probe_events) if probe else most
        since_s = time.monotonic()
        turn = self._letters.take(self._lane, self._job_id, token, most, overtake=overtake)
        if not isinstance(turn, Turn):
            return Ended(turn)
        try:
            with Lease(lambda: self._renew(token), self._bounds.lease_s, self._bounds.patience_s, since_s) as lease:
                return self._serve(turn, token, lease, probe=probe)
        except StoppedError:
            # What is in flight is abandoned unsettled: sent again by the next turn, it has no second effect.
            return self._settle("stopped", token, [], {}, turn.search)
        except UnknownStateError as error:
            self._gate.hold("unknown_state", status=0, message=f"shard {self._lane.shard}: {error}", probe=probe)
            return self._settle("held", token, [], {}, turn.search)

    def _serve(self, turn: Turn, token: str, lease: Lease, *, probe: bool) -> Ended:
        present = [letter for letter in turn.letters.values() if letter is not None]
        certain = is_certain(turn.mapping, turn.sending, turn.vanished, self._holders.may_live)
        if present and certain is None:
            log.info("crashes_uncertain", integration=self._lane.integration, shard=self._lane.shard)
            return self._settle("busy", token, [], {}, turn.search)  # who lives will say so
        gone: list[Outcome] = [(dead_id, None, None) for dead_id, letter in turn.letters.items() if letter is None]
        with deciding(self._bounds.lease_s, cautious=turn.deaths > 0):
            self._note(turn, token, "mapping")
            request = self._requests.compose(self._decide(present, turn, poison=bool(certain)))
            self._note(turn, token, "sending")
        present = present[: request.events]
        if request.composed.operations:
            self._requests.send(request, lease, once=probe)
            self._requests.trace(request, present)
            if request.refused_alone:
                request = parted(self._requests, request, lease)
        judged = request.judge()
        if judged == "hold":
            hold(self._gate, request, lease, probe=probe)
            return self._settle("held", token, gone, {}, turn.search)
        if judged == "split":
            return self._settle("settled", token, gone, {}, request.events // 2)
        if probe and request.answer is not None:
            self._gate.resume()
        search = min(TURN_LETTERS, turn.search * 2) % TURN_LETTERS  # whether it was found or not, turns grow again
        outcomes = gone + self._outcomes(present, request)
        people = self._requests.keyed(request.composed.people)
        return self._settle("settled", token, outcomes, people, search, request)

    def _note(self, turn: Turn, token: str, phase: Phase) -> None:
        """Note what a letter that is tried alone goes through, so that the next process knows if it kills this one."""
        if turn.alone:
            self._letters.caution(self._lane, token, phase)

    def _decide(self, letters: Sequence[Letter], turn: Turn, *, poison: bool) -> list[Decision]:
        if turn.deaths:
            log.warning(
                "replay_with_crashes",
                integration=self._lane.integration,
                shard=self._lane.shard,
                crashes=turn.deaths,
                letters=len(letters),
            )
        if letters and poison:
            return [crashed_worker(turn.deaths, turn.mapping + turn.sending)]
        decisions = self._requests.decide_each([partial(event_of, letter) for letter in letters])
        return [again(one) if letter.settled else one for letter, one in zip(letters, decisions, strict=True)]

    def _outcomes(self, letters: Sequence[Letter], request: Request) -> list[Outcome]:
        now_ms = time.time_ns() // 1_000_000
        found: list[Outcome] = []
        again: dict[tuple[str, int], list[str]] = {}
        for position, (letter, outcome) in enumerate(zip(letters, request.composed.outcomes, strict=True)):
            if isinstance(outcome, Dead):
                dead, settled = outcome, ""
            elif (refused := request.composed.refused.get(position)) is not None:
                dead, settled = refused, settled_as(outcome)
            else:
                found.append((letter.id, letter, outcome))
                continue
            again.setdefault((dead.reason, dead.status), []).append(letter.id)
            made = [body.decode() for body in request.made_of(position)]
            tried = request.attempts if dead.stage == "send" else []
            burial = bury_again(letter, dead, made, tried, self._requests.revision, now_ms, settled, self._job_id)
            found.append((letter.id, letter, burial))
        for (reason, status), ids in again.items():
            log.info(
                "letters_buried_again", job=self._job_id, reason=reason, status=status, letters=len(ids), id=ids[0]
            )
        return found

    def _settle(
        self,
        how: Literal["settled", "held", "stopped", "busy"],
        token: str,
        outcomes: Sequence[Outcome],
        people: Mapping[str, bytes],
        search: int,
        request: Request | None = None,
    ) -> Ended:
        change = trail_change(request, self._requests.number, self._job_id)
        wake = self._letters.settle(self._lane, self._job_id, token, outcomes, people, search, change)
        return Ended(how, request.events if request else 0, wake)
