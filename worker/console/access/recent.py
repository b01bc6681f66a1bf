"""Sessions of the last half hour as this process saw them: pages can be looked at while Redis does not answer."""

import time
from collections import OrderedDict
from collections.abc import Callable

from worker.store.sessions import IDLE_MS, Session

_KEPT = 1000


class Recent:
    """Remembers who was logged in. Nobody can have been logged out meanwhile: that needs Redis too."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[Session, float]] = OrderedDict()

    def note(self, session_id: str, session: Session | None) -> None:
        """What Redis said just now."""
        self._known.pop(session_id, None)
        if session is not None:
            self._known[session_id] = session, self._clock() * 1000
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)

    def find(self, session_id: str) -> Session | None:
        """The session, if it was open when it was last looked for, and would still be."""
        session, seen_ms = self._known.get(session_id, (None, 0.0))
        now_ms = self._clock() * 1000
        return session if session and session.ends_ms > now_ms and seen_ms + IDLE_MS > now_ms else None
