"""Plans for pages: one at a time, and the same one again for some seconds, so that a reload costs nobody anything."""

import threading
import time
from collections.abc import Callable
from typing import Final

from worker.app import Relay
from worker.console.fresh import Fresh
from worker.errors import OperatorError
from worker.history.preview import Preview, make_preview
from worker.revisions.store import digest_of

_FRESH_S: Final = 20.0


class Planner:
    """Makes previews of drafts; the page's thread waits for them, others go on."""

    def __init__(self, parts: Relay, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = parts
        self._busy = threading.Lock()
        self._made: Fresh[tuple[int, str], Preview] = Fresh(_FRESH_S, clock)

    def preview(self, text: str, budget_s: float) -> Preview:
        """The preview of a text, of some seconds ago at most.

        Raises:
            ConfigError: the text has errors, a line each.
            OperatorError: too many plans are asked for at once.
        """
        of = (self._parts.live.loaded.number, digest_of(text))
        if known := self._made.get(of):
            return known
        if not self._busy.acquire(timeout=budget_s * 2):
            raise OperatorError("other plans are being made just now; try again in some seconds")
        try:
            known = self._made.get(of)  # by who was before
            if known is None:
                known = make_preview(self._parts, text, budget_s)
                self._made.keep(of, known)
            return known
        finally:
            self._busy.release()
