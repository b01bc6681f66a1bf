"""Targets of alerts: a message is sent by a process of its own with an end, whatever Slack or a mail server does."""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Final, Literal

import msgspec

from worker.errors import OperatorError

Kind = Literal["failure", "warning", "success", "info"]
Outcome = Literal["sent", "refused", "not understood", "too slow"]

PATIENCE_S: Final = 20.0
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


def send(targets: Sequence[tuple[Target, Message]], patience_s: float = PATIENCE_S) -> list[Outcome]:
    """Send to all at the same time; what became of each after `patience_s` at the latest."""
    running = []
    for target, message in targets:
        asked = msgspec.json.encode({"address": target.address, **msgspec.structs.asdict(message)})
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
            process.stdin.write(asked)
            process.stdin.close()
        running.append(process)
    return [_outcome(process, patience_s) for process in running]


def _outcome(process: "subprocess.Popen[bytes]", patience_s: float) -> Outcome:
    try:
        return _OUTCOMES.get(process.wait(patience_s), "refused")
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "too slow"
