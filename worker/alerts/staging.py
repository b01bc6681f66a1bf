"""Stages of alerts: which needs a target is sent now: first, after an hour, a day, when urgent, and once when over.

Pure: it takes the needs, what the target was sent so far and the time, and returns what to send and what is then known.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from config.quiet import QuietHours
from worker.ledger.need import Need
from worker.process.wording import span

# Seen at each look for so long before anybody is disturbed, and gone for so long before it is over: a process that is
# restarted, or a reading between two steps, is no news.
_STEADY_MS: Final = 60_000
_STAGES_MS: Final = (0, 3_600_000, 86_400_000)


class Sent(msgspec.Struct, frozen=True):
    """What a target knows of a need: since when it is seen, how many stages were sent, since when it is gone (0: not).

    `message` is that of the need when it was last seen; `urgent`: the target was sent it as urgent.
    """

    since_ms: int
    stages: int = 0
    gone_ms: int = 0
    message: str = ""
    urgent: bool = False


class Due(msgspec.Struct, frozen=True):
    """What to send to a target now: needs, and the ends of needs, each with what the target knows once it took them.

    `seen` is what it knows as long as it took nothing, by the need's key.
    """

    now: list[tuple[Need, Sent]]
    over: dict[str, Sent]
    seen: dict[str, Sent]

    def known(self, *, now_taken: bool, over_taken: bool) -> dict[str, Sent]:
        """What the target knows after it took the message about needs, and the one about their ends, or refused it."""
        known = {key: sent for key, sent in self.seen.items() if not (over_taken and key in self.over)}
        if now_taken:
            known |= {need.key: sent for need, sent in self.now}
        return known


def due(needs: Sequence[Need], known: Mapping[str, Sent], now_ms: int, quiet: QuietHours | None) -> Due:
    """What is due to a target that knows this much."""
    is_quiet = quiet is not None and quiet.has(now_ms)
    now: list[tuple[Need, Sent]] = []
    seen: dict[str, Sent] = {}
    for need in needs:
        was = known.get(need.key, Sent(now_ms))
        if was.since_ms > now_ms:  # noted by a host whose clock is ahead, or before this one was set back
            was = msgspec.structs.replace(was, since_ms=now_ms)
        seen[need.key] = msgspec.structs.replace(was, gone_ms=0, message=need.message)
        stage = _stage(now_ms - was.since_ms)
        worsened = need.urgent and not was.urgent and was.stages > 0
        if (stage > was.stages or worsened) and (need.urgent or not is_quiet):
            urgent = was.urgent or need.urgent
            now.append((need, msgspec.structs.replace(seen[need.key], stages=max(stage, was.stages), urgent=urgent)))
    over: dict[str, Sent] = {}
    for key in known.keys() - seen.keys():
        was = known[key]
        if not was.stages:
            continue  # nobody heard of it
        seen[key] = msgspec.structs.replace(was, gone_ms=min(was.gone_ms or now_ms, now_ms))
        if now_ms - seen[key].gone_ms >= _STEADY_MS and (was.urgent or not is_quiet):
            over[key] = seen[key]
    return Due(now, dict(sorted(over.items(), key=lambda one: one[1].since_ms)), seen)


def _stage(lasted_ms: int) -> int:
    """How many stages are reached after so long; 0: it may be nothing yet."""
    return sum(lasted_ms >= max(_STEADY_MS, stage_ms) for stage_ms in _STAGES_MS)


def text_of(found: Due, now_ms: int) -> str:
    """The body of a message about needs: what happened and what to do, a paragraph each."""
    paragraphs = []
    for need, sent in found.now:
        was = found.seen[need.key]
        how = "urgent now" if sent.urgent and not was.urgent else "still"
        lasts = f" ({how}, after {span(now_ms - was.since_ms)})" if was.stages else ""
        paragraphs.append(f"{need.message}{lasts}\n→ {need.advice}")
    return "\n\n".join(paragraphs)


def text_of_end(found: Due) -> str:
    """The body of a message about what is over."""
    return "\n".join(f"over after {span(one.gone_ms - one.since_ms)}: {one.message}" for one in found.over.values())
