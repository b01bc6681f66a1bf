"""Many dead letters at once: as if deliveries had buried them, without the hours it would take."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import redis

from config.integrations import default_identity
from worker.customerio.sender import Attempt
from worker.dead.burying import bury
from worker.mapping.outcome import Dead
from worker.purchasely.event import read_event
from worker.purchasely.person import shard_of, shard_person
from worker.store.keys import cause_key
from worker.store.lane import Lane
from worker.store.scripts import pack, script

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

# Six causes, as a bad night has them: what is wrong with the event, and how it failed.
CAUSES: tuple[tuple[int, dict[str, Any], Dead], ...] = (
    (50, {}, Dead("rejected", "send", "attributes", 207, "invalid: something was wrong yesterday")),
    (20, {"event_name": "TRIAL_STARTED"}, Dead("rejected", "send", "", 400, "malformed batch")),
    (12, {"user_id": None}, Dead("no_person", "map", "customerio_user_id")),
    (
        8,
        {"event_created_at_ms": 12},
        Dead("invalid_time", "map", "event_created_at", 0, "12 ms is before 2000"),
    ),
    (6, {"event_name": None}, Dead("no_event_name", "map", "event_name")),
    (4, {"event_name": "SUBSCRIPTION_PAUSED"}, Dead("too_large", "map", "plan", 0, "plan is 40000 bytes")),
)


def events(number: int, people: int, now_ms: int, common: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Dead]]:
    """So many events of so many people, each with how it failed; `common` are fields that all have."""
    wheel = [cause for cause in CAUSES for _ in range(cause[0])]
    for n in range(number):
        _, fields, dead = wheel[(n * 37) % len(wheel)]
        payload = {
            **common,
            "event_name": "SUBSCRIPTION_RENEWED",
            "event_id": f"seed-{n}",
            "event_created_at_ms": now_ms - 4 * DAY_MS + n,
            "user_id": f"user-{n % people}",
            "environment": "PRODUCTION",
            "plan": "monthly",
            "store": "APPLE_APP_STORE",
            "purchasely_subscription_id": f"sub-{n % people}",
            "purchased_at_ms": now_ms - 4 * DAY_MS,
            **fields,
        }
        yield {name: value for name, value in payload.items() if value is not None}, dead


def seed(
    client: redis.Redis,
    number: int,
    shards: int,
    *,
    people: int = 1000,
    only: Callable[[Dead], bool] = lambda _: True,
    source: str = "app",
    integration: str = "production",
    **common: Any,
) -> None:
    """Write dead letters into an otherwise running relay; they count as accepted events, so the books balance."""
    now_ms = time.time_ns() // 1_000_000
    sha = client.script_load(script("restore"))
    pipe = client.pipeline(transaction=False)
    chain = default_identity()
    for n, (payload, dead) in enumerate(events(number, people, now_ms, common)):
        if not only(dead):
            continue
        raw = orjson.dumps(payload)
        entry = f"{now_ms - DAY_MS + n}-0"
        event = read_event(entry, raw)
        lane = Lane(source, integration, shard_of(shard_person(payload, chain) or event.key, shards))
        tried = [Attempt(now_ms, dead.status, dead.message, 40)] if dead.status else []
        made = [b'{"type":"person","action":"event","name":"as it was then"}'] if dead.status else []
        letter = bury(
            lane,
            entry,
            raw,
            event,
            dead,
            identity=chain,
            operations=made,
            attempts=tried,
            revision="0123456789ab",
            failed_ms=now_ms - (n % 12) * HOUR_MS - n % 1000,
        )
        keys = [lane.key(kind) for kind in ("ledger", "dead", "deadtime", "deadcauses")]
        keys += [cause_key(lane.shard, lane.integration, letter.cause), lane.key("changes")]
        pipe.evalsha(sha, 6, *keys, pack(letter.named()), b"")
        if len(pipe) >= 2000:
            pipe.execute()
    pipe.execute()
