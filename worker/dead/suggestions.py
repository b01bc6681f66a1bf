"""Suggestions for a group of failures: another name for an event, and the field that somebody may write in."""

import re
from typing import Final

from config.values import EVENT_NAME_LIMIT_BYTES

_GAPS: Final = re.compile(r"[\W_]+")
_WRITTEN_IN: Final = {"no_person": "user_id", "no_event_name": "event_name"}
# What bytes are that are no event, or of another version: no field of them can be changed for the better.
_UNEDITABLE: Final = frozenset({"not_json", "webhook_version"})
# The parts of an event by Customer.io's or Purchasely's name that a name is: with none it did not say which it refused.
_NAMES: Final = {"rejected": frozenset({"name", ""}), "too_large": frozenset({"name", "event_name"})}


def suggested_name(code: str) -> str:
    r"""An event code as words, letters and digits alone, within Customer.io's limit; empty: no other name.

    >>> suggested_name("LOYALTY_TIER_CHANGED"), suggested_name("<b>new\x1b_thing</b>"), suggested_name("Renewed")
    ('Loyalty Tier Changed', 'B new thing b', '')
    """
    words = _GAPS.sub(" ", code).strip()
    name = words.title() if words.isupper() else words[:1].upper() + words[1:]
    kept = name.encode()[:EVENT_NAME_LIMIT_BYTES].decode("utf-8", "ignore").strip()
    return kept if kept != code else ""


def is_about_name(reason: str, field: str) -> bool:
    """Whether such failures may be about the event's name.

    >>> is_about_name("rejected", "name"), is_about_name("rejected", "attributes.plan"), is_about_name("no_person", "")
    (True, False, False)
    """
    return field in _NAMES.get(reason, ())


def field_to_change(reason: str, field: str) -> str:
    """The payload's field that an edit would change; empty: nobody can tell.

    >>> field_to_change("no_person", "customerio_user_id"), field_to_change("rejected", "attributes.plan")
    ('user_id', 'plan')
    >>> field_to_change("invalid_time", "event_created_at_ms"), field_to_change("rejected", "name")
    ('event_created_at_ms', '')
    """
    if reason in _WRITTEN_IN:
        return _WRITTEN_IN[reason]
    if is_about_name(reason, field):  # that is done in the configuration, for the events to come as well
        return ""
    outer, _, inner = field.partition(".")
    return inner if outer in {"attributes", "traits"} else field


def is_editable(reason: str) -> bool:
    """Whether a field of such failures can be changed."""
    return reason not in _UNEDITABLE
