"""Comparison of what Customer.io refused with what would be sent now: the refused item and field, nothing else."""

from collections.abc import Iterable
from typing import Any, Literal

import orjson

from worker.dead.letter import Letter

Again = Literal["same", "sent", "unsure"]
"""Same: it would be refused as before. Sent: what was refused has changed. Unsure: something has changed, and
Customer.io did not say what exactly it refused."""

_MISSING: Any = object()
_ITEM_ERRORS = frozenset({200, 207})  # these answers name the refused item
REFUSED = {"rejected": ("event",), "properties_rejected": ("identify", "merge")}


def refused_again(letter: Letter, now: Iterable[bytes]) -> Again:
    """Whether a replay would send again what was refused; `now` are the operations that it would send.

    An answer to a whole request (400) names no item: only when each item is sent as before it is known to fail.
    """
    before, after = _by_action(letter.operations), _by_action(now)
    if not before:
        return "unsure"
    if letter.reason == "rejected" and letter.status not in _ITEM_ERRORS:
        same = all(action in after and _plain(item) == _plain(after[action]) for action, item in before.items())
        return "same" if same else "unsure"
    refused = [action for action in REFUSED.get(letter.reason, ()) if action in before]
    fates = {_compare(before[action], after.get(action), letter.field) for action in refused}
    return fates.pop() if len(fates) == 1 else "unsure"


def _compare(before: dict[str, Any], after: dict[str, Any] | None, field: str) -> Again:
    if after is None:
        return "sent"
    was, now = _part(before, field), _part(after, field)
    if was is _MISSING and now is _MISSING:  # a field by a name that nobody knows
        was, now = _plain(before), _plain(after)
    if was == now:
        return "same"
    # of many fields one was refused: another one may be what has changed
    return "unsure" if isinstance(was, dict) and isinstance(now, dict) and field != "identifiers" else "sent"


def _part(item: dict[str, Any], field: str) -> Any:
    """The value of a field as Customer.io names it (`name`, `attributes.plan`); names may have dots in them."""
    if not field:
        return _plain(item)
    outer, _, inner = field.partition(".")
    found = item.get(outer, _MISSING)
    if not inner or not isinstance(found, dict):
        return found if not inner else _MISSING
    return found.get(inner, _MISSING)


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """An item as far as it can be refused: an identify's time moves with its person."""
    return {key: value for key, value in item.items() if key != "timestamp"} if _is_identify(item) else item


def _is_identify(item: dict[str, Any]) -> bool:
    return item.get("action") == "identify"


def _by_action(operations: Iterable[str | bytes]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for text in operations:
        item = orjson.loads(text)
        found.setdefault(item.get("action", ""), item)
    return found
