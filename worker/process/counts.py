"""Counts of one process, which any thread adds to, until somebody takes them and hands them on."""

import threading
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)


class Counts(Generic[Name]):
    """What was counted since it was last taken, by name."""

    def __init__(self) -> None:
        self._counts: Counter[Name] = Counter()
        self._lock = threading.Lock()

    def give(self, counts: Mapping[Name, int]) -> None:
        """Add counts; also those that could not be handed on."""
        with self._lock:
            for name, count in counts.items():
                self._counts[name] += count

    def take(self) -> dict[Name, int]:
        """What was counted since it was last taken."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return dict(taken)
