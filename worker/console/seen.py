"""Plans that somebody has seen, by their hash: nobody publishes what they have not looked at."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import redis

from worker.errors import OperatorError
from worker.history.friction import Friction
from worker.history.preview import Preview
from worker.revisions.store import digest_of
from worker.store.keys import seen_plan_key

_LIFE_S: Final = 3600


class SeenPlan(msgspec.Struct, frozen=True):
    """What a plan was of, and what it asks for; nothing of its examples."""

    base: int
    text_digest: str
    friction: Friction
    removed: tuple[str, ...]


class PlanAgainError(OperatorError):
    """What was seen is not what would be published."""


_DECODER: Final = msgspec.json.Decoder(SeenPlan)


class SeenPlans:
    """The plans seen in the last hour."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer

    def keep(self, preview: Preview) -> None:
        """Note that a plan is shown."""
        seen = SeenPlan(preview.base, preview.text_digest, preview.friction, tuple(preview.plan.removed))
        self._redis.set(seen_plan_key(preview.hash), msgspec.json.encode(seen), ex=_LIFE_S)

    def agreed(self, plan_hash: str, text: str, head: int, typed: Sequence[str]) -> SeenPlan:
        """The plan of this hash, if it is of this text and of the revision in force, and its names were typed.

        Raises:
            PlanAgainError: it is not; the message says what to do.
        """
        raw = self._redis.get(seen_plan_key(plan_hash)) if plan_hash.isalnum() else None
        if raw is None:
            raise PlanAgainError("the plan is more than an hour old: look at it again")
        seen = _DECODER.decode(raw)
        if seen.base != head:
            raise PlanAgainError(f"revision {head} came into force meanwhile: look at the plan again")
        if seen.text_digest != digest_of(text):
            raise PlanAgainError("the draft was changed since the plan was made: look at the plan again")
        if not seen.friction.is_met(tuple(typed)):
            raise PlanAgainError(f"type {' and '.join(seen.friction.names)} to publish this")
        return seen
