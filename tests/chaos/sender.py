"""Purchasely and an upstream service, as they send: a person's events in order, again until the answer is 200."""

import hashlib
import heapq
import hmac
import http.client
import random
import threading
import time
from collections import Counter
from contextlib import suppress
from urllib.parse import urlsplit

import orjson

from tests.support.stack import SECRET, TOKEN

THREADS = 4
ARRAY_EVENTS = 25
BURST_S = 2.0
TIMEOUT_S = 5.0
AGAIN_AFTER_S = 0.3


class Person:
    """One person's events, and how many of them were answered with 200."""

    def __init__(self, events: list[bytes]) -> None:
        self.events = events
        self.sent = 0


class Sender:
    """Sends everything within about `lasts_s`, in bursts; never two events of a person at a time."""

    def __init__(self, web: str, people: list[Person], seed: int, lasts_s: float) -> None:
        self._host = urlsplit(web).netloc
        self._people = people
        self._dice = random.Random(f"{seed} sender")
        self._total = sum(len(person.events) for person in people)
        self._rate = self._total / lasts_s
        self._lock = threading.Lock()
        self._ready = list(people)
        self._later: list[tuple[float, int, Person]] = []
        self._left = self._total
        self._over = threading.Event()
        self.answers: Counter[str] = Counter()
        self.duplicates = 0
        self.taken_twice = 0
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(THREADS)]

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Give up."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def left(self) -> int:
        """How many events have no 200 yet."""
        return self._left

    def redeliver(self, count: int, dice: random.Random) -> None:
        """Send events that were accepted again, in any order, until they are answered with 200."""
        with self._lock:
            known = [person for person in dice.sample(self._people, min(count, len(self._people))) if person.sent]
            again = [person.events[dice.randrange(person.sent)] for person in known]
        door = _Door(self._host)
        while again and not self._over.wait(0 if door.tell(again, self.answers) else AGAIN_AFTER_S):
            if door.status == 200:
                self.duplicates += len(again)
                self.taken_twice += door.accepted
                again = []
        door.close()

    def _run(self) -> None:
        door = _Door(self._host)
        while self._left and not self._over.is_set():
            people = self._next()
            if not people:
                self._over.wait(0.01)
                continue
            good = door.tell([person.events[person.sent] for person in people], self.answers)
            with self._lock:
                for person in people:
                    if not good:
                        heapq.heappush(self._later, (time.monotonic() + AGAIN_AFTER_S, id(person), person))
                        continue
                    person.sent += 1
                    self._left -= 1
                    if person.sent < len(person.events):
                        self._ready.append(person)
        door.close()

    def _next(self) -> list[Person]:
        """Whose turn it is: one person with a webhook, or several with an array."""
        now = time.monotonic()
        with self._lock:
            while self._later and self._later[0][0] <= now:
                self._ready.append(heapq.heappop(self._later)[2])
            bursts = (now - self._began) // BURST_S + 1
            allowed = int(bursts * BURST_S * self._rate) - (self._total - self._left)
            most = min(allowed, len(self._ready), ARRAY_EVENTS if self._dice.random() < 0.3 else 1)
            chosen = []
            for _ in range(max(0, most)):
                place = self._dice.randrange(len(self._ready))
                self._ready[place], self._ready[-1] = self._ready[-1], self._ready[place]
                chosen.append(self._ready.pop())
            return chosen


class _Door:
    """A connection to the web door."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._connection: http.client.HTTPConnection | None = None
        self.status = 0
        self.accepted = 0

    def tell(self, events: list[bytes], answers: Counter[str]) -> bool:
        """POST one event as Purchasely, several as an upstream service; whether the answer is 200."""
        self.status = 0
        try:
            self._post(events)
        except (OSError, http.client.HTTPException) as fault:
            answers[type(fault).__name__] += 1
            self.close()
        else:
            answers[str(self.status)] += 1
        return self.status == 200

    def _post(self, events: list[bytes]) -> None:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT_S)
        if len(events) == 1:
            path, body = "/webhooks/purchasely/app", events[0]
            stamp = str(int(time.time()))
            signature = hmac.new(SECRET.encode(), stamp.encode() + body, hashlib.sha256).hexdigest()
            headers = {"X-PURCHASELY-REQUEST-SIGNATURE": signature, "X-PURCHASELY-TIMESTAMP": stamp}
        else:
            path, body = "/v1/events/app", b"[" + b",".join(events) + b"]"
            headers = {"Authorization": f"Bearer {TOKEN}"}
        self._connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
        answer = self._connection.getresponse()
        content = answer.read()
        self.accepted = orjson.loads(content)["accepted"] if answer.status == 200 else 0
        self.status = answer.status

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None
