"""Checks everything the relay depends on: the integrations file, Customer.io's keys, Redis and the broker."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.integrations import Integration, Integrations
from config.never_sent import ADDRESSES
from config.settings import Settings
from config.shape import REGION_URLS
from worker.app import find_redis_url, next_database
from worker.customerio.track_api import Region, TrackApi
from worker.errors import OperatorError
from worker.machine.serverfacts import Fact, judge_server
from worker.store.keys import SHARDS

_WAIT_S = 5
_LEFT_OUT = (
    f"never sent as attributes of events: {', '.join(sorted(ADDRESSES))}, and credentials by their exact names "
    "(token, purchase_token, receipt_data ...)"
)


def look_at_file(integrations: Integrations) -> list[Fact]:
    """What the file says of itself, and where test purchases go."""
    on = [one for one in integrations.integrations.values() if one.enabled]
    off = len(integrations.integrations) - len(on)
    text = f"{_number(len(integrations.sources), 'source')}, {_number(len(on), 'integration')}"
    if off:
        text += f", {off} more switched off"
    facts = [Fact("file", integrations.path, "ok", text)]
    facts += [Fact("file", integrations.path, "warning", warning) for warning in integrations.warnings]
    facts.append(Fact("file", integrations.path, "ok", _LEFT_OUT))
    return [*facts, *_test_purchases(on)]


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _test_purchases(integrations: Iterable[Integration]) -> Iterator[Fact]:
    """Sandbox events that reach the workspace of the real customers."""
    found = list(integrations)
    remedy = "give SANDBOX an integration of its own, with the keys of a second workspace"
    for one in found:
        if {"PRODUCTION", "SANDBOX"} <= one.environments:
            text = "takes SANDBOX too: test purchases change real customers' profiles and start campaigns"
            yield Fact("file", one.name, "warning", text, remedy)
    for one, other in combinations(found, 2):
        if one.site_id != other.site_id or one.base_url != other.base_url:
            continue
        if "PRODUCTION" in one.environments | other.environments and "SANDBOX" in one.environments ^ other.environments:
            text = f"sends to the workspace of {other.name}, and SANDBOX with it: test purchases reach real profiles"
            yield Fact("file", one.name, "warning", text, remedy)


def look_at_keys(integrations: Integrations, timeout_s: float) -> list[Fact]:
    """Whether Customer.io knows each enabled integration's key, and in which region."""
    on = [one for one in integrations.integrations.values() if one.enabled]
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = pool.map(lambda one: TrackApi(one, min(timeout_s, _WAIT_S)).region(), on)
        return [judge_key(one, answer) for one, answer in zip(on, answers, strict=True)]


def judge_key(integration: Integration, answer: Region) -> Fact:
    """What the region endpoint's answer means for an integration."""
    name, own_host = integration.name, integration.base_url == REGION_URLS[integration.region]
    where = "" if own_host else f" (asked at {integration.base_url})"
    if answer.status == 200 and answer.region == integration.region:
        return Fact(
            "customer.io", name, "ok", f"the key works, region {answer.region}, workspace {answer.workspace}{where}"
        )
    if answer.status == 200 and own_host:
        text = f'the key belongs to a workspace in region "{answer.region}", not "{integration.region}"'
        line = integration.lines.get(f"integrations.{name}.region")
        at = f" (line {line} of the file)" if line else ""
        return Fact("customer.io", name, "wrong", text, f'write region = "{answer.region}"{at}')
    if answer.status == 200:
        text = f'the workspace is in region "{answer.region}", the file says "{integration.region}"{where}'
        return Fact(
            "customer.io", name, "warning", text, f'write region = "{answer.region}"; base_url decides where events go'
        )
    if answer.status in {401, 403}:
        text = f"the key is refused: {answer.message}{where}"
        return Fact(
            "customer.io", name, "wrong", text, "compare site_id and api_key with Customer.io's Track API credentials"
        )
    if answer.status == 0:
        remedy = "check the network, a proxy's or firewall's rules" if own_host else "check base_url, and that it runs"
        return Fact("customer.io", name, "wrong", f"no answer: {answer.message}{where}", remedy)
    return Fact(
        "customer.io",
        name,
        "wrong",
        f"does not answer as Customer.io: {answer.message}{where}",
        "check base_url and region",
    )


def look_at_servers(settings: Settings) -> list[Fact]:
    """Redis with its settings, the shards of what it holds, and the broker."""
    try:
        url = find_redis_url(settings)
    except OperatorError as error:
        return [Fact("redis", "address", "wrong", str(error))]
    facts = []
    try:
        with _client(url) as client:
            info: dict[str, Any] = client.info()
            facts.append(Fact("redis", "address", "ok", place(url)))
            facts += judge_server(info, _config(client), settings.max_memory_percent)
            facts += _shards(client.get(SHARDS), settings.shards)
    except (redis.RedisError, OSError) as fault:
        text = f"{place(url)} does not serve ({reason(fault)}); ingest answers 503"
        return [*facts, Fact("redis", "address", "wrong", text, "start it, or correct RELAY_REDIS_URL")]
    return [*facts, _broker(settings, url, clustered=bool(info.get("cluster_enabled")))]


def _broker(settings: Settings, redis_url: str, *, clustered: bool) -> Fact:
    if clustered and not settings.broker_url:
        text = "a cluster has no second database for Celery's messages"
        return Fact("broker", "address", "wrong", text, "set RELAY_BROKER_URL to a Redis of its own")
    url = settings.broker_url or next_database(redis_url)
    if url.partition("://")[0] not in {"redis", "rediss", "unix"}:
        return Fact("broker", "address", "ok", f"{place(url)} (not looked at: only Redis is)")
    try:
        with _client(url) as client:
            client.ping()
    except (redis.RedisError, OSError) as fault:
        text = f"{place(url)} does not serve ({reason(fault)}): nothing is delivered"
        return Fact("broker", "address", "wrong", text, "start it, or correct RELAY_BROKER_URL")
    return Fact("broker", "address", "ok", f"{place(url)}; all in it may be lost without harm")


def _shards(stored: bytes | None, shards: int) -> Iterator[Fact]:
    if stored is None:
        yield Fact("redis", "shards", "ok", f"no events yet; they will be spread over {shards} shards")
    elif int(stored) != shards:
        text = f"RELAY_SHARDS is {shards}, but the stored events are spread over {int(stored)}"
        yield Fact("redis", "shards", "wrong", text, f"set RELAY_SHARDS={int(stored)}, or use an empty Redis")
    else:
        yield Fact("redis", "shards", "ok", f"{shards}, as the stored events are spread")


def _config(client: redis.Redis) -> dict[str, str]:
    config: dict[str, Any] = {}
    for name in ("save", "appendfsync", "maxmemory-policy", "stop-writes-on-bgsave-error"):
        try:
            told: Any = client.config_get(name)
            config |= told
        except redis.ResponseError:
            return {}  # managed servers forbid it
    return config


def _client(url: str) -> redis.Redis:
    never = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(url, socket_timeout=_WAIT_S, socket_connect_timeout=_WAIT_S, protocol=2, retry=never)


def place(url: str) -> str:
    """A server's address without the credentials in it.

    >>> place("redis://user:secret@10.0.0.5:6379/2?ssl=1")
    'redis://10.0.0.5:6379/2'
    """
    scheme, _, rest = url.partition("?")[0].partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def reason(fault: Exception) -> str:
    """Why a server does not serve, without what the client library adds (it may hold the address with its password)."""
    if isinstance(fault, redis.AuthenticationError):
        return "it refuses the password"
    if isinstance(fault, redis.TimeoutError):
        return "no answer in time"
    if isinstance(fault, redis.ResponseError):
        return str(fault).split(" ", 1)[0][:30]
    cause = fault.__cause__ or fault.__context__
    return getattr(cause, "strerror", None) or type(fault).__name__
