"""Personal data on a page: masked, until who may see it asks for it; the asking is recorded."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
import orjson

from worker.app import Relay
from worker.console.access.masking import Mask
from worker.console.access.reveals import Reveals
from worker.console.access.roles import Permission
from worker.console.visit import Visit

# Options of a filter that say who it is about; a record has its own words in brackets instead.
_ABOUT = re.compile(r"""--(person|where) (?!\()((?:'[^']*'|"[^"]*"|[^\s'"])+)""")


class Personal(msgspec.Struct, frozen=True):
    """How a page shows what it says of people; `kind` and `subject` are what a reveal would be of."""

    mask: Mask
    is_shown: bool
    may_reveal: bool
    kind: str
    subject: str

    def name(self, text: str) -> str:
        """An identifier of a person."""
        return text if self.is_shown else self.mask.value(text)

    def names(self, texts: Iterable[str]) -> str:
        """Several of them."""
        return ", ".join(self.name(text) for text in texts)

    def message(self, text: str, known: Iterable[str] = ()) -> str:
        """A text that strangers wrote, as Customer.io's answer."""
        return text if self.is_shown else self.mask.text(text, known)

    def value(self, field: str, value: Any) -> Any:
        """The value of a field or property."""
        return value if self.is_shown else self.mask.payload({field: value}).popitem()[1]

    def filter(self, text: str) -> str:
        """The filter of a job or of an act, as it was typed: the person it is about is masked."""
        return text if self.is_shown else _ABOUT.sub(self._about, text)

    def _about(self, found: re.Match[str]) -> str:
        typed = found[2].strip("'")
        path, *condition = typed.split(" ", 2)
        if found[1] == "person" or len(condition) < 2:
            return f"--{found[1]} {self.name(typed)}"
        return f"--where {path} {condition[0]} {self.value(path.rpartition('.')[2], condition[1])}"

    def payload(self, raw: bytes) -> str:
        """An event's bytes, indented; what is no JSON is shown to nobody who may not see it all."""
        try:
            value = orjson.loads(raw)
            shown = value if self.is_shown else self.mask.payload(value)
            return orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()
        except (ValueError, TypeError, RecursionError):
            return raw.decode("utf-8", "backslashreplace") if self.is_shown else f"{len(raw)} bytes that are no JSON"


def personal(parts: Relay, visit: Visit, kind: str, subject: str) -> Personal:
    """How this visit shows a subject: a person, an event, a failure."""
    shown = bool(subject) and Reveals(parts.redis).is_shown(visit.viewer, kind, subject)
    return Personal(Mask.of(parts.redis), shown, visit.viewer.may(Permission.REVEAL), kind, subject)
