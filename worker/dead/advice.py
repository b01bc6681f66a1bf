"""Advice for on-call: what each cause of dead letters and each hold means, and what to do about it."""

import re
import shlex
from collections.abc import Sequence
from typing import Final

from config.effective import PERSON_FIELDS
from worker.mapping.outcome import DeadReason
from worker.store.holds import HoldKind

ADVICE: Final[dict[DeadReason, str]] = {
    "not_json": (
        "These bytes are no event: something wrote to Redis past the web door. Read one (dead show), find the writer, "
        "then discard."
    ),
    "no_event_name": (
        "A sender leaves event_name out. Tell the sender; write it in (dead edit --set event_name=NAME, or --copy "
        "event_name=FIELD where another field has it) and replay, or discard."
    ),
    "webhook_version": (
        "Purchasely sends webhook version 2. Switch the webhook to version 3 in Purchasely's console; these events are "
        "of another shape and can only be discarded."
    ),
    "no_person": (
        "No field names a person ({field} is tried first). If another field does: add it to the source's [identity], "
        "publish that ({publish}), then replay with --fixed. Else write the person in (dead edit --set "
        "user_id=ID), or discard."
    ),
    "invalid_time": (
        "{field} is present and cannot be read as a time; the message says why. Tell the sender; correct the time "
        "(dead edit --ms {field} makes seconds milliseconds, --set {field}=TIME writes one in) and replay."
    ),
    "too_large": (
        "{field} breaks a limit of Customer.io. If it is not needed there: leave it out ([event_attributes] exclude) "
        "or switch the property off, publish that ({publish}), then replay with --fixed. Else shorten it "
        "(dead edit), or discard."
    ),
    "rejected": (
        "Customer.io refused it. Read its message (dead show). Fix what it names, in the integrations file (publish "
        "that: {publish}) or in the letters (dead edit), then replay with --fixed: it skips what would be "
        "refused again unchanged."
    ),
    "properties_rejected": (
        "Customer.io took the event and refused what it says of the person: the event is counted as delivered, the "
        "profile is not up to date. Switch off or correct the property it names ([user_properties], a plan's name), "
        "publish that ({publish}), then replay with --fixed: the properties are sent as they are then, and "
        "the event has no second effect."
    ),
    "crashed_mapping": (
        "The relay itself failed at it; the message says where in its code. Keep one for a bug report (dead export), "
        "upgrade, then replay with --fixed."
    ),
    "crashed_worker": (
        "Its worker crashed on it again and again. Do not replay in bulk: read one (dead show), keep it for a bug "
        "report (dead export), upgrade, replay one alone, then the rest."
    ),
}

WRONG: Final[dict[DeadReason, str]] = {
    "not_json": "the stored bytes are no JSON object",
    "no_event_name": "the event has no name (event_name)",
    "webhook_version": "sent by version 2 of Purchasely's webhook",
    "no_person": "no field names a person ({tried})",
    "invalid_time": "{field} cannot be read as a time",
    "too_large": "{field} breaks a limit of Customer.io",
    "rejected": "Customer.io refused {part}{said}",
    "properties_rejected": "refused {part}{said}",
    "crashed_mapping": "the relay itself failed at it",
    "crashed_worker": "its worker crashed on it",
}

HOLDS: Final[dict[HoldKind, str]] = {
    "unauthorized": (
        "Customer.io refuses the key: correct it (relay check tells which). What env: refers to is read when a worker "
        "starts: restart those; a file or a sealed secret needs no restart. It resumes by itself."
    ),
    "unreachable": "Customer.io does not answer, or answers with errors: wait; it resumes by itself.",
    "misdirected": (
        "Something else answers: region or base_url is wrong (relay check); correct it and publish that ({publish}). "
        "It resumes by itself."
    ),
    "dead_limit": "Too many dead letters: replay or discard some; it resumes by itself once there is room.",
    "unknown_state": (
        "What is stored of a person cannot be read. If a newer release wrote it, run that release again: it resumes by "
        "itself. If it is damaged, relay resume {name} --rebuild makes it again from the events that are kept. Nothing "
        "is buried for it."
    ),
    "operator": "Somebody held it on purpose: relay resume ends it.",
}

# What ends a hold, as commands: {name} is the integration, {key} where its key is.
_STEPS: Final[dict[HoldKind, str]] = {
    "unauthorized": "relay check · correct {key} · relay resume {name}",
    "unreachable": "wait, it resumes by itself; or see to the network · relay resume {name}",
    "misdirected": "relay check · correct region or base_url · {publish} · relay resume {name}",
    "dead_limit": "relay dead · replay or discard some; it resumes by itself",
    "unknown_state": "run the newer release again · damaged: relay resume {name} --rebuild",
    "operator": "relay resume {name}",
}

# Of a hold because all that waits is refused as wrong in itself: nobody else's event is there to compare.
_REFUSED: Final = frozenset({400, 413, 422})
_REFUSED_ADVICE: Final = (
    "Customer.io refuses every event that it can be sent now: read its message, correct what it names in [events] or "
    "[event_attributes] and publish that ({publish}). If it was an outage, it resumes by itself; with somebody else's "
    "event that is taken the refused ones become dead letters, and the others go on."
)
_REFUSED_STEPS: Final = "correct what its message names in [events] or [event_attributes] · {publish} · or wait"

# Of a reason and what Customer.io refused: the table of the integrations file, and the payload's field.
_REMEDIES: Final[dict[tuple[str, str], tuple[str, str]]] = {
    ("rejected", "name"): ("[events]", "event_name"),
    ("rejected", "attributes"): ("[event_attributes]", ""),
    ("properties_rejected", ""): ("[user_properties]", ""),
    ("too_large", "event_name"): ("[events]", "event_name"),
    **{("too_large", field): ("the source's [identity]", field) for field in PERSON_FIELDS},
    ("too_large", ""): ("[event_attributes] or [user_properties]", ""),
    ("no_person", ""): ("the source's [identity]", "user_id"),
    ("no_event_name", ""): ("", "event_name"),
}

# What neither the file nor an edit can cure.
_OTHER_REMEDIES: Final[dict[str, str]] = {
    "not_json": 'relay dead discard {which} -m "no JSON"',
    "webhook_version": 'switch the webhook to version 3 · relay dead discard {which} -m "version 2"',
    "crashed_mapping": "upgrade the relay",
    "crashed_worker": "upgrade the relay",
}

_SERVER_FAULT: Final = 500  # the least HTTP status that says so

_SUCH: Final = {"event_name": "NAME"} | dict.fromkeys(PERSON_FIELDS, "ID")

# A field of them that is too large cannot be left out: without a name or a person the event fails again.
_NEEDED: Final = {
    "event_name": (
        "The event's name is longer than Customer.io takes. Give it a shorter one in [events], publish that "
        "({publish}), then replay with --fixed. Else write one in (dead edit --set event_name=NAME), or discard."
    )
} | dict.fromkeys(
    PERSON_FIELDS,
    "{field} is longer than an id may be in Customer.io. Tell the sender; write the person in (dead edit --set "
    "{field}=ID) and replay, or discard.",
)

_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_BY_NAME: Final[dict[str, str]] = {str(reason): text for reason, text in ADVICE.items()}
_HOLDS_BY_NAME: Final[dict[str, str]] = {str(kind): text for kind, text in HOLDS.items()}
_STEPS_BY_NAME: Final[dict[str, str]] = {str(kind): text for kind, text in _STEPS.items()}
_WRONG_BY_NAME: Final[dict[str, str]] = {str(reason): text for reason, text in WRONG.items()}


def publishing(file: str) -> str:
    """How a change of the configuration comes into force; `file` owns it, empty: none does.

    >>> publishing(""), publishing("/etc/relay/integrations.toml")
    ('relay config apply FILE', 'change /etc/relay/integrations.toml, restart a process that has it, such as beat')
    """
    return f"change {file}, restart a process that has it, such as beat" if file else "relay config apply FILE"


def advice(reason: str, field: str, file: str) -> str:
    """What to do about dead letters of a cause; a reason of another release has no advice of its own.

    `file` owns the configuration, empty: none does.
    """
    text = _BY_NAME.get(reason, "Read one (dead show).")
    if reason == "too_large":
        text = _NEEDED.get(field, text)
    return text.format(field=field or "A field", publish=publishing(file))


def is_refused(kind: str, status: int) -> bool:
    """Whether a hold is because Customer.io answers, and refuses all that waits."""
    return kind == "unreachable" and status in _REFUSED


def hold_advice(kind: str, file: str, status: int = 0, name: str = "NAME") -> str:
    """What to do about a hold of an integration, in a sentence; `file` owns the configuration, empty: none does."""
    text = _REFUSED_ADVICE if is_refused(kind, status) else _HOLDS_BY_NAME.get(kind, "see docs/runbook.md")
    return text.format(publish=publishing(file), name=name)


def hold_steps(kind: str, name: str, key: str, file: str, status: int = 0) -> str:
    """What ends a hold of an integration, as commands; empty for a kind of another release.

    >>> hold_steps("unauthorized", "crm-test", "TEST_API_KEY", "")
    'relay check · correct TEST_API_KEY · relay resume crm-test'
    """
    text = _REFUSED_STEPS if is_refused(kind, status) else _STEPS_BY_NAME.get(kind, "")
    return text.format(name=name, key=key, publish=publishing(file))


def hold_note(kind: str, key: str) -> str:
    """What the steps leave out: a variable's value is read when a process starts; `key` is where the key is.

    >>> hold_note("unauthorized", "TEST_API_KEY"), hold_note("unauthorized", "/run/secrets/key")
    ('Workers read TEST_API_KEY when they start: restart them once it is corrected.', '')
    """
    if kind != "unauthorized" or not _VARIABLE.fullmatch(key):
        return ""
    return f"Workers read {key} when they start: restart them once it is corrected."


def what_is_wrong(reason: str, field: str, status: int, tried: Sequence[str] = ()) -> str:
    """What has to be fixed, for people; `tried` are the fields that may name a person, where that is the matter.

    >>> what_is_wrong("rejected", "name", 207), what_is_wrong("no_person", "user_id", 0, ["user_id", "email"])
    ('Customer.io refused the event name (207)', 'no field names a person (user_id, email)')
    >>> what_is_wrong("properties_rejected", "attributes.plan", 207), what_is_wrong("rejected", "", 500)
    ('refused property: plan (207)', 'Customer.io fails at the event (500)')
    """
    said = f" ({status})" if status else ""
    text = _WRONG_BY_NAME.get(reason)
    if text is None:  # of another release
        return " · ".join(filter(None, [reason, field])) + said
    fields = ", ".join(tried) or f"{field or 'id'} is tried first"
    part = refused_part(field)
    if reason == "properties_rejected":
        part = part.replace("the attribute", "property:") if field else "properties of the person"
    elif reason == "rejected" and status >= _SERVER_FAULT:
        text = "Customer.io fails at the event{said}"
    return text.format(field=field or "a field", part=part, said=said, tried=fields)


def remedy(reason: str, field: str, which: str) -> str:
    """What would make such letters pass, for a plan; `which` are they, as `relay dead edit` takes them.

    >>> remedy("rejected", "name", "1")
    'fix it in [events], or relay dead edit 1 --set event_name=NAME'
    >>> remedy("invalid_time", "event_created_at_ms", "2")
    'relay dead edit 2 --ms event_created_at_ms if it is seconds, else --set event_created_at_ms=TIME'
    >>> remedy("rejected", "attributes.my $(reboot)", "3")
    "fix it in [event_attributes], or relay dead edit 3 --set 'my $(reboot)=VALUE'"
    >>> remedy("too_large", "note", "4")
    'leave it out in [event_attributes] or [user_properties], or relay dead edit 4 --unset note'
    >>> remedy("too_large", "event_name", "4")
    'fix it in [events], or relay dead edit 4 --set event_name=NAME'
    """
    outer, _, inner = field.partition(".")
    if reason == "invalid_time":
        when = field or "event_created_at_ms"
        return f"relay dead edit {which} --ms {when} if it is seconds, else --set {when}=TIME"
    if reason == "too_large" and field and field not in _NEEDED:
        table = "[event_attributes] or [user_properties]"
        return f"leave it out in {table}, or relay dead edit {which} --unset {shlex.quote(field)}"
    if reason == "rejected" and not field:
        return f"its message may say why (relay dead show); relay dead replay {which} --include-failing tries it again"
    if reason in _OTHER_REMEDIES:
        return _OTHER_REMEDIES[reason].format(which=which)
    table, payload_field = _REMEDIES.get((reason, outer)) or _REMEDIES.get((reason, ""), ("", ""))
    # a sender has chosen that name, and whoever is on call copies the line into a shell
    change = shlex.quote(f"{payload_field or inner or 'FIELD'}={_SUCH.get(payload_field, 'VALUE')}")
    edit = f"relay dead edit {which} --set {change}"
    return f"fix it in {table}, or {edit}" if table else edit


def refused_part(field: str) -> str:
    """What Customer.io refused, by its own name for it."""
    whole = {
        "": "the event",
        "name": "the event name",
        "timestamp": "the time",
        "identifiers": "the person's identifiers",
    }
    outer, _, inner = field.partition(".")
    return whole.get(field) or (f"the attribute {inner}" if outer == "attributes" and inner else field)
