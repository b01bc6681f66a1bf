"""Protected keys of an integrations file: secrets, and the addresses they are sent to."""

import tomllib
from collections.abc import Iterator
from typing import Any, Final

from config.statements import written_key

# Whoever chooses the address receives the key, so it is as good as the key.
_PROTECTED: Final = {"sources": ("webhook_secret", "tokens"), "integrations": ("site_id", "api_key", "base_url")}


def protected_changes(before: str, after: str) -> tuple[str, ...]:
    """The protected keys that a change sets or replaces; only who may see to secrets publishes it.

    A removed table is no such change, nor is a copy of one with its keys and address.
    """
    former, new = tomllib.loads(before), tomllib.loads(after)
    return tuple(change for kind, keys in _PROTECTED.items() for change in _changes(kind, keys, former, new))


def _changes(kind: str, keys: tuple[str, ...], former: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    was = {name: [table.get(key) for key in keys] for name, table in former.get(kind, {}).items()}
    for name, table in new.get(kind, {}).items():
        values = [table.get(key) for key in keys]
        if values not in was.values():
            old = was.get(name, [None] * len(keys))
            yield from (written_key((kind, name, key)) for key, a, b in zip(keys, old, values, strict=True) if a != b)
