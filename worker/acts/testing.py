"""Test events: an example of an event code, to a person of one's choice, shown as Customer.io would get it, or sent."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import orjson

from config.integrations import Identity, Integration, Integrations
from worker.acts.record import Doer, record
from worker.app import Relay
from worker.errors import OperatorError
from worker.history.explaining import explain_now
from worker.purchasely.event import Event, event_about, read_event
from worker.purchasely.examples import example
from worker.purchasely.person import shard_of, shard_person
from worker.store.appending import append_event

Environment = Literal["PRODUCTION", "SANDBOX"]
# What a person types may be an address; a name is no longer than what Customer.io takes as an id.
_LIMIT = 150


class TestEvent(msgspec.Struct, frozen=True):
    """An event that is not sent yet: for which source, its payload, and the bytes that are its."""

    __test__ = False  # no test of pytest's

    source: str
    payload: dict[str, Any]
    raw: bytes

    @property
    def event_id(self) -> str:
        """Its id, by which it is traced."""
        return str(self.payload["event_id"])


class Sent(msgspec.Struct, frozen=True):
    """Where a test event is stored (SHARD/ENTRY; empty: it was there before), and which integrations were woken."""

    place: str
    woken: Mapping[str, bool]


def make_test_event(
    config: Integrations, source: str, code: str, person: str, environment: Environment = "SANDBOX"
) -> TestEvent:
    """An example of a code for a person, by the identity chain of the source: an e-mail address is taken as one.

    Raises:
        OperatorError: there is no such source, or the person cannot be one.
    """
    if source not in config.sources:
        raise OperatorError(f"no source {source!r}; there are: {', '.join(config.sources) or 'none'}")
    name = person.strip()
    if not name or len(name.encode("utf-8", "replace")) > _LIMIT or not name.isprintable():
        raise OperatorError("name the person: an id or an e-mail address, of 150 bytes at most")
    if not code.strip():
        raise OperatorError("name an event code, as ACTIVATE")
    fields = {_field_of(name, config.identity(source)): name}
    event_id = f"relay-test-{uuid.uuid4()}"
    payload = example(code.strip(), fields, event_id, time.time_ns() // 1_000_000, environment)
    return TestEvent(source, payload, orjson.dumps(payload))


def _field_of(person: str, identity: Identity) -> str:
    """The payload field that a person's name goes into."""
    ids, emails = identity.id_fields, identity.email_fields
    if "@" in person and emails:
        return emails[0]
    return (*ids, *emails)[0]


def preview_test_event(
    parts: Relay, test: TestEvent, integrations: Sequence[Integration], *, offline: bool = False
) -> list[dict[str, Any]]:
    """What would become of it in each integration, stage by stage, with what Customer.io would get.

    `offline`: as if its person were new, without a look at what is known of them.
    """
    event = _event(test)
    return [explain_now(parts, event, one, offline=offline) for one in integrations if one.source == test.source]


def send_test_event(parts: Relay, test: TestEvent, doer: Doer, wake: Callable[[str, int], bool]) -> Sent:
    """Store it as the web door does, and wake the workers of all integrations of its source.

    `wake` sends the message for an integration on a shard: `worker.tasks.wake`.

    Raises:
        redis.RedisError: it may not be stored; to send it again is safe.
    """
    event, config = _event(test), parts.integrations
    shard = shard_of(shard_person(event.payload, config.identity(test.source)) or event.key, parts.settings.shards)
    names = [one.name for one in config.of_source(test.source)]
    done = append_event(
        parts.redis,
        test.source,
        shard,
        names,
        event.key,
        event_about(event.payload),
        test.raw,
        parts.settings.dedup_window_s,
        parts.layout.epoch,
    )
    woken = {name: wake(name, shard) for name in done.wake}  # who is not woken is found by the next sweep
    what = f"{test.payload['event_name']} ({test.payload['environment']}) for {test.source}"
    record(parts.redis, doer, "test event", what, test.event_id)
    place = f"{shard}/{done.entry}" if done.entry else ""
    return Sent(place, {name: woken.get(name, False) for name in names})


def _event(test: TestEvent) -> Event:
    return read_event(f"{time.time_ns() // 1_000_000}-0", test.raw)
