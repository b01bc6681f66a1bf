"""Facts of one event about its person, taken out of the payload at once, so that it need not be kept."""

from collections.abc import Container
from typing import Final

import msgspec

from config.trimmed import trimmed
from worker.people.revenue import read_revenue
from worker.people.snapshot import Snapshot, code_of, read_snapshot, snapshot_of
from worker.purchasely.documented import Documented, Payload
from worker.purchasely.event import Event
from worker.purchasely.person import text_id

MAX_KEY = 200
CLOCK_TOLERANCE_MS: Final = 300_000

# Opens the key of what came without Purchasely's id.
UNNAMED: Final = "~"


class Facts(msgspec.Struct, gc=False):
    """What an event tells.

    `about` is the key of the subscription, or (`once`) of the one-time purchase that it concerns, empty when it names
    none; `former` the subscription that a plan change ends; `moved_to` the user who gets what this one loses,
    `moved_from` the anonymous id that had what this one gets. Texts are empty when absent. `time_ms` orders the event
    among others: it is when the event was received if that carries no usable time, or one from the future.
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
    moved_from: str = ""


def order_ms(event: Event, tolerance_ms: int) -> int:
    """When an event happened, for the order among others; its receipt, when it says nothing that can be believed.

    Senders' clocks may be ahead by `tolerance_ms`. What lies further in the future would be newer than all that comes
    until then.
    """
    time_ms, received_ms = event.time_ms, event.received_ms
    return received_ms if time_ms is None or time_ms > received_ms + tolerance_ms else time_ms


def read_facts(
    event: Event, placeholders: Container[str] = (), time_ms: int | None = None, like: Snapshot | None = None
) -> Facts:
    """The facts of an event; a value of the wrong type is as good as absent.

    `placeholders` are ids that mean nobody. `time_ms` is its place in the order, where that is known. `like` is the
    snapshot of an earlier event: siblings, which tell the same, then share it, and less is in memory.
    """
    payload = event.payload
    if time_ms is None:
        time_ms = order_ms(event, CLOCK_TOLERANCE_MS)
    if isinstance(payload, Documented) and (named := payload.purchasely_subscription_id) and (about := trimmed(named)):
        return _of_subscription(event, payload, about, time_ms, placeholders, like)
    get = payload.get
    about, once = _about(payload, event.name)
    source = get("source_event_name")
    return Facts(
        event.name,
        event.key[:MAX_KEY],
        time_ms,
        about,
        once,
        snapshot_of(payload) if isinstance(payload, Documented) else read_snapshot(payload),
        code_of(source) if type(source) is str else "",
        _id(get("from_purchasely_subscription_id"), placeholders),
        _id(get("user_id"), placeholders),
        _id(get("anonymous_user_id"), placeholders),
        _id(get("device_id"), placeholders),
        _id(get("transferred_to_user_id"), placeholders),
        read_revenue(payload),
        _id(get("transferred_from_anonymous_user_id"), placeholders),
    )


def _of_subscription(
    event: Event, told: Documented, about: str, time_ms: int, placeholders: Container[str], like: Snapshot | None
) -> Facts:
    """The same of the payload that most are: as documented, and about a subscription."""
    snapshot = snapshot_of(told)
    if like is not None and snapshot == like:
        snapshot = like
    former, user_id, anonymous = told.from_purchasely_subscription_id, told.user_id, told.anonymous_user_id
    device_id, moved_to, moved_from = (
        told.device_id,
        told.transferred_to_user_id,
        told.transferred_from_anonymous_user_id,
    )
    return Facts(
        event.name,
        event.key[:MAX_KEY],
        time_ms,
        about[:MAX_KEY],
        False,
        snapshot,
        code_of(told.source_event_name) if told.source_event_name else "",
        _text(former, placeholders) if former else "",
        _text(user_id, placeholders) if user_id else "",
        _text(anonymous, placeholders) if anonymous else "",
        _text(device_id, placeholders) if device_id else "",
        _text(moved_to, placeholders) if moved_to else "",
        read_revenue(told),
        _text(moved_from, placeholders) if moved_from else "",
    )


def _id(value: object, placeholders: Container[str]) -> str:
    return "" if value is None else _text(text_id(value), placeholders)


def _text(value: str, placeholders: Container[str]) -> str:
    text = trimmed(value)
    return "" if text in placeholders else text[:MAX_KEY]


def _about(payload: Payload, name: str) -> tuple[str, bool]:
    """The key of what the event is about, and whether that is a one-time purchase."""
    if key := text_id(payload.get("purchasely_subscription_id")):
        return key[:MAX_KEY], False
    if key := text_id(payload.get("purchasely_one_time_purchase_id")):
        return key[:MAX_KEY], True
    # A first transaction is its own original.
    fields = ("store_original_transaction_id", "store_transaction_id", "plan", "product")
    key = next(filter(None, (text_id(payload.get(field)) for field in fields)), "")
    kind = payload.get("purchase_type")
    once = name.startswith("ONE_TIME_PURCHASE_") or (
        isinstance(kind, str) and code_of(kind) in {"CONSUMABLE", "NON_CONSUMABLE"}
    )
    return (UNNAMED + key)[:MAX_KEY] if key else "", once
