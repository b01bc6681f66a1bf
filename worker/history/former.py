"""Integrations as former revisions had them, each revision read once."""

from config.integrations import ConfigError, Integration, Integrations, parse
from worker.app import Relay
from worker.errors import OperatorError


class FormerRevisions:
    """The revisions that were asked for."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._read: dict[int, Integrations | None] = {}

    def integration(self, number: int, name: str) -> Integration | None:
        """An integration of that revision; None where it is not kept, or cannot be read any more."""
        if number and number not in self._read:
            self._read[number] = self._find(number)
        config = self._read.get(number)
        return config.integrations.get(name) if config else None

    def _find(self, number: int) -> Integrations | None:
        try:
            revision = self._parts.revisions.get(number)
            return parse(revision.text, f"revision {number}", {}, number=number, lenient=True)
        except (OperatorError, ConfigError):
            return None
