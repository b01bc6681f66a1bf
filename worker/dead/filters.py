"""Filter of dead letters, as every command takes it: as facts, as text, as a test."""

import re
import shlex
from collections.abc import Sequence
from typing import Any

import msgspec

from worker.dead.condition import Condition
from worker.dead.letter import Letter, raw_of
from worker.purchasely.moment import parse_time_ms
from worker.purchasely.payload import read_object
from worker.purchasely.person import person_names, plain_name

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


class Filter(msgspec.Struct, frozen=True):
    """All conditions must be met; of several values of one kind, any. Times of failure in Unix ms, `until` excluded.

    `job`: those that failed last in this replay, or that this edit has changed since.
    """

    integrations: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    causes: tuple[str, ...] = ()
    person: str = ""
    since_ms: int = 0
    until_ms: int = 0
    where: tuple[Condition, ...] = ()
    job: str = ""

    @property
    def names_causes(self) -> bool:
        """Whether it chooses among causes."""
        return bool(self.reasons or self.fields or self.events or self.statuses or self.causes)

    @property
    def reads_letters(self) -> bool:
        """Whether the letters themselves must be read to know."""
        return bool(self.person or self.where or self.job)

    def takes_cause(self, cause: str, about: dict[str, Any]) -> bool:
        """Whether letters of this cause match."""
        return (
            (not self.causes or cause in self.causes)
            and (not self.reasons or about["reason"] in self.reasons)
            and (not self.fields or about["field"] in self.fields)
            and (not self.events or about["event"] in self.events)
            and (not self.statuses or about["status"] in self.statuses)
        )

    def takes(self, letter: Letter) -> bool:
        """Whether this letter matches."""
        if self.integrations and letter.integration not in self.integrations:
            return False
        if letter.failed_ms < self.since_ms or (self.until_ms and letter.failed_ms >= self.until_ms):
            return False
        return self.takes_cause(letter.cause, letter.about) and (not self.reads_letters or self._takes_payload(letter))

    def _takes_payload(self, letter: Letter) -> bool:
        if self.job and letter.job != self.job:
            return False
        if not (self.person or self.where):
            return True
        try:
            payload = read_object(raw_of(letter))
        except ValueError:
            return False
        if self.person and plain_name(self.person) not in person_names(payload) | {letter.person}:
            return False
        return all(condition.holds(payload) for condition in self.where)

    def text(self) -> str:
        """The filter as it would be typed; empty when it means every letter."""
        several: Sequence[tuple[str, Sequence[object]]] = (
            ("integration", self.integrations),
            ("reason", self.reasons),
            ("field", self.fields),
            ("event", self.events),
            ("status", self.statuses),
            ("cause", self.causes),
            ("person", [self.person] if self.person else []),
            ("since", [self.since_ms] if self.since_ms else []),
            ("until", [self.until_ms] if self.until_ms else []),
            ("job", [self.job] if self.job else []),
            ("where", [f"{c.path} {c.op} {c.value}".strip() for c in self.where]),
        )
        return " ".join(f"--{name} {shlex.quote(str(value))}" for name, values in several for value in values)


def read_time_ms(text: str, now_ms: int) -> int:
    """A moment: an age (`90s`, `30m`, `2h`, `3d`, `1w`), ISO 8601 (UTC unless it says otherwise), or Unix ms.

    Raises:
        ValueError: it is none of these.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return now_ms - int(float(ago[1]) * _UNIT_MS[ago[2]])
    if text.isascii() and text.isdigit() and len(text) >= 12:
        return int(text)
    moment = parse_time_ms(text.strip())
    if moment is None:
        raise ValueError(f"{text!r} is no time; write 30m, 2h, 3d, or 2026-01-31T08:00")
    return moment
