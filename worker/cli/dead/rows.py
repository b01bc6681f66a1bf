"""Groups and causes of dead letters as rows: for programs, and in one line for people."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.dead.groups import Group


def row(group: "Group") -> dict[str, Any]:
    """A group for programs."""
    from worker.dead.advice import what_is_wrong

    return {
        "number": group.number,
        "integration": group.integration,
        "reason": group.reason,
        "field": group.field,
        "status": group.status,
        "what": what_is_wrong(group.reason, group.field, group.status),
        "count": group.count,
        "events": group.events,
        "oldest_ms": group.oldest_ms,
        "newest_ms": group.newest_ms,
    }


def cause_words(reason: str, field: str, status: int, event: str) -> str:
    """A cause in one line."""
    return " · ".join(filter(None, [reason, field, str(status or ""), event or "(no event name)"]))
