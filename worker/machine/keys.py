"""Keys of the integrations, tried at Customer.io beside the start of the processes: which will not be delivered to."""

import threading
from collections.abc import Callable

import msgspec

from worker.app import Relay
from worker.machine.inspection import look_at_keys
from worker.machine.serverfacts import Fact


class Keys:
    """Asks at once, in a thread that keeps nobody from ending."""

    def __init__(self, parts: Relay) -> None:
        known = parts.integrations.integrations
        at_hand = {name: one for name, one in known.items() if not one.unresolved}
        self._integrations = msgspec.structs.replace(parts.integrations, integrations=at_hand)
        self._timeout_s = parts.settings.request_timeout_s
        self._found: list[Fact] = []
        self._lock = threading.Lock()
        self._late: Callable[[Fact], None] | None = None
        self._asked = threading.Event()
        threading.Thread(target=self._ask, name="keys", daemon=True).start()

    def wrong(self, within_s: float) -> list[Fact]:
        """What is known to be wrong by then."""
        self._asked.wait(within_s)
        with self._lock:
            return list(self._found)

    def tell_later(self, tell: Callable[[Fact], None]) -> None:
        """Say what was not known in time, if it comes to be."""
        with self._lock:
            if not self._asked.is_set():
                self._late = tell

    def _ask(self) -> None:
        found: list[Fact] = []
        try:
            found = [fact for fact in look_at_keys(self._integrations, self._timeout_s) if fact.level == "wrong"]
        finally:
            with self._lock:
                self._found, late = found, self._late
                self._asked.set()
        if late is not None:
            for fact in found:
                late(fact)
