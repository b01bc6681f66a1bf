"""Cursor of a page: the spot in a timeline that the next page begins after, as text."""

import re

from worker.history.timeline import Spot

_CURSOR = re.compile(r"(\d{1,20})-(\d{1,20})\.(\d{1,4})\.(.+)")


def cursor_of(at: Spot) -> str:
    """The cursor for what comes after a spot in a timeline."""
    return f"{-at[0]}-{-at[1]}.{at[2]}.{at[3]}"


def read_cursor(cursor: str | None) -> Spot | None:
    """The spot of a cursor; None for the first page.

    Raises:
        ValueError: it is none.
    """
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise ValueError(f"{cursor!r} is no cursor; use the one that the previous page printed")
    return -int(found[1]), -int(found[2]), int(found[3]), found[4]
