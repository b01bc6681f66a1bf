"""A job's turn on one lane: read dead letters, map them anew, send, settle.

A turn is short, one request, and takes the lane's own lease, so that live events and replays never write a person's
state side by side. The mapping is that of live events with the person's state as it is now: an old event joins what is
known and takes nothing back. A letter that kills its worker is found as delivery finds such events: by smaller turns.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from worker.customerio.sender import Attempt
from worker.customerio.track_api import Answer
from worker.customerio.verdict import Verdict, verdict
from worker.dead.burying import bury_again
from worker.dead.letter import Letter
from worker.delivery.lease_run import Bounds, hold_kind, name_refused
from worker.errors import LeaseLostError, StoppedError
from worker.mapping.batching import fits, request_body
from worker.mapping.mapper import Composed, Decision, Mapper
from worker.mapping.outcome import Dead
from worker.replay.judgement import decide
from worker.replay.letter_lanes import Became, Turn
from worker.store.keys import person_key
from worker.store.lease import Lease
from worker.store.stream import Lane

log = logging.getLogger(__name__)

# Most letters of a turn: one request, and live events that come meanwhile wait no longer than for one.
TURN_LETTERS = 100
_TRIALS_ALONE = 2

Outcome = tuple[str, Letter | None, Became]


class Shelf(Protocol):
    """What a replay needs of the streams."""

    # ruff: noqa: D102

    def renew(self, lane: Lane, token: str) -> bool: ...
    def states(self, keys: Sequence[str]) -> list[bytes | None]: ...


class Letters(Protocol):
    """What a replay needs of a lane's letters; `worker.replay.letter_lanes.LetterLanes` says what each does."""

    def take(
        self, lane: Lane, job_id: str, token: str, most: int, *, overtake: bool
    ) -> Turn | Literal["empty", "busy", "live"]: ...
    def settle(
        self,
        lane: Lane,
        job_id: str,
        token: str,
        outcomes: Sequence[Outcome],
        people: Mapping[str, bytes],
        search: int,
    ) -> bool: ...


class Post(Protocol):
    """What a replay needs of the sender."""

    def send(self, body: bytes, before: Callable[[], None], *, once: bool = ...) -> tuple[Answer, list[Attempt]]: ...


class Ended(msgspec.Struct, frozen=True):
    """How a turn ended; how many letters it sent or judged; whether live events wait for a wake-up."""

    how: Literal["settled", "empty", "held", "busy", "live", "stopped"]
    letters: int = 0
    wake: bool = False


class Replay:
    """Turns of one job on one lane."""

    def __init__(
        self,
        lane: Lane,
        job_id: str,
        mapper: Mapper,
        letters: Letters,
        shelf: Shelf,
        post: Post,
        hold: Callable[..., None],
        resume: Callable[[], None],
        renew_job: Callable[[], None],
        bounds: Bounds,
        stopping: Callable[[], bool],
    ) -> None:
        self._lane = lane
        self._job_id = job_id
        self._mapper = mapper
        self._letters = letters
        self._shelf = shelf
        self._post = post
        self._hold = hold
        self._resume = resume
        self._renew_job = renew_job
        self._bounds = bounds
        self._stopping = stopping

    def turn(self, most: int, *, overtake: bool = False, probe: bool = False) -> Ended:
        """Try up to `most` letters; `probe` tries a few, once, to see whether a held integration may be resumed."""
        token = uuid.uuid4().hex
        most = min(most, self._bounds.probe_events) if probe else most
        since_s = time.monotonic()
        turn = self._letters.take(self._lane, self._job_id, token, most, overtake=overtake)
        if not isinstance(turn, Turn):
            return Ended(turn)
        try:
            with Lease(lambda: self._renew(token), self._bounds.lease_s, self._bounds.patience_s, since_s) as lease:
                return self._serve(turn, token, lease, probe=probe)
        except LeaseLostError:
            log.warning("lease_lost integration=%s shard=%d", self._lane.integration, self._lane.shard)
            return Ended("busy")
        except StoppedError:
            # What is in flight is abandoned unsettled: sent again by the next turn, it has no second effect.
            return self._settle("stopped", token, [], {}, turn.search)

    def _renew(self, token: str) -> bool:
        self._renew_job()
        return self._shelf.renew(self._lane, token)

    def _serve(self, turn: Turn, token: str, lease: Lease, *, probe: bool) -> Ended:
        present = [letter for letter in turn.letters.values() if letter is not None]
        gone: list[Outcome] = [(dead_id, None, None) for dead_id, letter in turn.letters.items() if letter is None]
        composed = self._compose(self._decide(present, turn))
        present = present[: len(composed.outcomes)]
        attempts: list[Attempt] = []
        if composed.operations:
            answer, attempts = self._post.send(request_body(composed.operations), self._before(lease), once=probe)
            match verdict(answer.status):
                case Verdict.DONE if name_refused(composed, answer):
                    pass
                case Verdict.DONE | Verdict.SPLIT if len(present) > 1:
                    return self._settle("settled", token, gone, {}, len(present) // 2)
                case Verdict.DONE | Verdict.SPLIT:
                    composed.outcomes[0] = Dead("rejected", "send", status=answer.status, message=answer.message)
                case Verdict.AGAIN | Verdict.HOLD:
                    lease.check()  # who was stopped for too long has seen a timeout of its own making
                    kind = hold_kind(answer.status)
                    self._hold(kind, status=answer.status, message=answer.message, probe=probe)
                    return self._settle("held", token, gone, {}, turn.search)
            if probe:
                self._resume()
        search = min(TURN_LETTERS, turn.search * 2) % TURN_LETTERS  # found or not, the turns grow again
        outcomes = gone + self._judge(present, composed, attempts)
        return self._settle("settled", token, outcomes, composed.people, search, len(present))

    def _before(self, lease: Lease) -> Callable[[], None]:
        def check() -> None:
            if self._stopping():
                raise StoppedError
            lease.check()

        return check

    def _decide(self, letters: Sequence[Letter], turn: Turn) -> list[Decision]:
        now_ms = time.time_ns() // 1_000_000
        if turn.deaths:
            log.warning(
                "replay_with_deaths integration=%s shard=%d deaths=%d letters=%d",
                self._lane.integration,
                self._lane.shard,
                turn.deaths,
                len(letters),
            )
        if letters and turn.trials > _TRIALS_ALONE:
            message = (
                f"its worker process died {turn.deaths} times in replays, the last {_TRIALS_ALONE} times with it alone"
            )
            return [Dead("crashed_worker", "map", message=message)]
        return [decide(self._mapper, letter, now_ms) for letter in letters]

    def _compose(self, decisions: list[Decision]) -> Composed:
        """As many of the events as fit into one request."""
        lane = self._lane
        digests = self._mapper.people_of(decisions)
        states = self._shelf.states([person_key(lane.shard, lane.integration, d) for d in digests])
        known = dict(zip(digests, states, strict=True))
        events = len(decisions)
        while True:
            composed = self._mapper.compose(decisions[:events], known)
            if events <= 1 or fits(composed.operations):
                return composed
            events = max(1, events * 3 // 4)

    def _judge(self, letters: Sequence[Letter], composed: Composed, attempts: list[Attempt]) -> list[Outcome]:
        now_ms = time.time_ns() // 1_000_000
        judged: list[Outcome] = []
        for position, (letter, outcome) in enumerate(zip(letters, composed.outcomes, strict=True)):
            if not isinstance(outcome, Dead):
                judged.append((letter.id, letter, outcome))
                continue
            log.info("letter_buried_again id=%s reason=%s status=%d", letter.id, outcome.reason, outcome.status)
            made = [op.body.decode() for op in composed.operations if op.cause == position]
            tried = attempts if outcome.stage == "send" else []
            revision = self._mapper.integration.revision
            judged.append((letter.id, letter, bury_again(letter, outcome, made, tried, revision, now_ms)))
        return judged

    def _settle(
        self,
        how: Literal["settled", "held", "stopped"],
        token: str,
        outcomes: Sequence[Outcome],
        people: Mapping[str, bytes],
        search: int,
        letters: int = 0,
    ) -> Ended:
        lane = self._lane
        keyed = {person_key(lane.shard, lane.integration, digest): state for digest, state in people.items()}
        return Ended(how, letters, self._letters.settle(lane, self._job_id, token, outcomes, keyed, search))
