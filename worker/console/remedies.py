"""Remedies: what to do in the console about a group of failures."""

from config.effective import PERSON_FIELDS
from worker.dead.groups import Group

_CURES = {
    "not_json": "These bytes are no event: something wrote to Redis past the web door. Find it, then discard them.",
    "no_event_name": "A sender leaves event_name out: tell them. Write it in (Change a field), or discard these.",
    "webhook_version": "Purchasely sends webhook version 2: switch it to version 3 there. These can only be discarded.",
    "no_person": "If another field of theirs names the person, add it under People and {publish}; then replay them. "
    "Else write the person in (Change a field), or discard these.",
    "invalid_time": "Their time cannot be read: tell the sender. Correct it (Change a field), or discard these.",
    "too_large": "Leave the field out (Advanced), switch the property off, or give the event a shorter name; "
    "{publish}, then replay them.",
    "rejected": "Change what Customer.io refuses: another name for the event, or without the attribute; {publish}, "
    "then replay them.",
    "properties_rejected": "The event arrived; what it says of the person did not. Switch the property off or correct "
    "it, {publish}, then replay them.",
    "crashed_mapping": "The relay itself failed at these: keep one for a bug report, upgrade, then replay them.",
    "crashed_worker": "These made a worker crash: keep one for a bug report, upgrade, then try three first.",
}


# What is needed cannot be left out where it is too large.
_TOO_LARGE = {
    "event_name": "Give the event a shorter name, here or under Server events; {publish}, then replay them.",
    **dict.fromkeys(
        PERSON_FIELDS,
        "An id is longer than Customer.io takes: tell the sender. Write the person in (Change a field), or discard "
        "these.",
    ),
}


def remedy_of(one: Group, owner_file: str) -> str:
    """What to do about it from the console; where a file owns the configuration the change is taken there."""
    publish = "take the change to the file that owns the configuration" if owner_file else "publish"
    cure = _CURES.get(one.reason, "Look at one of them.")
    return (_TOO_LARGE.get(one.field, cure) if one.reason == "too_large" else cure).format(publish=publish)
