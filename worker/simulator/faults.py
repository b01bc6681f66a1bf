"""Faults on purpose: which one, how often, and the answer it makes."""

import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Annotated, Literal, NamedTuple

import msgspec

JSON = (b"content-type", b"application/json; charset=utf-8")
# As recorded from the live API (reference: Track API, success).
NO_CACHE = (b"cache-control", b"no-cache, no-store, must-revalidate, max-age=0")

STATUSES = (400, 403, 404, 408, 413, 429, 500, 502, 503, 504)

# 200 and 207 answers, after applying, whose body a client must not trust.
SHAPES: dict[str, tuple[int, bytes]] = {
    "ok_with_errors": (200, b'{"errors":[{"batch_index":0,"reason":"invalid"}]}\n'),
    "ok_empty_body": (200, b""),
    "multi_no_errors": (207, b'{"errors":[]}\n'),
    "multi_only_index": (207, b'{"errors":[{"batch_index":0}]}\n'),
    "multi_stray_index": (207, b'{"errors":[{"batch_index":99999,"reason":"invalid"}]}\n'),
    "multi_no_index": (207, b'{"errors":[{"reason":"invalid"}]}\n'),
    "multi_not_json": (207, b"<html>Multi-Status"),
}

KINDS: dict[str, str] = {
    **{f"status_{status}": f"answer {status}, nothing applied" for status in STATUSES},
    "unauthorized": "answer 401, nothing applied",
    "redirect": "answer `redirect_status` to `redirect_to`, nothing applied",
    "reset_before": "reset the connection, nothing applied",
    "reset_after": "apply, then reset the connection",
    "error_after": "apply, then answer `error_after_status`",
    "slow": "apply, then wait `slow_s` before the answer",
    "slow_before": "wait `slow_s`, then apply and answer; nothing applied if the caller has gone",
    "truncated": "apply, then send half of the body and close",
    "drip": "apply, then send the answer a byte every `drip_s`",
    "drip_head": "apply, then send header bytes, one every `drip_s`, without end",
    "nonsense": "apply, then answer bytes that are no HTTP",
    "hangup": "apply and answer, then close the kept-alive connection without a word",
    **{name: f"apply, then answer {status} oddly" for name, (status, _) in SHAPES.items()},
}


class Answer(NamedTuple):
    """One HTTP answer."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = (JSON, NO_CACHE)


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """How often a fault strikes: the `next` N requests, then by chance (0 to 1)."""

    next: Annotated[int, msgspec.Meta(ge=0)] = 0
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


class Faults(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """All that goes wrong: `arm` by kind (see `KINDS`), and how; each request meets one at most."""

    arm: dict[str, Fault] = {}
    seed: int | None = None
    slow_s: Annotated[float, msgspec.Meta(ge=0)] = 15.0
    drip_s: Annotated[float, msgspec.Meta(ge=0)] = 0.5
    retry_after: Literal["none", "seconds", "date"] = "none"
    retry_after_s: Annotated[int, msgspec.Meta(ge=0)] = 1
    body: Literal["json", "html", "empty"] = "json"
    error_after_status: Annotated[int, msgspec.Meta(ge=300, le=599)] = 500
    redirect_status: Literal[301, 302, 303, 307, 308] = 301
    redirect_to: str = "https://track-eu.customer.io"
    reject_event_names: frozenset[str] = frozenset()
    """Events that are the invalid item of a 207."""
    reject_attributes: frozenset[str] = frozenset()
    """Attributes of a person whose identify is the invalid item of a 207."""
    refuse_event_names: frozenset[str] = frozenset()
    """Events that make their whole batch a 400."""
    fail_event_names: frozenset[str] = frozenset()
    """Events that make it fail at their whole batch, with a 500."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.arm) - set(KINDS))
        if unknown:
            raise ValueError(f"no such fault: {', '.join(unknown)}; there are {', '.join(KINDS)}")


class Dice:
    """Decides which request meets which fault, and counts them. The seed makes it repeatable."""

    def __init__(self, faults: Faults) -> None:
        self.counts: Counter[str] = Counter()
        self.load(faults)

    def load(self, faults: Faults) -> None:
        """Replace what goes wrong from now on; the counts go on."""
        self.faults = msgspec.structs.replace(
            faults, arm={kind: msgspec.structs.replace(f) for kind, f in faults.arm.items()}
        )
        self._random = random.Random(faults.seed)  # noqa: S311 - chance, not secrecy

    def draw(self) -> str:
        """The kind of fault the next request meets, or an empty text."""
        for kind, fault in self.faults.arm.items():
            if fault.next > 0:
                fault.next -= 1
            elif not fault.probability or self._random.random() >= fault.probability:
                continue
            self.counts[kind] += 1
            return kind
        return ""

    def refusal(self, kind: str, path: str, now_s: float) -> Answer | None:
        """The answer of a fault that applies nothing; None for the other faults."""
        if kind.startswith("status_"):
            return self.error(int(kind.removeprefix("status_")), now_s)
        if kind == "unauthorized":
            return Answer(401, b'{"meta":{"error":"Unauthorized"}}\n')
        if kind == "redirect":
            location = (b"location", (self.faults.redirect_to + path).encode())
            return Answer(self.faults.redirect_status, b"{}\n", (JSON, location))
        return None

    def error(self, status: int, now_s: float) -> Answer:
        """An error as asked for: with JSON, HTML or nothing, with or without `Retry-After`."""
        headers: tuple[tuple[bytes, bytes], ...] = (JSON,)
        body = b'{"meta":{"error":"simulated error %d"}}\n' % status
        if self.faults.body == "html":
            headers = ((b"content-type", b"text/html; charset=UTF-8"),)
            body = b"<!DOCTYPE html><html><title>Error %d</title></html>\n" % status
        elif self.faults.body == "empty":
            headers, body = (), b""
        if self.faults.retry_after != "none" and status in (408, 413, 429, 503):
            headers += ((b"retry-after", self._retry_after(now_s)),)
        return Answer(status, body, headers)

    def _retry_after(self, now_s: float) -> bytes:
        delay_s = self.faults.retry_after_s
        if self.faults.retry_after == "seconds":
            return b"%d" % delay_s
        moment = datetime.fromtimestamp(now_s, UTC) + timedelta(seconds=delay_s)
        return format_datetime(moment, usegmt=True).encode()


def read_fault(text: str) -> tuple[str, Fault]:
    """A fault from `KIND=next:N` or `KIND=PROBABILITY`.

    Raises:
        ValueError: it is neither.
    """
    parts = re.fullmatch(r"(\w+)=(?:next:(\d+)|(\d*\.?\d+))", text)
    if parts is None or float(parts[3] or 0) > 1:
        raise ValueError(f"{text!r} is not KIND=next:N or KIND=PROBABILITY (0 to 1)")
    return parts[1], Fault(next=int(parts[2] or 0), probability=float(parts[3] or 0))
