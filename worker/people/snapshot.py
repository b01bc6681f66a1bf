"""Snapshot: what one event says of its subscription or purchase, the fields that become properties."""

from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec

from config.trimmed import trimmed
from worker.purchasely.documented import DATE_MAX_MS, MAX_TEXT, Documented, Payload
from worker.purchasely.moment import number_ms, parse_time_ms
from worker.purchasely.person import text_id

Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
TimeMs = Annotated[int, msgspec.Meta(ge=0, le=DATE_MAX_MS)]


class Snapshot(msgspec.Struct, array_like=True, gc=False):
    """Payload fields by their own names, absent ones None; dates in Unix milliseconds, DATE_MAX_MS when beyond.

    The order is the stored order: a new field goes to the end.
    """

    environment: Text | None = None
    store: Text | None = None
    store_country: Text | None = None
    store_product_id: Text | None = None
    store_transaction_id: Text | None = None
    store_original_transaction_id: Text | None = None
    product: Text | None = None
    plan: Text | None = None
    purchase_type: Text | None = None
    subscription_status: Text | None = None
    offer_type: Text | None = None
    is_family_shared: bool | None = None
    original_purchased_at: TimeMs | None = None
    purchased_at: TimeMs | None = None
    next_renewal_at: TimeMs | None = None
    effective_next_renewal_at: TimeMs | None = None
    previous_offer_type: Text | None = None
    previous_plan: Text | None = None
    offer_identifier: Text | None = None
    offer_code_ref_name: Text | None = None
    promotional_offer_id: Text | None = None
    content_id: Text | None = None
    placement: Text | None = None
    presentation: Text | None = None
    grace_period_expires_at: TimeMs | None = None
    defer_end_at: TimeMs | None = None
    auto_resume_at: TimeMs | None = None


FIELDS: Final = Snapshot.__struct_fields__
DATES: Final = frozenset(field for field in FIELDS if field.endswith("_at"))

_KEYS = tuple(field + "_ms" if field in DATES else field for field in FIELDS)
_DATE_INDEXES = tuple((index, field) for index, field in enumerate(FIELDS) if field in DATES)
# What is decided by; everything else goes on as it came.
_CODE_INDEXES = tuple(FIELDS.index(field) for field in ("purchase_type", "subscription_status", "offer_type"))
# They name things, so a number is one too, as it is for every other identifier.
_IDS: Final = frozenset({"store_transaction_id", "store_original_transaction_id"})


@lru_cache(maxsize=256)
def code_of(text: str) -> str:
    """A code as Purchasely spells it: in capitals, with nothing around it.

    Its own attribute table has "CONSUMABLE " with a trailing space.

    >>> code_of(" auto_renewing ")
    'AUTO_RENEWING'
    """
    return trimmed(text).upper()[:MAX_TEXT]


def read_snapshot(payload: Payload) -> Snapshot:
    """The snapshot of one payload; a value of the wrong type is as good as absent.

    Every date comes twice, as `x` (ISO 8601) and `x_ms` (integer): the integer is preferred, as it
    needs no parsing.
    """
    get = payload.get
    values: list[Any] = [*map(get, _KEYS)]
    for index, field in _DATE_INDEXES:
        if values[index] is None and (iso := get(field)) is not None:
            values[index] = parse_time_ms(iso)
    for index in _CODE_INDEXES:
        if type(values[index]) is str:
            values[index] = code_of(values[index])
    try:
        return msgspec.convert(values, Snapshot)
    except msgspec.ValidationError:
        return _salvage(values, payload)


def snapshot_of(told: Documented) -> Snapshot:
    """The same of a payload that is as documented: its values are of the right types already."""
    if (
        (told.purchased_at_ms is None and told.purchased_at is not None)
        or (told.original_purchased_at_ms is None and told.original_purchased_at is not None)
        or (told.next_renewal_at_ms is None and told.next_renewal_at is not None)
        or (told.effective_next_renewal_at_ms is None and told.effective_next_renewal_at is not None)
        or (told.grace_period_expires_at_ms is None and told.grace_period_expires_at is not None)
        or (told.defer_end_at_ms is None and told.defer_end_at is not None)
        or (told.auto_resume_at_ms is None and told.auto_resume_at is not None)
    ):
        return read_snapshot(told)  # a date may be there as text alone
    kind, status, offer_type = told.purchase_type, told.subscription_status, told.offer_type
    return Snapshot(
        told.environment,
        told.store,
        told.store_country,
        told.store_product_id,
        told.store_transaction_id,
        told.store_original_transaction_id,
        told.product,
        told.plan,
        kind and code_of(kind),
        status and code_of(status),
        offer_type and code_of(offer_type),
        told.is_family_shared,
        told.original_purchased_at_ms,
        told.purchased_at_ms,
        told.next_renewal_at_ms,
        told.effective_next_renewal_at_ms,
        told.previous_offer_type,
        told.previous_plan,
        told.offer_identifier,
        told.offer_code_ref_name,
        told.promotional_offer_id,
        told.content_id,
        told.placement,
        told.presentation,
        told.grace_period_expires_at_ms,
        told.defer_end_at_ms,
        told.auto_resume_at_ms,
    )


def _salvage(values: list[Any], payload: Payload) -> Snapshot:
    """The snapshot of the values that are of the right type."""
    for index, field in enumerate(FIELDS):
        value = values[index]
        if field in DATES:
            values[index] = _time_ms(value) or _time_ms(payload.get(field))
        elif field == "is_family_shared":
            values[index] = value if isinstance(value, bool) else None
        elif field in _IDS:
            values[index] = text_id(value)[:MAX_TEXT] or None
        else:
            values[index] = value[:MAX_TEXT] if isinstance(value, str) else None
    return Snapshot(*values)


def _time_ms(value: object) -> int | None:
    time_ms = parse_time_ms(value)
    if time_ms is None:
        time_ms = number_ms(value)
    return min(time_ms, DATE_MAX_MS) if time_ms is not None and time_ms >= 0 else None
