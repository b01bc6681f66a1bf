"""The stages that decide on one event, as a person reads them: what was looked at, and where the file says so.

`Mapper.decide` adds each stage as it comes to it, if it is asked to; so what is explained is what was decided.
"""

from typing import Any

import msgspec

from config.integrations import Integration
from config.never_sent import is_never_sent
from worker.mapping.attributes import iso_time
from worker.mapping.identity import Who
from worker.mapping.outcome import Dead, Filtered
from worker.purchasely.event import Event


class Stage(msgspec.Struct):
    """One stage: what was found, the line of the integrations file that rules it (0: none does), and how it ended."""

    stage: str
    why: str
    line: int = 0
    result: str = "passed"


Trace = list[Stage]


def _line(integration: Integration, key: str) -> int:
    return integration.lines.get(f"integrations.{integration.name}.{key}", 0)


def enabled(integration: Integration) -> Stage:
    """Whether the integration takes events at all."""
    return Stage("enabled", f"enabled = {str(integration.enabled).lower()}", _line(integration, "enabled"))


def name(event: Event) -> Stage:
    """Whether the event has a name."""
    return Stage("event_name", f'it is "{event.name}"' if event.name else "it has no event_name")


def environment(event: Event, integration: Integration) -> Stage:
    """Whether the integration takes the event's environment."""
    given = event.payload.get("environment")
    taken = ", ".join(sorted(integration.environments))
    found = f"the event is of {given}" if isinstance(given, str) and given else "the event names none: PRODUCTION"
    return Stage("environment", f"{found}; taken: {taken}", _line(integration, "environments"))


def event_filter(event: Event, integration: Integration) -> Stage:
    """Under which name the event is sent, if it is."""
    sent = integration.sent_name(event.name)
    rule, line = integration.rule(event.name)
    what = "not sent" if sent is None else f'sent as "{sent}"'
    return Stage("filter", f"{what}: {rule}" if rule else f"{what}: no line of the file is about it", line)


def suppressed(names: set[str]) -> Stage:
    """Whether the person is on the list of suppressed people."""
    return Stage("suppressed", f"suppressed: {', '.join(sorted(names))}" if names else "nobody it names is suppressed")


def person(who: Who | Filtered | Dead, integration: Integration) -> Stage:
    """Who in Customer.io the event is about."""
    match who:
        case Who():
            return Stage("person", f'{who.kind} "{who.value}", from {who.field}', _line(integration, "identity"))
        case Filtered("no_person"):
            why = "its ids are placeholders, which mean nobody"
        case Filtered():
            why = f'nobody is logged in; anonymous = "{integration.anonymous}"'
        case Dead():
            fields = ", ".join((*integration.identity.id_fields, *integration.identity.email_fields))
            why = who.message or f"none of {fields} and anonymous_user_id names anybody"
    return Stage("person", why, _line(integration, "identity.anonymous"))


def time(event: Event) -> Stage:
    """When the event happened."""
    if event.time_fault is not None:
        return Stage("time", event.time_fault.message)
    given = "it names no time, so it counts as of its receipt" if event.time_ms is None else iso_time(event.time_ms)
    return Stage("time", given)


def late(age_ms: int, integration: Integration) -> Stage:
    """Whether the event is too old to start a campaign in Customer.io."""
    why = f'{max(0, age_ms) // 3_600_000:,} h old; beyond 72 h: late = "{integration.late}"'
    return Stage("late", why, _line(integration, "late"))


def attributes(event: Event, sizes: str) -> Stage:
    """What of the payload is sent."""
    left_out = sorted(field for field in event.fields() if is_never_sent(field))
    also = f"; never sent: {', '.join(left_out)}" if left_out else ""
    replaced = "; half a character, or a number too large to be one, was replaced" if event.repaired else ""
    return Stage("attributes", f"{sizes}{also}{replaced}")


def state() -> Stage:
    """That an event which is not sent is taken into what is known of the person."""
    return Stage("state", "not sent as an event; what it says of the person counts")


def sending(integration: Integration) -> Stage:
    """That an integration in shadow sends nothing."""
    why = "in shadow: send = false; everything is done but the request"
    return Stage("send", why, _line(integration, "send"), "stopped")


def as_rows(trace: Trace) -> list[dict[str, Any]]:
    """The stages as JSON has them."""
    return [{"stage": s.stage, "result": s.result, "why": s.why, "line": s.line} for s in trace]
