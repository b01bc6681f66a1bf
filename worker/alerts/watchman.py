"""Watchman: one process at a time looks what needs somebody and sends it; any of them can, so that one is left to."""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress

import redis

from config.quiet import read_quiet
from worker.alerts.certificates import read_certificates
from worker.alerts.record import AlertRecord
from worker.alerts.staging import Due, due, text_of, text_of_end
from worker.alerts.targets import Message, Outcome, Target, read_targets, send
from worker.app import Relay
from worker.errors import OperatorError
from worker.ledger.figures import Ledger
from worker.ledger.needs import Need
from worker.process.eventlog import EventLog
from worker.process.pulse import Pulse

log = EventLog(__name__)

EVERY_S = 15.0
_LEASE_MS = 60_000
_CERTIFICATES_S = 3_600.0

Send = Callable[[list[tuple[Target, Message]]], list[Outcome]]


class Watchman:
    """The looks of one process; `send` delivers messages."""

    def __init__(self, parts: Relay, targets: list[Target], send: Send = send) -> None:
        self._parts = parts
        self._targets = targets
        self._send = send
        self._record = AlertRecord(parts.redis)
        self._quiet = read_quiet(parts.settings.alert_quiet)
        self._token = uuid.uuid4().hex
        self._read_s = -_CERTIFICATES_S

    def look(self) -> None:
        """One look, if no other process looks."""
        if not self._record.claim(self._token, _LEASE_MS):
            return
        if time.monotonic() - self._read_s >= _CERTIFICATES_S:
            self._read_s = time.monotonic()
            self._record.note_certificates(read_certificates(self._parts.settings))
        if self._targets:
            self.tell(Ledger(self._parts).needs(), time.time_ns() // 1_000_000)

    def tell(self, needs: list[Need], now_ms: int) -> None:
        """Send each target what is due of these needs; one that refuses is tried again at the next look."""
        self._record.forget(target.digest for target in self._targets)
        known = [self._record.known(target.digest) for target in self._targets]
        found = [due(needs, one, now_ms, self._quiet) for one in known]
        messages = [
            (n, message)
            for n, one in enumerate(found)
            for message in _messages(self._parts.settings.alert_name, one, now_ms)
        ]
        outcomes = self._send([(self._targets[n], message) for n, message in messages]) if messages else []
        failed = set()
        for (n, message), outcome in zip(messages, outcomes, strict=True):
            target = self._targets[n]
            if outcome == "sent":
                log.info("alert_sent", target=target.name, kind=message.kind, title=message.title)
            else:
                failed.add(n)
                log.warning("alert_not_sent", target=target.name, kind=message.kind, outcome=outcome)
        for n, (target, was, one) in enumerate(zip(self._targets, known, found, strict=True)):
            self._record.keep(target.digest, one.before if n in failed else one.after, was)

    def leave(self) -> None:
        """Let another process look at once."""
        with suppress(redis.RedisError, OSError):
            self._record.release(self._token)


def _messages(name: str, found: Due, now_ms: int) -> list[Message]:
    messages = []
    if found.now:
        first = found.now[0][0]
        more = f", and {len(found.now) - 1} more" if len(found.now) > 1 else ""
        urgent = any(need.urgent for need, _ in found.now)
        body = text_of(found.now, now_ms, found.after)
        messages.append(Message(f"{name}: {first.message}{more}", body, "failure" if urgent else "warning"))
    if found.over:
        more = f", and {len(found.over) - 1} more" if len(found.over) > 1 else ""
        title = f"{name}: over: {found.over[0].message}{more}"
        messages.append(Message(title, text_of_end(found.over), "success"))
    return messages


class Watch:
    """A process's part in it: looks from a thread of its own, between `start` and `stop`."""

    def __init__(self, watchman: Watchman, every_s: float) -> None:
        self._watchman = watchman
        self._pulse = Pulse(self._step, every_s)

    def _step(self) -> None:
        with suppress(redis.RedisError, OSError):
            self._watchman.look()

    def start(self) -> None:
        """Look from now on."""
        self._pulse.start()

    def stop(self) -> None:
        """Look no more, and let another process do it at once."""
        self._pulse.stop()
        self._watchman.leave()


def watch(parts: Relay) -> Watch:
    """The part of this process; web ones look less often, so that it is a worker or beat while there is one."""
    try:
        targets = read_targets(parts.settings.alert_urls.get_secret_value())
    except OperatorError as error:
        log.error("alerts_unavailable", message=error)  # noqa: TRY400 - it says what to do
        targets = []
    return Watch(Watchman(parts, targets), EVERY_S * 4 if parts.role == "web" else EVERY_S)
