"""Steps of one lease: read, map, send, settle, one request after the other."""

import time
from typing import Literal

from worker.delivery.judging import Request, hold
from worker.delivery.parting import parted
from worker.delivery.parts import LeaseParts
from worker.delivery.poison import Caution, Search, deciding, witnesses
from worker.mapping.decision import Composed
from worker.process.eventlog import EventLog
from worker.store.lease import Lease
from worker.store.settling import Settlement
from worker.store.taken import Phase, Taken

log = EventLog(__name__)

Ended = Literal["empty", "more", "held", "busy", "lost"]


class LeaseRun:
    """One lease in hand: the events that were read, and how far they are settled."""

    def __init__(self, parts: LeaseParts, token: str, lease: Lease, taken: Taken, *, probe: bool) -> None:
        self._parts = parts
        self._requests = parts.requests
        self._token = token
        self._lease = lease
        self._taken = taken
        self._caution = Caution(taken)
        self._search = Search()
        self._served = ""  # whose event was taken ahead of its turn
        self._queue = self._requests.queued(taken.entries)
        self._cursor = taken.cursor
        self.probe = probe
        self._steps = 0
        self._buried = 0  # events buried since the dead limit was last checked

    def serve(self) -> Ended:
        """Step after step, until nothing waits, the budget is spent, or the integration is held."""
        started = time.monotonic()
        if not self._bury_poison():
            self.release(mark=False)
            return "busy"  # a sweep looks again
        spent = False  # not before something is done
        while True:
            if not self._queue:
                left = self.release(keep=True)
                if left != "more":
                    return left
                self._settle(Request(0, Composed([], [], {})), self._more())  # events arrived meanwhile: only read them
                continue
            # an interrupted search would start over
            if (spent and not self._search.events) or self._parts.stopping():
                return self.release()
            ended = self._step()
            if ended == "held" or self._is_full():
                self.release(mark=False)
                return "held"
            if self.probe and (ended == "answered" or self._requests.in_shadow):
                self._resume()  # in shadow Customer.io is not asked, so it holds nothing up
            spent = time.monotonic() - started > self._parts.bounds.budget_s

    def release(self, *, keep: bool = False, mark: bool = True) -> Literal["lost", "more", "empty"]:
        """Release the lease; with `keep`, not while events wait."""
        parts = self._parts
        left = parts.shelf.release(parts.lane, self._token, self._cursor, keep=keep, mark=mark)
        if left == "lost":
            parts.holders.survived(parts.lane, "flight", self._token)
        return left

    def _step(self) -> Literal["settled", "answered", "held"]:
        """Compose, send and settle one request; "answered" when Customer.io has judged it."""
        most = self._most()
        with deciding(self._parts.bounds.lease_s, cautious=self._caution.events > 0):
            self._note("mapping")
            request = self._requests.compose(self._requests.decide(self._queue[:most]))
            self._note("sending")
        if request.composed.operations:
            once = self.probe or (self._search.failing and request.events > 1)
            self._requests.send(request, self._lease, once=once)
            self._requests.trace(request, self._queue)
        poison = self._is_poisoned(request) if request.failed or request.refused_alone else False
        if poison and request.refused_alone:
            request = parted(self._requests, request, self._lease)
        judged = request.judge(poison=poison)
        if judged == "hold" or (request.refused_alone and not poison):
            hold(self._parts.gate, request, self._lease, probe=self.probe)
            return "held"
        if judged == "split":
            self._search.split(request.events)
            return "settled"  # nothing was delivered yet: the probe goes on
        self._search.settled(request.events, found=request.events == 1 and request.composed.outcomes[0] is not None)
        # twice what the next request takes: the one after it is decided on while that one is settled
        more = 0 if len(self._queue) - request.events >= 2 * self._requests.size else self._more()
        self._settle(request, more)
        return "settled" if request.answer is None else "answered"

    def _settle(self, request: Request, more: int) -> None:
        """Settle the first events of the queue and read up to `more` entries behind all that is queued."""
        parts, events = self._parts, request.events
        done = self._queue[:events]
        del self._queue[:events]
        counts, burials, trail = parts.settler.write(done, request)
        if done:
            self._cursor = done[-1].entry_id
        people = self._requests.keyed(request.composed.people)
        calm = self._caution.is_past(self._cursor)
        settlement = Settlement(self._cursor, events, counts, people, burials, calm, trail)
        behind = self._queue[-1].entry_id if self._queue else self._cursor
        self._steps += 1
        since_s = time.monotonic()
        following = parts.shelf.settle(parts.lane, self._token, self._steps, settlement, more, behind, self._look_ahead)
        self._lease.progress(since_s)
        self._buried += len(burials)
        self._requests.states = following.states
        self._queue += self._requests.queued(following.entries)
        if calm:
            self._caution.end()

    def _look_ahead(self) -> list[str]:
        """While Redis settles the last request, decide on what is queued for the next; the keys of its people."""
        if self._caution.events or self._search.events:
            return []  # each is then decided alone, when its turn comes
        return self._requests.keys_of(self._requests.decide(self._queue[: self._requests.size]))

    def _bury_poison(self) -> bool:
        """After unexplained deaths of holders: bury the event that they had alone in hand.

        False while it is not certain that they are dead: one that lives will say so.
        """
        if not self._caution.events:
            return True
        log.warning(
            "shard_with_crashes",
            integration=self._parts.lane.integration,
            shard=self._parts.lane.shard,
            crashes=self._taken.deaths,
            batch=self._caution.events,
        )
        dead = self._caution.poison(self._parts.holders.may_live)
        if dead == "uncertain":
            log.info("crashes_uncertain", integration=self._parts.lane.integration, shard=self._parts.lane.shard)
            return False
        if dead is not None:
            self._settle(Request(1, Composed([], [dead], {})), 0)
        return True

    def _is_poisoned(self, request: Request) -> bool:
        """Whether this request holds poison: Customer.io fails (5xx) at it, or refuses an event that was sent alone.

        An outage is no poison: it counts only if the same place fails repeatedly while others are served in between. An
        event alone is poison only if another one is accepted right now.
        """
        served: bool | None = None
        if self.probe or request.refused_alone:
            served = self._serves_others()
            if request.refused_alone and (served or (served is None and self._requests.trusts(request))):
                return True
            if self.probe:
                if not served:
                    return False
                self._resume()
        if not self._search.failing:
            end = self._queue[request.events - 1].entry_id
            self._search.begins(self._parts.shelf.refused(self._parts.lane, self._token, end))
        if not self._search.failing or request.events > 1:
            return self._search.failing
        return bool(served or self._serves_others()) or self._search.believes_alone

    def _serves_others(self) -> bool | None:
        """Send events of other people ahead of their turn, the first of each, until one is taken.

        It is ignored when its turn comes. False when none is taken; None when nobody else is queued, or after deaths,
        when no event may be decided on before its turn.
        """
        if self._caution.events:
            return None
        served: bool | None = None
        for witness in witnesses(self._requests.decide(self._queue[: self._requests.size]), self._served):
            request = self._requests.compose([witness])
            if not request.composed.operations:
                continue
            self._requests.send(request, self._lease, once=True)
            served = request.answer is not None and request.judge() == "settle" and not request.refused_alone
            if served:
                self._served = witness.who.digest
                return True
        self._served = ""
        return served

    def _note(self, phase: Phase) -> None:
        """Note the event that is tried alone, so that the next process knows if it kills this one."""
        if self._caution.alone:
            self._parts.shelf.caution(self._parts.lane, self._token, self._queue[0].entry_id, phase)

    def _more(self) -> int:
        """How many events to read next."""
        return self._caution.events or min(self._parts.bounds.batch_events, self._requests.entries)

    def _most(self) -> int:
        """How many events the next request may hold: by size, by caution, by the search for poison."""
        if self.probe:
            return self._search.bound(self._parts.bounds.probe_events)
        most = self._requests.size
        return self._search.bound(min(most, self._caution.events or most))

    def _resume(self) -> None:
        self._parts.gate.resume()
        self.probe = False

    def _is_full(self) -> bool:
        """Hold the integration, rather than drop anything, when there are too many dead letters."""
        buried, self._buried = self._buried, 0
        if not buried or not self._parts.full(buried):
            return False
        self._parts.gate.hold("dead_limit", status=0, message="too many dead letters", probe=False)
        return True
