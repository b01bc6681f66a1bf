"""Reveals: personal data shown to who may see it, when they ask for it, with a record of each time."""

import time
from typing import Any

import redis

from worker.console.access.roles import Permission, Viewer
from worker.store.actions import Action, Actions, discreet
from worker.store.keys import reveal_key
from worker.store.tokens import digest_of

SHOWN_S = 15 * 60


class Reveals:
    """What is shown unmasked: to one session, of one subject (a person, an event, a failure), for `SHOWN_S`."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client
        self._actions = Actions(client)

    def reveal(self, viewer: Viewer, kind: str, subject: str, why: str = "") -> bool:
        """Show it from now on, and record that; False: this viewer may not see it.

        A person is in the record as `relay suppress` has them; `kind` is what else there is, as "event".
        """
        if not viewer.may(Permission.REVEAL):
            return False
        on = discreet(subject) if kind == "person" else f"{kind} {subject}"
        # first: what is shown is in the record
        self._actions.add(Action(time.time_ns() // 1_000_000, viewer.login, "reveal", on, why, "shown"))
        self._redis.set(_key(viewer, kind, subject), "1", ex=SHOWN_S)
        return True

    def is_shown(self, viewer: Viewer, kind: str, subject: str) -> bool:
        """Whether this viewer is shown it now."""
        return viewer.may(Permission.REVEAL) and bool(self._redis.exists(_key(viewer, kind, subject)))


def _key(viewer: Viewer, kind: str, subject: str) -> str:
    return reveal_key(viewer.session_id, digest_of(f"{kind}:{subject}"))
