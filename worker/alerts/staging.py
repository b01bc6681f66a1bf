"""Stages of alerts: which needs a target is sent now: first, after an hour, after a day, and once when it is over.

Pure: it takes the needs, what the target was sent so far and the time, and returns what to send and what is then known.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from config.quiet import QuietHours
from worker.ledger.needs import Need
from worker.process.wording import span

# Seen at each look for so long before anybody is disturbed, and gone for so long before it is over: a process that is
# restarted, or a reading between two steps, is no news.
_STEADY_MS: Final = 60_000
_STAGES_MS: Final = (0, 3_600_000, 86_400_000)


class Sent(msgspec.Struct, frozen=True):
    """What a target knows of a need: since when it is seen, how many stages were sent, since when it is gone (0: not).

    `message` and `urgent` are those of the need when it was last seen.
    """

    since_ms: int
    stages: int = 0
    gone_ms: int = 0
    message: str = ""
    urgent: bool = False


class Due(msgspec.Struct, frozen=True):
    """What to send to a target now, and what it knows once that was sent; `now` are needs with the stage (from 1)."""

    now: list[tuple[Need, int]]
    over: list[Sent]
    after: dict[str, Sent]
    before: dict[str, Sent]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not self.now and not self.over


def due(needs: Sequence[Need], known: Mapping[str, Sent], now_ms: int, quiet: QuietHours | None) -> Due:
    """What is due. `before` is what is known when nothing can be sent: it is seen all the same."""
    is_quiet = quiet is not None and quiet.has(now_ms)
    found: list[tuple[Need, int]] = []
    over: list[Sent] = []
    after: dict[str, Sent] = {}
    before: dict[str, Sent] = {}
    for need in needs:
        was = known.get(need.key, Sent(now_ms))
        seen = Sent(was.since_ms, was.stages, 0, need.message, need.urgent)
        before[need.key] = after[need.key] = seen
        stage = _stage(now_ms - was.since_ms)
        if stage > was.stages and (need.urgent or not is_quiet):
            found.append((need, stage))
            after[need.key] = msgspec.structs.replace(seen, stages=stage)
    for key in known.keys() - after.keys():
        was = known[key]
        gone_ms = was.gone_ms or now_ms
        seen = msgspec.structs.replace(was, gone_ms=gone_ms)
        if not was.stages:
            continue  # nobody heard of it
        before[key] = after[key] = seen
        if now_ms - gone_ms >= _STEADY_MS and (was.urgent or not is_quiet):
            over.append(seen)
            del after[key]
    return Due(found, sorted(over, key=lambda one: one.since_ms), after, before)


def _stage(lasted_ms: int) -> int:
    """How many stages are reached after so long; 0: it may be nothing yet."""
    return sum(lasted_ms >= max(_STEADY_MS, stage_ms) for stage_ms in _STAGES_MS)


def text_of(found: Sequence[tuple[Need, int]], now_ms: int, known: Mapping[str, Sent]) -> str:
    """The body of a message about needs: what happened and what to do, a paragraph each."""
    paragraphs = []
    for need, stage in found:
        lasts = f" (still, after {span(now_ms - known[need.key].since_ms)})" if stage > 1 else ""
        paragraphs.append(f"{need.message}{lasts}\n→ {need.advice}")
    return "\n\n".join(paragraphs)


def text_of_end(over: Sequence[Sent]) -> str:
    """The body of a message about what is over."""
    return "\n".join(f"over after {span(one.gone_ms - one.since_ms)}: {one.message}" for one in over)
