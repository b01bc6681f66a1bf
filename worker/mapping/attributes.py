"""Attributes: what of a payload and of a person's properties is sent to Customer.io, and in which form."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from config.integrations import Integration
from config.never_sent import is_credential, is_never_sent
from worker.mapping.operation import ATTRIBUTE_VALUE_LIMIT_BYTES, ATTRIBUTES_LIMIT
from worker.mapping.outcome import Dead
from worker.people.properties import DATE_PROPERTIES
from worker.purchasely.documented import DATE_MAX_MS, FIELDS, TIME_MAX_MS, Documented
from worker.purchasely.event import Event
from worker.purchasely.learnt import as_sent
from worker.purchasely.payload import write_object


class EventAttributes:
    """The `attributes` of one integration's events: the payload without nulls, secrets and what is excluded."""

    def __init__(self, integration: Integration) -> None:
        self._include = integration.include
        self._exclude = integration.exclude
        self._rename = integration.rename
        self._plain = self._include is None and not self._exclude and not self._rename
        self._picks = self._picks_of(Documented)

    def of(self, event: Event, *, late: bool) -> bytes:
        """The JSON object of an event's attributes.

        Most payloads need no change: then the bytes received are passed on, not encoded again.
        """
        payload = event.payload
        if isinstance(payload, Documented):
            if self._plain and not late:
                if type(payload) is Documented:
                    return event.raw
                if (passed := as_sent(event.raw, payload)) is not None:
                    return passed
            kept = self._picked(payload)
        else:
            kept = self._chosen(payload)
        if late:
            kept["late"] = True
        return write_object(kept)

    def _picked(self, payload: Documented) -> dict[str, Any]:
        """Of a payload that was read into a struct: its values are plain, so each is taken from its place."""
        told, picks = self._picks
        if told is not type(payload):  # a new field was learnt
            told, picks = self._picks = self._picks_of(type(payload))
        values = msgspec.structs.astuple(payload)
        return {name: value for place, name in picks if (value := values[place]) is not None}

    def _picks_of(self, told: type[Documented]) -> tuple[type[Documented], list[tuple[int, str]]]:
        """For that kind of struct: which places are sent, and under which names."""
        fields = enumerate(told.__struct_fields__)
        return told, [(place, name) for place, field in fields if (name := self._name(field))]

    def _chosen(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Of a payload that was read as a dictionary."""
        kept = {}
        for field, value in payload.items():
            if value is not None and (name := field if self._plain and field in FIELDS else self._name(field)):
                kept[name] = _clean(value) if type(value) is dict or type(value) is list else value
        return kept

    def _name(self, field: str) -> str:
        """The name under which a field is sent; empty: it is not."""
        if field in self._exclude or (self._include is not None and field not in self._include):
            return ""
        if field not in FIELDS and _is_never_sent(field):
            return ""
        return self._rename.get(field, field)


@lru_cache(maxsize=1024)
def _is_never_sent(field: str) -> bool:
    return is_never_sent(field)


def _clean(value: Any) -> Any:
    """A nested value without nulls and secrets."""
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items() if v is not None and not is_credential(k)}
    if isinstance(value, list):
        return [_clean(v) for v in value if v is not None]
    return value


def person_attributes(properties: Mapping[str, Any], integration: Integration) -> dict[str, Any] | Dead:
    """The enabled properties under their names in Customer.io; None clears an attribute there.

    Dates become Unix seconds, since Customer.io's date segments need them, or ISO 8601 where the integration says so.
    """
    names, iso = integration.properties, integration.dates == "iso"
    attributes: dict[str, Any] = {}
    for field, value in properties.items():
        name = names.get(field)
        if name is None:
            if not field.startswith("cumulated_revenue_in_") or "cumulated_revenue_in_*" not in names:
                continue
            name = field
        if type(value) is int and field in DATE_PROPERTIES:
            # as Customer.io can hold it; None, which clears the attribute, for one that it cannot
            if iso:
                attributes[name] = iso_time(value) if value < DATE_MAX_MS else None
            else:
                attributes[name] = value // 1000 if value < TIME_MAX_MS else None
        elif type(value) is str and len(value) * 4 > ATTRIBUTE_VALUE_LIMIT_BYTES and (dead := _oversize(field, value)):
            return dead
        else:
            attributes[name] = value
    if len(attributes) > ATTRIBUTES_LIMIT:
        message = f"{len(attributes)} user properties; the limit is {ATTRIBUTES_LIMIT}"
        return Dead("too_large", "map", "user_properties", message=message)
    return attributes


def _oversize(field: str, value: str) -> Dead | None:
    size = len(value.encode())
    if size <= ATTRIBUTE_VALUE_LIMIT_BYTES:
        return None
    message = f"user property {field} is {size} bytes; the limit is {ATTRIBUTE_VALUE_LIMIT_BYTES}"
    return Dead("too_large", "map", field, message=message)


def has_oversize(payload: Mapping[str, Any]) -> bool:
    """Whether a value of the payload is too long for a user property."""
    return any(
        isinstance(v, str) and len(v.encode("utf-8", "surrogatepass")) > ATTRIBUTE_VALUE_LIMIT_BYTES
        for v in payload.values()
    )


def iso_time(time_ms: int) -> str:
    """An instant up to the year 9999 as ISO 8601 in UTC with milliseconds, as Purchasely writes it."""
    try:
        moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return str(time_ms)
    return f"{moment.isoformat()[:19]}.{time_ms % 1000:03d}Z"
