"""One lane's ledger, and the sum that it must come to: accepted = delivered + filtered + dead + waiting."""

from collections.abc import Mapping

import msgspec


class Counts(msgspec.Struct, frozen=True):
    """What the ledger says of one integration on one shard, given what was added to its stream; counts of events.

    `position` is how many entries of the stream it is past; `filtered` is by reason, `latency` by upper bound (ms), and
    `late_ms_sum` the milliseconds in all.
    `properties` are dead letters of events that count as delivered or filtered: what they say of a person was refused.
    """

    accepted: int
    delivered: int
    filtered: dict[str, int]
    dead: int
    waiting: int
    position: int
    latency: dict[str, int]
    properties: int = 0
    late_ms_sum: int = 0


def read_counts(ledger: Mapping[str, str], added: int) -> Counts:
    """The counts of a ledger's hash; `added` is how many entries its stream ever took."""
    fields = {name: int(value) for name, value in ledger.items()}
    position = fields.get("position", 0)
    return Counts(
        accepted=added - fields.get("base", 0),
        delivered=fields.get("delivered", 0),
        filtered=_of_kind(fields, "filtered"),
        dead=fields.get("dead", 0),
        waiting=added - position,
        position=position,
        latency=_of_kind(fields, "late_ms"),
        properties=fields.get("properties", 0),
        late_ms_sum=fields.get("late_ms_sum", 0),
    )


def unaccounted(accepted: int, delivered: int, filtered: int, dead: int, waiting: int) -> int:
    """How many accepted events have no end and do not wait (below 0: how many have two); 0, always."""
    return accepted - delivered - filtered - dead - waiting


def _of_kind(fields: Mapping[str, int], kind: str) -> dict[str, int]:
    start = f"{kind}:"
    return {name.removeprefix(start): count for name, count in fields.items() if name.startswith(start)}
