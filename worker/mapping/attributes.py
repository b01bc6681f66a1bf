"""Attributes: what of a payload and of a person's properties is sent to Customer.io, and in which form."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from config.integrations import Integration
from config.never_sent import is_credential, is_never_sent
from worker.mapping.operation import ATTRIBUTE_VALUE_LIMIT_BYTES, ATTRIBUTES_LIMIT
from worker.mapping.outcome import Dead
from worker.people.properties import DATE_PROPERTIES
from worker.purchasely.documented import DATE_MAX_MS, FIELDS, TIME_MAX_MS, Documented
from worker.purchasely.event import Event
from worker.purchasely.learnt import as_sent
from worker.purchasely.payload import write_object


def event_attributes(event: Event, integration: Integration, *, late: bool) -> bytes:
    """The JSON object of an event's `attributes`: the payload without nulls, secrets and what is excluded.

    Most payloads need no change: then the bytes received are passed on, not encoded again.
    """
    payload = event.payload
    plain = integration.include is None and not integration.exclude and not integration.rename
    if plain and not late:
        if type(payload) is Documented:
            return event.raw
        if isinstance(payload, Documented) and (passed := as_sent(event.raw, payload)) is not None:
            return passed
    kept = {}
    for field, value in (event.fields() if isinstance(payload, Documented) else payload).items():
        if value is None or (field not in FIELDS and _is_never_sent(field)):
            continue
        told = _clean(value) if type(value) is dict or type(value) is list else value
        if plain:
            kept[field] = told
        elif _wanted(field, integration):
            kept[integration.rename.get(field, field)] = told
    if late:
        kept["late"] = True
    return write_object(kept)


def _wanted(field: str, integration: Integration) -> bool:
    if integration.include is not None and field not in integration.include:
        return False
    return field not in integration.exclude


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
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"
