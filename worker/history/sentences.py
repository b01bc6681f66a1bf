"""Sentences of the history: what one integration made of an event, in words."""

from worker.history.trace import Passed
from worker.process.wording import span

NOT_SENT = {
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
    "moved": "failed, and its dead letter is on another shard since",
    "no_trail": "settled, and its trail is not kept",
}


def sentence(passed: Passed, *, pointing: bool = True) -> str:
    """What one integration made of an event; `pointing`: with the command that shows its dead letter.

    >>> sentence(Passed("crm", "delivered", "", "Renewed", 3, "", 0, 200, 1, 41, 1))
    '✓ sent as Renewed, Customer.io 200, 41 ms (revision 3)'
    """
    match passed.outcome:
        case "delivered":
            tries = "" if passed.attempts <= 1 else f" after {passed.attempts} attempts"
            status = f", Customer.io {passed.status}" if passed.status else ""
            by = f", by replay {passed.by}" if passed.by else ""
            text = f"✓ sent as {passed.name}{status}{tries}, {span(passed.took_ms)}{by}{_refused(passed, pointing)}"
        case "filtered" if passed.reason == "shadow":
            text = f"○ in shadow: would have been sent as {passed.name}{_where(passed)}"
        case "filtered":
            why = (
                f"given up by {passed.by}"
                if passed.reason == "discarded" and passed.by
                else NOT_SENT.get(passed.reason, passed.reason)
            )
            text = f"- not sent: {why}{_where(passed)}{_refused(passed, pointing)}"
        case "dead":
            text = f"✗ failed, {passed.reason}{_said(passed, pointing)}"
        case "waiting":
            said = f" ({passed.message})" if passed.reason != "queued" and passed.message else ""
            return f"… {_WAITING.get(passed.reason, passed.reason)}{said}"
        case "forgotten":
            text = "- not sent: the person was forgotten"
        case _:
            return f"? {_UNKNOWN.get(passed.reason, passed.reason)}"
    return text + (f" (revision {passed.revision})" if passed.revision else "")


def _refused(passed: Passed, pointing: bool) -> str:
    """That Customer.io refused what the event says of its person."""
    if passed.reason != "properties_rejected" and not passed.letter:
        return ""
    return f"; what it says of the person was refused{_said(passed, pointing)}"


def _said(passed: Passed, pointing: bool) -> str:
    """What a dead letter says, and where to read more."""
    said = f": {passed.message}" if passed.message else ""
    return said + (f"  → relay dead show {passed.letter}" if pointing and passed.letter else "")


def _where(passed: Passed) -> str:
    return f" ({passed.rule}, line {passed.line})" if passed.line else ""
