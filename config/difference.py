"""Difference between two configurations, in words."""

from collections.abc import Iterator
from typing import Any

from config.effective import Identity, Integration, Integrations, Source

_PLAIN = (
    "enabled",
    "send",
    "source",
    "region",
    "base_url",
    "environments",
    "anonymous",
    "dates",
    "late",
    "merge_transfers",
    "include",
    "exclude",
    "start",
)
_CHAIN = {
    "id_fields": "id",
    "email_fields": "email",
    "email_like_user_id": "email_like_user_id",
    "placeholders": "placeholders",
}


def difference(before: Integrations, after: Integrations) -> list[str]:
    """One line for each thing that differs; a secret is only said to differ."""
    lines: list[str] = []
    for name in sorted(before.sources.keys() | after.sources.keys()):
        lines += _source(name, before.sources.get(name), after.sources.get(name))
    for name in sorted(before.integrations.keys() | after.integrations.keys()):
        old, new = before.integrations.get(name), after.integrations.get(name)
        if old is None or new is None:
            lines.append(f"integration {name}: {'added' if old is None else 'removed'}")
        else:
            lines += [f"integration {name}: {line}" for line in _integration(old, new)]
    lines += [f"plan {line}" for line in _pairs(_plans(before), _plans(after))]
    return lines


def _source(name: str, old: Source | None, new: Source | None) -> Iterator[str]:
    if old is None or new is None:
        yield f"source {name}: {'added' if old is None else 'removed'}"
        return
    for field, what in (("webhook_secrets", "webhook secrets"), ("tokens", "tokens")):
        if getattr(old, field) != getattr(new, field):
            yield f"source {name}: other {what}"
    for line in _identity(old.identity, new.identity):
        yield f"source {name}: {line}; who moves to another shard by it begins there with nothing known"
    if old.signature_tolerance_s != new.signature_tolerance_s:
        yield f"source {name}: signature_tolerance_s {old.signature_tolerance_s} -> {new.signature_tolerance_s}"


def _integration(old: Integration, new: Integration) -> Iterator[str]:
    for field in _PLAIN:
        former, later = getattr(old, field), getattr(new, field)
        if former != later:
            yield f"{field} {_shown(former)} -> {_shown(later)}"
    if (old.identity, old.source_identity) != (new.identity, new.source_identity):
        yield from _identity(old.identity, new.identity)
    if (old.site_id, old.api_key) != (new.site_id, new.api_key):
        yield "another site_id or api_key"
    if old.default_event != new.default_event:
        yield f"all other events: {_switch(old.default_event)} -> {_switch(new.default_event)}"
    for code in sorted(old.events.keys() | new.events.keys()):
        former_name, later_name = old.sent_name(code), new.sent_name(code)
        if former_name != later_name:
            yield f"event {code}: {_sent(former_name)} -> {_sent(later_name)}"
    yield from (f"property {line}" for line in _pairs(old.properties, new.properties))
    yield from (f"renamed field {line}" for line in _pairs(old.rename, new.rename))


def _identity(old: Identity, new: Identity) -> Iterator[str]:
    for field, what in _CHAIN.items():
        former, later = getattr(old, field), getattr(new, field)
        if former != later:
            yield f"identity.{what} {_shown(former)} -> {_shown(later)}"


def _pairs(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield f"{name}: {old.get(name, 'off')} -> {new.get(name, 'off')}"


def _plans(integrations: Integrations) -> dict[str, str]:
    return next((one.plans for one in integrations.integrations.values()), {})


def _shown(value: Any) -> str:
    if isinstance(value, frozenset | tuple):
        return "[" + ", ".join(sorted(value) if isinstance(value, frozenset) else value) + "]"
    return "all" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _switch(on: bool) -> str:
    return "sent" if on else "not sent"


def _sent(name: str | None) -> str:
    return "not sent" if name is None else f'sent as "{name}"'
