"""A payload that is as Purchasely documents it: its fields, their types, read in one pass.

Most payloads are: then nothing in them is a secret, null or of a meaning of its own in Customer.io, so the bytes can be
passed on as they were received, and no dictionary is made. What else a payload may hold is in `learnt`.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol

import msgspec

# Customer.io reads an integer outside these bounds as milliseconds or as garbage and replaces it by
# "now" in silence; the range is that of its own Ruby client (reference: Track API, timestamps).
TIME_MIN_MS = 999_999_999_000
TIME_MAX_MS = 100_000_000_000_000
# A date may be further away: a lifetime plan renews in the year 9999. Whatever is beyond counts as this.
DATE_MAX_MS = 253_402_300_800_000

# What is known of a person must stay small, so a longer text is cut there. What is left is still far beyond the
# 1000 bytes that Customer.io takes as a value (Track API, limits), so whoever tells it sees that.
MAX_TEXT = 4096


class Payload(Protocol):
    """What a payload can be asked: the value of a field, None when it is absent."""

    # ruff: noqa: D102

    def get(self, field: str, /) -> Any: ...


# A field is absent or of its type: a null is neither, so None stands for absence alone.
if TYPE_CHECKING:
    _Text = str | None
    _TimeMs = int | None
    _Small = int | None
    _Amount = float | None
    _Flag = bool | None
else:
    _Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
    _TimeMs = Annotated[int, msgspec.Meta(ge=0, le=DATE_MAX_MS)]
    _Small = Annotated[int, msgspec.Meta(ge=0, le=1000)]
    _Amount = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float  # 10 is not to go on as 10.0
    _Flag = bool


class Documented(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The fields of Purchasely's attribute tables (webhook version 3) but for `purchase_token`, absent ones None.

    In the order of Purchasely's own payloads, by length of the name, so that decoding finds each field where it looks
    first. A subclass has further fields: see `learnt`; it says which are never sent (with the name as it is spelt
    in JSON), which are revenue, and whether fields may be null.
    """

    __secret__: ClassVar[tuple[tuple[str, bytes], ...]] = ()
    __nulls__: ClassVar[bool] = False
    __revenue__: ClassVar[tuple[str, ...]] = ()

    plan: _Text = None
    store: _Text = None
    ab_test: _Text = None
    channel: _Text = None
    product: _Text = None
    user_id: _Text = None
    audience: _Text = None
    event_id: _Text = None
    provider: _Text = None
    device_id: _Text = None
    placement: _Text = None
    content_id: _Text = None
    event_name: _Text = None
    offer_type: _Text = None
    api_version: _Small = None
    device_type: _Text = None
    environment: _Text = None
    defer_end_at: _Text = None
    presentation: _Text = None
    purchased_at: _Text = None
    amount_in_eur: _Amount = None
    amount_in_usd: _Amount = None
    previous_plan: _Text = None
    purchase_type: _Text = None
    store_country: _Text = None
    auto_resume_at: _Text = None
    ab_test_variant: _Text = None
    defer_end_at_ms: _TimeMs = None
    next_renewal_at: _Text = None
    purchased_at_ms: _TimeMs = None
    event_created_at: _Text = None
    is_family_shared: _Flag = None
    offer_identifier: _Text = None
    store_product_id: _Text = None
    anonymous_user_id: _Text = None
    auto_resume_at_ms: _TimeMs = None
    customer_currency: _Text = None
    plan_price_in_eur: _Amount = None
    plan_price_in_usd: _Amount = None
    source_event_name: _Text = None
    customerio_user_id: _Text = None
    next_renewal_at_ms: _TimeMs = None
    event_created_at_ms: _TimeMs = None
    offer_code_ref_name: _Text = None
    previous_offer_type: _Text = None
    store_app_bundle_id: _Text = None
    subscription_status: _Text = None
    promotional_offer_id: _Text = None
    store_transaction_id: _Text = None
    customerio_user_email: _Text = None
    original_purchased_at: _Text = None
    transferred_to_user_id: _Text = None
    grace_period_expires_at: _Text = None
    original_purchased_at_ms: _TimeMs = None
    transferred_from_user_id: _Text = None
    cumulated_revenues_in_eur: _Amount = None
    cumulated_revenues_in_usd: _Amount = None
    effective_next_renewal_at: _Text = None
    previous_store_product_id: _Text = None
    grace_period_expires_at_ms: _TimeMs = None
    purchasely_subscription_id: _Text = None
    amount_in_customer_currency: _Amount = None
    effective_next_renewal_at_ms: _TimeMs = None
    store_original_transaction_id: _Text = None
    from_purchasely_subscription_id: _Text = None
    plan_price_in_customer_currency: _Amount = None
    purchasely_one_time_purchase_id: _Text = None
    transferred_to_anonymous_user_id: _Text = None
    transferred_from_anonymous_user_id: _Text = None

    def get(self, field: str, /) -> Any:
        """The value of a field, None when it is absent: as of a dictionary."""
        return getattr(self, field, None)


FIELDS: Final = frozenset(Documented.__struct_fields__)
