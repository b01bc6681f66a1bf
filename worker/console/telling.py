"""What pages say of an event in words: what its code means, and what one integration made of it."""

from config.catalogue import catalogue
from worker.dead.advice import what_is_wrong
from worker.history.sentences import sentence
from worker.history.trace import Passed

# A page shows the outcome as a state before the words: these would say it twice.
_SAID_BY_STATE = ("sent as ", "not sent: ", "waits: ", "waits ")


def meaning(code: str) -> str:
    """What a code means, in a sentence."""
    known = catalogue().events.get(code)
    if known:
        return known.description
    return "A code that is not in the catalogue." if code else "The event has no name."


def phrase(passed: Passed) -> str:
    """What one integration made of an event, beside the state that says whether it was sent.

    >>> phrase(Passed("crm", "filtered", "late", "Renewed", 3, "", 0, 0, 0, 0, 1))
    'older than 72 h when it came, and late events are skipped (revision 3)'
    >>> phrase(Passed("crm", "dead", "no_event_name", "", 3, "", 0, 0, 0, 0, 1))
    'the event has no name (event_name) (revision 3)'
    """
    words = sentence(passed, pointing=False)[2:]
    if passed.outcome == "dead":
        return words.replace(f"failed, {passed.reason}", what_is_wrong(passed.reason, "", passed.status), 1)
    for start in _SAID_BY_STATE:
        if words.startswith(start):
            return f"as {words[len(start) :]}" if passed.outcome == "delivered" else words[len(start) :]
    return words
