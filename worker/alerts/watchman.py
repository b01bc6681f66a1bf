"""Watchman: one process at a time looks what needs somebody and sends it; any of them can, so that one is left to."""

import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

import msgspec
import redis

from config.quiet import read_quiet
from worker.alerts.certificates import read_certificates
from worker.alerts.record import AlertRecord
from worker.alerts.staging import Due, Sent, due, text_of, text_of_end
from worker.alerts.targets import LEAVING_S, Message, Outcome, Target, read_targets, send
from worker.app import Relay
from worker.errors import OperatorError
from worker.ledger.figures import Ledger
from worker.ledger.need import Need
from worker.process.eventlog import EventLog
from worker.process.pulse import Pulse

log = EventLog(__name__)

EVERY_S = 15.0
LEASE_MS = 60_000  # a look that sends takes a third of it
_CERTIFICATES_S = 3_600.0
# A target that does not take messages is tried at the next look, and then less and less often: each try is a process.
_RETRY_MS = 15_000
_RETRY_MOST_MS = 300_000

Post = tuple[Target, Message]
Ended = Callable[[int, Outcome], object]
# What to send, whether this process is about to end, and what to call with what became of each.
Send = Callable[[list[Post], Callable[[], bool], Ended], object]


def _send(posts: list[Post], is_leaving: Callable[[], bool], ended: Ended) -> None:
    send(posts, is_leaving=is_leaving, ended=ended)


class _Round(msgspec.Struct):
    """One look's part of one target: what it knew, what is due, the messages, and what became of those that ended."""

    target: Target
    was: dict[str, Sent]
    found: Due
    messages: list[Message]
    outcomes: list[tuple[Message, Outcome]] = []


class Watchman:
    """The looks of one process; `send` delivers messages."""

    def __init__(self, parts: Relay, targets: list[Target], send: Send = _send) -> None:
        self._parts = parts
        self._targets = targets
        self._send = send
        self._record = AlertRecord(parts.redis)
        self._quiet = read_quiet(parts.settings.alert_quiet)
        self._token = uuid.uuid4().hex
        self._read_s = -_CERTIFICATES_S
        self._leaving = threading.Event()
        self._refused: dict[str, tuple[int, int]] = {}  # target -> how often in a row, and not before when (ms)

    def look(self) -> None:
        """One look, if no other process looks."""
        if not self._record.claim(self._token, LEASE_MS):
            return
        if time.monotonic() - self._read_s >= _CERTIFICATES_S:
            self._read_s = time.monotonic()
            self._record.note_certificates(read_certificates(self._parts.settings))
        if not self._targets:
            return
        needs = Ledger(self._parts).needs()
        if self._record.claim(self._token, LEASE_MS):  # whatever was read took its time
            self.tell(needs, time.time_ns() // 1_000_000)

    def tell(self, needs: list[Need], now_ms: int) -> None:
        """Send each target what is due of these needs; a message that it refuses is tried again later."""
        self._record.forget(target.digest for target in self._targets)
        rounds = [self._round(target, needs, now_ms) for target in self._targets]
        posts = [(one, message) for one in rounds for message in one.messages]

        def ended(at: int, outcome: Outcome) -> None:
            one, message = posts[at]
            one.outcomes.append((message, outcome))
            if len(one.outcomes) == len(one.messages):
                self._note(one, now_ms)  # at once: whoever is killed while others hang has it sent again else

        for one in rounds:
            if not one.messages:
                self._record.keep(one.target.digest, one.found.known(now_taken=False, over_taken=False), one.was)
        if posts:
            self._send([(one.target, message) for one, message in posts], self._leaving.is_set, ended)

    def _round(self, target: Target, needs: list[Need], now_ms: int) -> _Round:
        was = self._record.known(target.digest)
        found = due(needs, was, now_ms, self._quiet)
        # longer than it ever waits: the clock was set back
        waits = 0 < self._refused.get(target.digest, (0, 0))[1] - now_ms <= _RETRY_MOST_MS
        return _Round(target, was, found, [] if waits else _messages(self._parts.settings.alert_name, found, now_ms))

    def _note(self, one: _Round, now_ms: int) -> None:
        """What a target took, and when it is tried again, should it have refused anything."""
        target, taken = one.target, set()
        for message, outcome in one.outcomes:
            if outcome == "sent":
                taken.add(message.kind == "success")
                log.info("alert_sent", target=target.name, kind=message.kind, title=message.title)
            else:
                log.warning("alert_not_sent", target=target.name, kind=message.kind, outcome=outcome)
        if len(taken) == len(one.messages):
            self._refused.pop(target.digest, None)
        else:
            times, _ = self._refused.get(target.digest, (0, 0))
            self._refused[target.digest] = times + 1, now_ms + min(_RETRY_MOST_MS, _RETRY_MS * 2 ** min(times, 10))
        self._record.keep(target.digest, one.found.known(now_taken=False in taken, over_taken=True in taken), one.was)

    def hasten(self) -> None:
        """Wait no longer than a moment for targets from now on."""
        self._leaving.set()

    def leave(self) -> None:
        """Let another process look at once."""
        with suppress(redis.RedisError, OSError):
            self._record.release(self._token)


def _messages(name: str, found: Due, now_ms: int) -> list[Message]:
    messages = []
    if found.now:
        first, _ = found.now[0]
        more = f", and {len(found.now) - 1} more" if len(found.now) > 1 else ""
        urgent = any(need.urgent for need, _ in found.now)
        body = text_of(found, now_ms)
        messages.append(Message(f"{name}: {first.message}{more}", body, "failure" if urgent else "warning"))
    if found.over:
        more = f", and {len(found.over) - 1} more" if len(found.over) > 1 else ""
        title = f"{name}: over: {next(iter(found.over.values())).message}{more}"
        messages.append(Message(title, text_of_end(found), "success"))
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
        """Look no more, and let another process do it at once, unless a look is under way, which it would repeat."""
        self._watchman.hasten()
        if self._pulse.stop(LEAVING_S + 1):
            self._watchman.leave()


def watch(parts: Relay) -> Watch:
    """The part of this process; web ones look less often, so that it is a worker or beat while there is one."""
    try:
        targets = read_targets(parts.settings.alert_urls.get_secret_value())
    except OperatorError as error:
        log.error("alerts_unavailable", message=error)  # noqa: TRY400 - it says what to do
        targets = []
    return Watch(Watchman(parts, targets), EVERY_S * 4 if parts.role == "web" else EVERY_S)
