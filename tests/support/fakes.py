"""One lane and one Customer.io in memory, for the tests of delivery: they keep state as the real ones do."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import contextmanager

import orjson

from config.integrations import parse
from worker.customerio.answer import Answer, ItemError
from worker.customerio.sender import Sender
from worker.delivery.lease_run import Delivery
from worker.delivery.parts import Bounds, LeaseParts
from worker.delivery.request import Requests
from worker.delivery.settlement import Settler
from worker.errors import LeaseLostError
from worker.mapping.batching import Fill
from worker.mapping.mapper import Mapper
from worker.store.entry_id import order
from worker.store.lane import Lane
from worker.store.settling import Following
from worker.store.taken import CAUTIOUS_EVENTS, Taken, Vanished

LANE = Lane("app", "production", 0)
BOUNDS = Bounds(batch_events=50, probe_events=3, budget_s=60, lease_s=6, patience_s=60)

_FILE = """
[sources.app]
webhook_secret = "env:S"
[integrations.production]
source = "app"
region = "eu"
site_id = "env:S"
api_key = "env:S"
environments = ["PRODUCTION"]
[integrations.production.events]
"*" = true
OFF = false
[integrations.production.user_properties]
plan = true
"""


def integration(extra=""):
    """An integration that wants every event but OFF, and the property `plan`."""
    return parse(_FILE + extra, "integrations.toml", {"S": "x"}).integrations["production"]


def raw_event(name, at=0, person="ada", **fields):
    """The bytes of an event; `at` counts seconds, and names it."""
    body = {
        "event_name": name,
        "event_id": f"{name}-{at}",
        "event_created_at_ms": 1_760_000_000_000 + at * 1000,
        "user_id": person,
        "environment": "PRODUCTION",
        "plan": "monthly",
        "purchasely_subscription_id": f"sub-{person}",
        **fields,
    }
    return orjson.dumps(body)


def _book(settled):
    return "properties" if settled else "dead"


class MemoryShelf:
    """The streams as one lane sees them, held to the scripts by tests/integration/store/test_shelf_contract.py."""

    # ruff: noqa: ARG002 - the signatures are the real ones

    def __init__(self, raws: Iterable[bytes] = ()) -> None:
        self.entries: list[tuple[str, bytes]] = []
        self.cursor = "0-0"
        self.lease = ""
        self.wake = ""
        self.flight: dict[str, object] = {}
        self.gone: dict[str, tuple[str, str]] = {}  # holders that vanished: the phase, the event alone in hand
        self.ledger: Counter[str] = Counter()
        self.dead: dict[str, dict] = {}
        self.people: dict[str, bytes] = {}
        self.held = False
        self.settles: list[int] = []
        self.on_release: Callable[[], None] = lambda: None
        self.on_settle: Callable[[], None] = lambda: None
        self.append(*raws)

    def append(self, *raws: bytes) -> list[str]:
        for raw in raws:
            self.entries.append((f"{1_760_000_000_000 + len(self.entries)}-0", raw))
        return [entry_id for entry_id, _ in self.entries[len(self.entries) - len(raws) :]]

    def expire(self) -> None:
        """Let the time of the lease run out."""
        self.lease = ""

    @property
    def woken(self) -> bool:
        """Whether the mark of a wake-up is set."""
        return bool(self.wake)

    def waiting(self) -> list[bytes]:
        return [raw for entry_id, raw in self.entries if order(entry_id) > order(self.cursor)]

    def _behind(self, entry_id, count):
        return [entry for entry in self.entries if order(entry[0]) > order(entry_id)][:count]

    def _check(self, token):
        if self.lease != token:
            raise LeaseLostError("test")

    def take(self, lane, token, count, *, probe=False):
        if self.held and not probe:
            self.wake = ""
            return "held"
        self.wake = ""
        if self.lease not in {"", token}:
            return "busy"
        self.lease = token
        flight = self.flight
        if flight.get("token", token) != token:
            flight["deaths"] = flight.get("deaths", 0) + 1
            if phase := flight.get("phase"):
                flight[phase] = flight.get(phase, 0) + 1
            self.gone[flight["token"]] = (phase or "-", flight.get("alone", "-"))
        flight["token"] = token
        flight.pop("phase", None)
        flight.pop("step", None)
        found = self._behind(self.cursor, count)
        deaths = flight.get("deaths", 0)
        if deaths and found:
            flight.setdefault("until", found[-1][0])
            found = found[: CAUTIOUS_EVENTS[min(deaths, 3) - 1]]
        known = [flight.get(name, 0) for name in ("mapping", "sending")]
        alone = flight.get("alone", "")
        gone = [
            Vanished(name, phase, 0) for name, (phase, entry) in self.gone.items() if phase != "-" and entry == alone
        ]
        return Taken(self.cursor, deaths, flight.get("until", ""), alone, *known, found, gone)

    def survive(self, token):
        """A holder lives: the crash that was counted is taken back, or not counted."""
        flight = self.flight
        if token in self.gone:
            phase, entry = self.gone.pop(token)
            if flight.get("deaths", 0) <= 1:
                for name in ("deaths", "until", "mapping", "sending"):
                    flight.pop(name, None)
                return
            flight["deaths"] -= 1
            if entry == flight.get("alone") and flight.get(phase, 0) > 0:
                flight[phase] -= 1
        elif flight.get("token") == token:
            self.lease = "" if self.lease == token else self.lease
            self._let_go()

    def caution(self, lane, token, alone, phase):
        self._check(token)
        if self.flight.get("alone") != alone:
            self.flight.pop("mapping", None)
            self.flight.pop("sending", None)
        self.flight |= {"alone": alone, "phase": phase}

    def refused(self, lane, token, end):
        self._check(token)
        self.flight.setdefault("stuck", end)
        self.flight["refusals"] = self.flight.get("refusals", 0) + 1
        return self.flight["refusals"]

    def renew(self, lane, token):
        return self.lease == token

    def states(self, keys):
        return [self.people.get(key) for key in keys]

    def settle(self, lane, token, step, done, more, behind, meanwhile=tuple):
        self.on_settle()
        wanted = meanwhile()
        self._check(token)
        if self.flight.get("step") != step:
            self._write(step, done)
        return Following(self._behind(behind, more) if more else [], {key: self.people.get(key) for key in wanted})

    def _write(self, step, done):
        self.settles.append(done.events)
        self.cursor = done.cursor
        self.flight["step"] = step
        self.ledger.update(done.counts)
        self.ledger["position"] += done.events
        self.people.update(done.people)
        for burial in done.burials:
            if (former := self.dead.get(burial.letter_id)) is not None:
                self.ledger[_book(former.get("settled"))] -= 1
                self.ledger["base"] += not former.get("settled")
            self.ledger[_book(burial.settled)] += 1
            self.dead[burial.letter_id] = orjson.loads(burial.record)
        if "stuck" in self.flight and order(done.cursor) >= order(self.flight["stuck"]):
            del self.flight["stuck"], self.flight["refusals"]
        if done.calm and "deaths" in self.flight:
            self.gone = {}
            for name in ("deaths", "until", "alone", "mapping", "sending", "phase"):
                self.flight.pop(name, None)

    def release(self, lane, token, cursor, *, keep, mark=True):
        self.on_release()
        if self.lease != token:
            return "more" if self.wake == token else "lost"
        waits = bool(self._behind(cursor, 1))
        if waits and keep:
            return "more"
        self.lease = ""
        self._let_go()
        if waits and mark:
            self.wake = token
        return "more" if waits else "empty"

    def _let_go(self):
        if {"until", "stuck"} & self.flight.keys():
            for name in ("token", "step", "phase"):
                self.flight.pop(name, None)
        else:
            self.flight, self.gone = {}, {}

    def books(self):
        """What the ledger says, without the histogram."""
        return {name: count for name, count in self.ledger.items() if not name.startswith("late_ms") and count}

    def dead_events(self):
        """The ids of the dead events, in their order, each with the reason."""
        return [(letter["event_id"], letter["reason"]) for letter in self.dead.values()]


class MemoryCustomerio:
    """A Track API in memory: ignores a ULID it knows, refuses what a test says, and fails at `poison` names with a 500.

    `refused` names make a whole batch a 400, `rejected` names are errors of a 207, `nameless` ones are errors that do
    not say which item they mean; `answers` come first, one a request, and nothing is applied.
    """

    def __init__(self, refused=(), rejected=(), nameless=(), poison=()):
        self.poison = set(poison)
        self.refused, self.rejected, self.nameless = set(refused), set(rejected), set(nameless)
        self.answers: list[Answer] = []
        self.requests: list[list[str]] = []
        self.events: list[str] = []
        self.plans: dict[str, str] = {}
        self.on_request: Callable[[], None] = lambda: None
        self._ulids: set[str] = set()

    def batch(self, body):
        self.on_request()
        items = orjson.loads(body)["batch"]
        names = [item.get("name", item["action"]) for item in items]
        self.requests.append([name for name in names if name != "identify"])
        if self.answers:
            return self.answers.pop(0)
        if self.poison.intersection(names):
            return Answer(500, "internal error")
        if self.refused.intersection(names):
            return Answer(400, "batch refused")
        if self.nameless.intersection(names):
            return Answer(207, "", (ItemError(-1, "", "something"),))
        wrong = [place for place, name in enumerate(names) if name in self.rejected]
        for place, item in enumerate(items):
            if place not in wrong:
                self._apply(item)
        errors = tuple(ItemError(place, "name", "invalid") for place in wrong)
        return Answer(207 if errors else 200, "", errors)

    def _apply(self, item):
        if item["action"] == "identify":
            self.plans[item["identifiers"]["id"]] = item["attributes"]["plan"]
        elif item["id"] not in self._ulids:
            self._ulids.add(item["id"])
            self.events.append(item["attributes"]["event_id"])


class Bench:
    """A delivery with everything around it, run as the task runs it."""

    def __init__(self, raws=(), *, api=None, bounds=BOUNDS, attempts=4, stopping=lambda: False, mapper=None):
        self.shelf = MemoryShelf(raws)
        self.api = api or MemoryCustomerio()
        self.bounds = bounds
        self.stopping = stopping
        self.mapper = mapper or Mapper(integration())
        self.slept_s: list[float] = []
        self.holds: list[dict] = []
        self.resumed = 0
        self.fill = Fill(bounds.batch_events)
        self.sender = Sender(self.api, attempts, 8.0, 1000.0, self.slept_s.append)
        self._runs = 0
        self.unsaid: list[str] = []
        self.living: set[str] = set()  # holders whose process is frozen

    def hold(self, kind, **facts):
        self.holds.append({"kind": kind, **facts})
        self.shelf.held = True

    def resume(self):
        self.resumed += 1
        self.shelf.held = False

    def delivery(self):
        requests = Requests(LANE, self.mapper, self.sender, self.shelf.states, self.fill, self.stopping)
        told = self.mapper.integration
        settler = Settler(LANE, told.revision_name, told.revision, told.source_identity)
        return Delivery(LeaseParts(LANE, self.shelf, requests, settler, self, self, self.bounds, self.stopping))

    @contextmanager
    def surviving(self, _lane, _in_hand, token):
        """As the real one; what lives says so at the next `speak`."""
        try:
            yield
        except (LeaseLostError, ConnectionError):
            self.unsaid.append(token)
            raise

    def survived(self, _lane, _in_hand, token):
        self.unsaid.append(token)

    def may_live(self, vanished):
        return [one for one in vanished if one.token in self.living]

    def speak(self):
        """Everybody who lives says so."""
        while self.unsaid:
            self.shelf.survive(self.unsaid.pop())

    def run(self, *, probe=False):
        """One lease."""
        self._runs += 1
        return self.delivery().run(f"token-{self._runs}", probe=probe)
