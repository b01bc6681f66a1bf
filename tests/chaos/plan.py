"""What goes wrong in a chaos run, and when: the same seed makes the same plan."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal

Track = Literal["machine", "destination", "sender"]

# A track's kinds come in turns, each turn shuffled: a plan of any length has as many of each as can be.
KINDS: dict[Track, dict[str, str]] = {
    "machine": {
        "kill web": "SIGKILL of the web door",
        "kill child": "SIGKILL of a worker's child, most likely in the middle of a batch",
        "kill worker": "SIGKILL of a worker's main process",
        "kill beat": "SIGKILL of beat",
        "stop worker": "SIGTERM of a whole worker, as a deployment does",
        "stop web": "SIGTERM of the web door",
        "freeze web": "SIGSTOP of the web door, SIGCONT seconds later",
        "freeze child": "SIGSTOP of a worker's child for longer than its lease, then SIGCONT",
        "freeze worker": "SIGSTOP of a whole worker for longer than its leases, then SIGCONT",
        "kill redis": "SIGKILL of Redis, started again later from its append-only file",
        "fill redis": "Redis refuses writes (maxmemory), until there is room again",
        "pause redis": "Redis answers nothing (CLIENT PAUSE)",
        "cut redis": "every connection to Redis is closed, the broker's too",
        "deafen redis": "answers of Redis get lost on the way, after the commands ran",
        "flush scripts": "Redis forgets its scripts",
        "flush broker": "Celery's messages are gone",
    },
    "destination": {
        "status_500": "500, nothing applied",
        "status_503": "503 with Retry-After, nothing applied",
        "status_429": "429 with Retry-After, nothing applied",
        "status_408": "408, nothing applied",
        "unauthorized": "401: the key is refused for a while",
        "redirect": "301 to another host",
        "reset_before": "connection reset, nothing applied",
        "reset_after": "connection reset after the batch was applied",
        "error_after": "500 after the batch was applied",
        "truncated": "the answer is cut in the middle, after the batch was applied",
        "drip": "the answer drips without end, after the batch was applied",
        "slow": "no answer in time, though the batch was applied",
        "slow_before": "no answer in time, and the batch applied only if the caller still waits",
        "hangup": "the connection is closed in silence after an answer",
        "multi_not_json": "207 with a page that is not JSON, after the batch was applied",
    },
    "sender": {
        "redeliver": "events that were accepted are sent again, shuffled across people",
    },
}
# Kinds that are only in a plan when their flag is given: plans without it stay what they were.
DRIPPING: dict[Track, dict[str, str]] = {
    "destination": {"drip_head": "the answer's headers drip without end, after the batch was applied"},
}
NONSENSE: dict[Track, dict[str, str]] = {
    "machine": {"babble redis": "Redis answers the web door +OK to whatever it asked, after the command ran"},
    "destination": {
        "nonsense": "an answer that is no HTTP, after the batch was applied",
        "multi_stray_index": "207 about an item that was not sent, after the batch was applied",
    },
}
# What strikes a batch in the air, or the step that settles it, comes more often.
WEIGHTS = {"freeze child": 3, "freeze worker": 2, "kill child": 2, "deafen redis": 2}
SHARES: dict[Track, float] = {"machine": 0.45, "destination": 0.45, "sender": 0.10}

# Seconds a fault of the machine takes at most, with what follows it: the next one comes after.
MACHINE_PACE_S = 5.5
SECONDS_A_FAULT = MACHINE_PACE_S * SHARES["machine"]


@dataclass(frozen=True)
class Fault:
    """One fault: when it begins (seconds from the start), how long it lasts, and a number to choose its victim by."""

    at_s: float
    track: Track
    kind: str
    lasts_s: float
    dice: float


def all_kinds(*, dripping: bool = False, nonsense: bool = False) -> dict[Track, dict[str, str]]:
    """What may go wrong, by track, with what it means; the kinds of a flag come after the others."""
    more = [*([DRIPPING] if dripping else []), *([NONSENSE] if nonsense else [])]
    return {
        track: {**kinds, **{k: v for one in more for k, v in one.get(track, {}).items()}}
        for track, kinds in KINDS.items()
    }


def make_plan(seed: int, faults: int, lease_s: float, *, dripping: bool = False, nonsense: bool = False) -> list[Fault]:
    """The faults of a run, by time."""
    all_of = all_kinds(dripping=dripping, nonsense=nonsense)
    machine = round(faults * SHARES["machine"])
    destination = round(faults * SHARES["destination"])
    counts: dict[Track, int] = {
        "machine": machine,
        "destination": destination,
        "sender": faults - machine - destination,
    }
    plan: list[Fault] = []
    for track, count in counts.items():
        dice = random.Random(f"{seed} {track}")
        pace_s = faults * SECONDS_A_FAULT / max(1, count)
        for place, kind in enumerate(islice(_kinds(list(all_of[track]), dice), count)):
            begins_s = place * pace_s + dice.uniform(0, 0.15) * pace_s
            plan.append(Fault(begins_s, track, kind, _lasts_s(kind, dice, lease_s), dice.random()))
    return sorted(plan, key=lambda fault: fault.at_s)


def _kinds(of_track: list[str], dice: random.Random) -> Iterator[str]:
    for kinds in cycle([[kind for kind in of_track for _ in range(WEIGHTS.get(kind, 1))]]):
        dice.shuffle(kinds)
        yield from list(kinds)


def _lasts_s(kind: str, dice: random.Random, lease_s: float) -> float:
    if kind.startswith("freeze"):
        return dice.uniform(lease_s + 1.0, lease_s + 2.4)  # long enough for an heir to have settled something
    return dice.uniform(0.3, 2.5)
