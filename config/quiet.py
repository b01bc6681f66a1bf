"""Quiet hours: when only what is urgent may disturb anybody."""

import re
from datetime import datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FORM = re.compile(r"(\d\d?):(\d\d)-(\d\d?):(\d\d)(?: (\S+))?")


class QuietHours(NamedTuple):
    """From when to when, each day, in a time zone; over midnight where it ends before it begins."""

    begin: time
    end: time
    zone: ZoneInfo

    def has(self, at_ms: int) -> bool:
        """Whether a moment (Unix ms) is within."""
        now = datetime.fromtimestamp(at_ms / 1000, self.zone).time()
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end


def read_quiet(text: str) -> QuietHours | None:
    """The quiet hours of a text like "22:00-07:00 Europe/Berlin"; None: there are none.

    >>> read_quiet("22:00-07:30").end
    datetime.time(7, 30)

    Raises:
        ValueError: what to write instead.
    """
    if not text.strip():
        return None
    found = _FORM.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError  # noqa: TRY301 - said below, as of an hour like 25:00
        begin, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
        return QuietHours(begin, end, ZoneInfo(found[5] or "UTC"))
    except ZoneInfoNotFoundError:
        raise ValueError("write a time zone as in Europe/Berlin") from None
    except ValueError:
        raise ValueError("write the hours as in 22:00-07:00 Europe/Berlin") from None
