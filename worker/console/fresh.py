"""Fresh values: what was found out some seconds ago is not asked for again."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Fresh(Generic[Key, Value]):
    """Values that count for so many seconds; older ones go when the next one is kept."""

    def __init__(self, life_s: float, clock: Callable[[], float]) -> None:
        self._life_s = life_s
        self._clock = clock
        self._kept: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key) -> Value | None:
        """The value, if there is one that still counts."""
        found = self._kept.get(key)
        return found[1] if found and self._counts(found) else None

    def keep(self, key: Key, value: Value) -> None:
        """From now on."""
        self._kept = {**{of: one for of, one in self._kept.items() if self._counts(one)}, key: (self._clock(), value)}

    def _counts(self, one: tuple[float, Value]) -> bool:
        return self._clock() - one[0] < self._life_s
