"""A resync's turn on one lane: people's properties sent again, out of their states.

No event is sent and the books do not move: an identify with the time of the newest event that it is about, which
changes nothing where Customer.io knows it already. The lane's lease is held, so that no delivery comes in between.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from worker.delivery.judging import Gate, Request, hold
from worker.delivery.parts import Bounds, Survival
from worker.delivery.request import Requests
from worker.mapping.decision import Composed
from worker.mapping.mapper import Mapper
from worker.mapping.outcome import Dead, Filtered
from worker.people.person import decode, names_of
from worker.replay.letter_lanes import Became, LetterLanes, Turn
from worker.replay.turn import TURN_LETTERS, Ended, Outcome, Replay
from worker.store.keys import person_key
from worker.store.lane import Lane
from worker.store.lease import Lease

_SILENT: Final = Filtered("suppressed")


class PeopleLanes(LetterLanes):
    """The lanes as a resync uses them: ids are digests of people."""

    def _was(self, _dead_id: str) -> str:
        return "delivered"  # stays delivered: identifying again changes no outcome


class Resync(Replay):
    """Turns of one job on one lane."""

    def __init__(
        self,
        lane: Lane,
        job_id: str,
        lanes: PeopleLanes,
        requests: Requests,
        mapper: Mapper,
        suppressed: frozenset[str],
        read_states: Callable[[Sequence[str]], Sequence[bytes | None]],
        gate: Gate,
        renew: Callable[[str], bool],
        holders: Survival,
        bounds: Bounds,
    ) -> None:
        super().__init__(lane, job_id, lanes, requests, gate, renew, holders, bounds)
        self._mapper = mapper
        self._suppressed = suppressed
        self._read_states = read_states

    def _serve(self, turn: Turn, token: str, lease: Lease, *, probe: bool) -> Ended:
        digests = list(turn.letters)
        states = self._states(digests)
        silent = {digest for digest in states if self._is_silent(digest, states[digest])}
        states = {digest: states[digest] for digest in states if digest not in silent}
        told, operations = self._mapper.identify_again(states, time.time_ns() // 1_000_000)
        request = Request(len(told), Composed(operations, [None] * len(told), {}))
        if operations:
            self._requests.send(request, lease, once=probe)
        judged = request.judge()
        if judged == "hold":
            hold(self._gate, request, lease, probe=probe)
            return self._settle("held", token, [], {}, turn.search)
        if judged == "split":
            return self._settle("settled", token, [], {}, max(1, len(digests) // 2))
        if probe and request.answer is not None:
            self._gate.resume()
        composed = request.composed
        refused = {told[n] for n, one in enumerate(composed.outcomes) if isinstance(one, Dead) or n in composed.refused}
        became: dict[str, Became] = {**dict.fromkeys(refused, "refused"), **dict.fromkeys(silent, _SILENT)}
        outcomes: list[Outcome] = [(digest, None, became.get(digest)) for digest in digests]
        search = min(TURN_LETTERS, turn.search * 2) % TURN_LETTERS
        return self._settle("settled", token, outcomes, {}, search, request)

    def _is_silent(self, digest: str, state: bytes | None) -> bool:
        """Whether a person is suppressed, by an identifier that their state has."""
        return bool(self._suppressed) and not self._suppressed.isdisjoint(names_of(decode(state, digest)))

    def _states(self, digests: Sequence[str]) -> dict[str, bytes | None]:
        """The states of those people that are still known."""
        lane = self._lane
        found = self._read_states([person_key(lane.shard, lane.integration, digest) for digest in digests])
        return {digest: blob for digest, blob in zip(digests, found, strict=True) if blob is not None}
