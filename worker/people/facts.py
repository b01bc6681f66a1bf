"""All that one event tells of a person, taken out of its payload at once, so that the payload need not be kept."""

from typing import Final

import msgspec

from worker.people.revenue import read_revenue
from worker.people.snapshot import Snapshot, read_snapshot, snapshot_of
from worker.purchasely.documented import TIME_MAX_MS, TIME_MIN_MS, Documented, Payload
from worker.purchasely.event import Event, text_id

MAX_KEY = 200

# Opens the key of what came without Purchasely's id.
UNNAMED: Final = "~"


class Facts(msgspec.Struct, gc=False):
    """What an event tells.

    `about` is the key of the subscription, or (`once`) of the one-time purchase that it concerns, empty when it names
    none; `former` the subscription that a plan change ends; `moved_to` the user who gets what this one loses. Texts are
    empty when absent. `time_ms` is when the event was received when it carries no usable time of its own.
    """

    name: str
    key: str
    time_ms: int
    about: str
    once: bool
    snapshot: Snapshot
    source: str
    former: str
    user_id: str
    anonymous_user_id: str
    device_id: str
    moved_to: str
    revenue: list[tuple[str, float]]


def read_facts(event: Event) -> Facts:
    """The facts of an event; a value of the wrong type is as good as absent."""
    payload, time_ms = event.payload, event.time_ms
    if time_ms is None or not TIME_MIN_MS < time_ms < TIME_MAX_MS:
        time_ms = event.received_ms
    if type(payload) is Documented and (about := text_id(payload.purchasely_subscription_id)):
        return _of_subscription(event, payload, about, time_ms)
    get = payload.get
    about, once = _about(payload, event.name)
    source = get("source_event_name")
    return Facts(
        event.name,
        event.key[:MAX_KEY],
        time_ms,
        about,
        once,
        snapshot_of(payload) if type(payload) is Documented else read_snapshot(payload),
        source if type(source) is str else "",
        _id(get("from_purchasely_subscription_id")),
        _id(get("user_id")),
        _id(get("anonymous_user_id")),
        _id(get("device_id")),
        _id(get("transferred_to_user_id")),
        read_revenue(payload),
    )


def _of_subscription(event: Event, told: Documented, about: str, time_ms: int) -> Facts:
    """The same of the payload that most are: as documented, and about a subscription."""
    former, user_id, anonymous = told.from_purchasely_subscription_id, told.user_id, told.anonymous_user_id
    device_id, moved_to = told.device_id, told.transferred_to_user_id
    return Facts(
        event.name,
        event.key[:MAX_KEY],
        time_ms,
        about[:MAX_KEY],
        False,
        snapshot_of(told),
        told.source_event_name or "",
        _id(former) if former else "",
        _id(user_id) if user_id else "",
        _id(anonymous) if anonymous else "",
        _id(device_id) if device_id else "",
        _id(moved_to) if moved_to else "",
        read_revenue(told),
    )


def _id(value: object) -> str:
    return "" if value is None else text_id(value)[:MAX_KEY]


def _about(payload: Payload, name: str) -> tuple[str, bool]:
    """The key of what the event is about, and whether that is a one-time purchase."""
    if key := text_id(payload.get("purchasely_subscription_id")):
        return key[:MAX_KEY], False
    if key := text_id(payload.get("purchasely_one_time_purchase_id")):
        return key[:MAX_KEY], True
    key = text_id(payload.get("store_original_transaction_id"))
    if not key:
        key = text_id(payload.get("plan")) or text_id(payload.get("product"))
    kind = payload.get("purchase_type")
    once = name.startswith("ONE_TIME_PURCHASE_") or (
        isinstance(kind, str) and kind.strip() in {"CONSUMABLE", "NON_CONSUMABLE"}
    )
    return (UNNAMED + key)[:MAX_KEY] if key else "", once
