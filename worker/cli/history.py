"""Printing of fates of events: one line an integration, in sentences."""

import time
from typing import TYPE_CHECKING

from worker.cli.printing import span

if TYPE_CHECKING:
    from worker.history.trace import Passed, Trace

_FILTERED = {
    "disabled": "the integration is disabled",
    "environment": "it does not take this environment",
    "environment_unclaimed": "no integration takes this environment",
    "event_off": "the event filter has it off",
    "anonymous": "nobody is logged in, and anonymous people are skipped",
    "late": "older than 72 h when it came, and late events are skipped",
    "suppressed": "the person is suppressed",
    "discarded": "given up by a person",
    "no_person": "its id is a placeholder, not a person",
}
_WAITING = {
    "queued": "waits for its turn",
    "held:operator": "waits: an operator holds the integration",
    "held:unauthorized": "waits: Customer.io rejects the key",
    "held:unreachable": "waits: Customer.io does not answer",
    "held:misdirected": "waits: this region or address does not take it",
    "held:dead_limit": "waits: too many failed events",
}
_UNKNOWN = {
    "not_joined": "not read yet: the integration has not joined this stream",
    "letter_gone": "failed, and its dead letter was replayed or discarded since",
    "no_trail": "settled, and its trail is not kept",
}


def moment(at_ms: int, *, utc: bool = False) -> str:
    """A time for people, in this machine's zone or in UTC."""
    parts = time.gmtime(at_ms / 1000) if utc else time.localtime(at_ms / 1000)
    return time.strftime("%Y-%m-%d %H:%M:%S", parts) + (" UTC" if utc else "")


def sentence(passed: "Passed") -> str:
    """What one integration made of an event.

    >>> from worker.history.trace import Passed
    >>> sentence(Passed("crm", "delivered", "", "Renewed", 3, "", 0, 200, 1, 41, 1))
    '✓ sent as Renewed, Customer.io 200, 41 ms (revision 3)'
    """
    match passed.outcome:
        case "delivered":
            tries = "" if passed.attempts <= 1 else f" after {passed.attempts} attempts"
            status = f", Customer.io {passed.status}" if passed.status else ""
            by = f", by replay {passed.by}" if passed.by else ""
            text = f"✓ sent as {passed.name}{status}{tries}, {span(passed.took_ms)}{by}{_refused(passed)}"
        case "filtered" if passed.reason == "shadow":
            text = f"○ in shadow: would have been sent as {passed.name}{_where(passed)}"
        case "filtered":
            text = f"- not sent: {_FILTERED.get(passed.reason, passed.reason)}{_where(passed)}{_refused(passed)}"
        case "dead":
            text = f"✗ failed, {passed.reason}{_said(passed)}"
        case "waiting":
            said = f" ({passed.message})" if passed.reason != "queued" and passed.message else ""
            return f"… {_WAITING.get(passed.reason, passed.reason)}{said}"
        case "forgotten":
            text = "- not sent: the person was forgotten"
        case _:
            return f"? {_UNKNOWN.get(passed.reason, passed.reason)}"
    return text + (f" (revision {passed.revision})" if passed.revision else "")


def lines(trace: "Trace", *, utc: bool = False) -> list[str]:
    """An event and its fates, for people."""
    from config.catalogue import catalogue

    event = trace.event
    known = catalogue().events.get(event.event_name)
    what = known.description if known else "a code that is not in the catalogue"
    width = max((len(one.integration) for one in trace.integrations), default=0)
    return [
        f"{moment(event.received_ms, utc=utc)}  {event.event_name or '(no event_name)'}  {what}",
        *(f"   {one.integration.ljust(width)}  {sentence(one)}" for one in trace.integrations),
    ]


def _refused(passed: "Passed") -> str:
    """That Customer.io refused what the event says of its person."""
    if passed.reason != "properties_rejected" and not passed.letter:
        return ""
    return f"; what it says of the person was refused{_said(passed)}"


def _said(passed: "Passed") -> str:
    """What a dead letter says, and where to read more."""
    said = f": {passed.message}" if passed.message else ""
    return said + (f"  → relay dead show {passed.letter}" if passed.letter else "")


def _where(passed: "Passed") -> str:
    return f" ({passed.rule}, line {passed.line})" if passed.line else ""
