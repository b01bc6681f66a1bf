"""Targets of alerts: a message is sent by a process of its own with an end, whatever Slack or a mail server does."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Final, Literal

import msgspec

from worker.errors import OperatorError

Kind = Literal["failure", "warning", "success", "info"]
Outcome = Literal["sent", "refused", "not understood", "too slow"]

PATIENCE_S: Final = 20.0
# What a process that is about to end waits for its targets.
LEAVING_S: Final = 5.0
_LOOK_S: Final = 0.05
_OUTCOMES: Final[dict[int, Outcome]] = {0: "sent", 3: "not understood"}


class Message(msgspec.Struct, frozen=True):
    """What is sent; `kind` decides colour and urgency where the target has such."""

    title: str
    body: str
    kind: Kind


class Target(msgspec.Struct, frozen=True):
    """Where to send: an address of apprise, which holds a secret; `number` and the scheme name it for people."""

    number: int
    address: str

    def __repr__(self) -> str:
        """Never the address."""
        return self.name

    @property
    def name(self) -> str:
        """What it is called in a log line: "2 (slack)"."""
        return f"{self.number} ({self.address.partition('://')[0][:20]})"

    @property
    def digest(self) -> str:
        """What it is called in Redis."""
        return hashlib.sha256(self.address.encode()).hexdigest()[:12]


def read_targets(text: str) -> list[Target]:
    """The targets of RELAY_ALERT_URLS, separated by spaces or newlines.

    Raises:
        OperatorError: something is no address, or the extra is not installed.
    """
    addresses = text.split()
    for n, address in enumerate(addresses, 1):
        if "://" not in address:
            raise OperatorError(
                f"RELAY_ALERT_URLS: number {n} is no address; write addresses of apprise, like "
                "slack://TOKEN/#channel or mailto://user:password@example.com, separated by spaces"
            )
    if addresses and find_spec("apprise") is None:
        raise OperatorError(
            'RELAY_ALERT_URLS needs the extra alerts: pip install "purchasely-customerio-relay[alerts]"'
        )
    return [Target(n, address) for n, address in enumerate(addresses, 1)]


def send(
    targets: Sequence[tuple[Target, Message]],
    patience_s: float = PATIENCE_S,
    is_leaving: Callable[[], bool] = lambda: False,
    ended: Callable[[int, Outcome], object] = lambda *_: None,
) -> list[Outcome]:
    """Send to all at the same time; what became of each, after `patience_s` for all of them together at the latest.

    `ended` is called with each position and outcome as soon as there is one. Once `is_leaving`, whatever answers is
    waited for a moment longer, so that what was sent is known.
    """
    running = [_post(target, message, patience_s) for target, message in targets]
    outcomes: dict[int, Outcome] = {}
    ends_s = time.monotonic() + patience_s
    try:
        while len(outcomes) < len(running):
            is_last = time.monotonic() >= ends_s
            codes = [process.poll() for process in running]  # of one moment
            for at, code in enumerate(codes):
                if at not in outcomes and (is_last or code is not None):
                    outcomes[at] = "too slow" if code is None else _OUTCOMES.get(code, "refused")
                    ended(at, outcomes[at])
            if is_leaving():
                ends_s = min(ends_s, time.monotonic() + LEAVING_S)
                is_leaving = _no
            if len(outcomes) < len(running):
                time.sleep(_LOOK_S)
    finally:
        for process in running:
            process.kill()
            process.wait()
    return [outcomes[at] for at in range(len(running))]


def _no() -> bool:
    return False


def _post(target: Target, message: Message, patience_s: float) -> "subprocess.Popen[bytes]":
    """Begin to send; the process ends by itself a little later, when nobody is left to end it."""
    asked = {"address": target.address, "patience_s": patience_s + LEAVING_S, **msgspec.structs.asdict(message)}
    # the address goes through a pipe: arguments are for everybody on the machine to see
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.alerts.post"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.write(msgspec.json.encode(asked))
        process.stdin.close()
    return process
