"""Checks Redis and the broker: opened as the processes open them, with what their answers mean."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import redis
from kombu.entity import Exchange, Queue
from kombu.exceptions import KombuError

from config.settings import Settings
from worker.errors import OperatorError
from worker.machine.faults import of_certificate, reason, remedy
from worker.machine.replicas import appending, judge_replicas
from worker.machine.serverfacts import Fact, judge_server
from worker.store.address import Address
from worker.store.broker import Broker, BrokerAwayError, connect_broker, count_messages, declare_queue, find_broker
from worker.store.cluster import nodes_of
from worker.store.connect import find_address, open_once
from worker.store.keys import SCHEMA
from worker.store.layout import Layout, read_layout
from worker.store.schema import check_schema

_WAIT_S = 5
QUEUE = "relay"


def look_at_servers(settings: Settings) -> list[Fact]:
    """Redis with its settings, the shards of what it holds, and the broker: opened as the processes open them."""
    try:
        address, broker = find_address(settings), find_broker(settings)
    except OperatorError as error:
        return [Fact("redis", "address", "wrong", str(error))]
    facts = []
    try:
        with open_once(address, _WAIT_S) as client:
            client.ping()
            facts += [Fact("redis", "address", "ok", address.place), *_tls(address), *_options(address)]
            ask_permissions(client)
            facts += [*_nodes(client, settings.max_memory_percent), *_confirming(client, address, settings)]
            if _info(client).get("cluster_enabled") and not address.cluster:
                text = "this server is a node of a cluster: what belongs to the others is refused"
                facts.append(Fact("redis", "cluster", "wrong", text, "write redis+cluster://HOST:PORT,HOST:PORT"))
            facts += [*_schema(client.get(SCHEMA)), *_shards(read_layout(client), settings)]
    except (redis.RedisError, OSError) as fault:
        text = f"{address.place} does not serve ({reason(fault)}); ingest answers 503"
        return [*facts, Fact("redis", "address", "wrong", text, remedy(fault, "RELAY_REDIS_URL", moves=address.moves))]
    return [*facts, _broker(settings, broker)]


def _nodes(client: redis.Redis, max_memory_percent: float) -> Iterator[Fact]:
    """The facts of the server, or of every primary; what is so of all of them is said once."""
    nodes = nodes_of(client)
    found: dict[Fact, list[str]] = {}
    for node in nodes:
        info = _info(node)
        facts = judge_server(info, _config(node), max_memory_percent) if info else _unknown()
        for fact in facts:
            found.setdefault(fact, []).append(_place(node) if len(nodes) > 1 else "")
    for fact, places in found.items():
        text = f"{', '.join(places)}: {fact.text}" if len(places) < len(nodes) else fact.text
        yield msgspec.structs.replace(fact, text=text)


def _confirming(client: redis.Redis, address: Address, settings: Settings) -> Iterator[Fact]:
    """The replicas of each primary, and whether a 200 waits for them; what is so of all is said once."""

    def ask(host: str, port: int) -> Mapping[str, str] | None:
        scheme = "rediss" if address.tls else "redis"
        there = {"scheme": scheme, "host": host, "port": port, "path": "", "service": "", "db": 0}
        with open_once(msgspec.structs.replace(address, **there, sentinels=(), cluster=()), _WAIT_S) as replica:
            return appending(replica)

    yield from dict.fromkeys(
        fact
        for one in nodes_of(client)
        for fact in judge_replicas(
            _info(one),
            settings.replicas_ack,
            remember_s=settings.remember_s,
            on_disk=settings.replicas_ack_disk,
            ask=ask,
        )
    )


def _place(node: redis.Redis) -> str:
    where = node.get_connection_kwargs()
    return f"{where['host']}:{where['port']}"


def _tls(address: Address) -> Iterator[Fact]:
    if not address.is_verified:
        text = "its certificate is not verified: whoever answers at this address is given the password and the events"
        yield Fact(
            "redis", "tls", "warning", text, "name its authority in RELAY_REDIS_CA instead of ssl_cert_reqs=none"
        )


def _options(address: Address) -> Iterator[Fact]:
    if address.unused:
        text = f"not used: {', '.join(address.unused)}; the relay chooses these itself"
        yield Fact("redis", "options", "warning", text, "leave them out of the address")


# What the scripts and commands use, each in a form that leaves nothing behind.
PERMISSIONS = """
local key = KEYS[1]
local tries = {
  {'GET', key}, {'EXISTS', key}, {'SET', key, 1, 'XX'}, {'EXPIRE', key, 1}, {'PEXPIRE', key, 1}, {'TTL', key},
  {'DEL', key}, {'TIME'},
  {'HGET', key, 1}, {'HMGET', key, 1}, {'HGETALL', key}, {'HEXISTS', key, 1}, {'HLEN', key}, {'HKEYS', key},
  {'HDEL', key, 1}, {'HINCRBY', key, 1, 1}, {'HSET', key, 1, 1}, {'HSETNX', key, 1, 1}, {'DEL', key},
  {'ZREM', key, 1}, {'ZADD', key, 1, 1}, {'ZCARD', key}, {'ZRANGE', key, 0, 0}, {'ZRANGEBYSCORE', key, 0, 0},
  {'ZREMRANGEBYSCORE', key, 0, 0}, {'DEL', key},
  {'LPUSH', key, 1}, {'LTRIM', key, 1, 0}, {'DEL', key},
  {'SADD', key, 1}, {'SMISMEMBER', key, 1}, {'SREM', key, 1}, {'DEL', key},
  {'XADD', key, 'NOMKSTREAM', '*', 1, 1}, {'XRANGE', key, '-', '+', 'COUNT', 1}, {'XDEL', key, '1-1'},
  {'XLEN', key}, {'XTRIM', key, 'MAXLEN', 0}, {'XINFO', 'GROUPS', key}, {'XINFO', 'STREAM', key},
  {'XGROUP', 'CREATE', key, 1, 0}, {'XGROUP', 'SETID', key, 1, 0}, {'XGROUP', 'DESTROY', key, 1}, {'DEL', key},
}
for _, command in ipairs(tries) do
  local answer = redis.pcall(unpack(command))
  if type(answer) == 'table' and answer.err then
    local why = answer.err
    -- the last one is Redis 7.0's, which does not say what it refuses
    if why:find('NOPERM') or why:find('ACL failure') or why:find('permission') or why:find('user executing') then
      return command[1]
    end
  end
end
return ''
"""


def ask_permissions(client: redis.Redis) -> None:
    """Whether this user may do what storing and settling do.

    Raises:
        redis.exceptions.NoPermissionError: a command or the keys are refused.
    """
    try:
        script = client.script_load(PERMISSIONS)
        answer: Any = client.evalsha(script, 1, "relay:check")
    except redis.exceptions.ReadOnlyError:
        return  # a replica, which another fact says
    if answer:
        raise redis.exceptions.NoPermissionError(f"no permissions to run the '{answer.decode().lower()}' command")
    with client.pipeline(transaction=True) as pipe:
        pipe.get("relay:check")
        pipe.execute()
    client.scan(0, match="relay:check", count=1)


def _info(client: redis.Redis) -> dict[str, Any]:
    """What the server says of itself; nothing when this user may not ask."""
    try:
        answer: Any = client.info()
    except redis.exceptions.NoPermissionError:
        return {}
    return dict(answer)


def _unknown() -> Iterator[Fact]:
    text = (
        "this user may not ask (INFO): version, durability and memory are unknown, and no 503 comes before it is full"
    )
    yield Fact("redis", "server", "warning", text, "add +info to the user's rules; docs/redis.md has them all")


def _broker(settings: Settings, broker: Broker) -> Fact:
    variable = "RELAY_BROKER_URL" if settings.broker_url else "RELAY_REDIS_URL"
    where = broker.address.place if broker.address else place(broker.url)
    try:
        open_broker(broker, _WAIT_S)
    except BrokerAwayError as fault:
        wrong = of_certificate(fault)
        said = f"its certificate cannot be verified: {wrong[0]}" if wrong else str(fault)
        text = f"{where} does not serve ({said}): nothing is delivered"
        if wrong:
            return Fact("broker", "address", "wrong", text, wrong[1].format(variable=variable))
        return Fact("broker", "address", "wrong", text, f"start it, or correct {variable}; its user must be right too")
    except OperatorError as fault:
        return Fact("broker", "address", "wrong", str(fault))
    except (redis.RedisError, KombuError, OSError) as fault:
        inner = fault.__cause__ if isinstance(fault, KombuError) and isinstance(fault.__cause__, Exception) else fault
        text = f"{where} does not serve ({reason(inner)}): nothing is delivered"
        moves = broker.address is not None and broker.address.moves
        return Fact("broker", "address", "wrong", text, remedy(inner, variable, moves=moves))
    return Fact("broker", "address", "ok", f"{where}; all in it may be lost without harm")


def open_broker(broker: Broker, wait_s: float) -> None:
    """Connect and declare the queue as Celery's own client does, and ask whether messages may be put and taken.

    Raises:
        BrokerAwayError: a broker that is no Redis does not answer, or refuses.
        OperatorError: an extra is not installed.
        redis.RedisError: Redis refuses.
        KombuError: likewise.
        OSError: it does not answer.
    """
    if broker.address is None:
        if broker.url.startswith("amqp"):  # to look at one that is not there needs no right
            declare_queue(broker, QUEUE, wait_s)
        count_messages(broker, QUEUE, wait_s)
        return
    queue: Any = Queue
    exchange: Any = Exchange
    with connect_broker(broker, wait_s) as connection:
        connection.connect()
        queue(QUEUE, exchange(QUEUE, "direct"), QUEUE, channel=connection.default_channel).declare()
    with open_once(broker.address, wait_s) as client:
        client.lrem(QUEUE, 1, "nobody's message")
        client.brpop(["relay:nothing"], timeout=0.01)
        client.lpushx("relay:nothing", "")


def _schema(stored: bytes | None) -> Iterator[Fact]:
    try:
        if stored is not None:
            check_schema(stored)
    except OperatorError as error:
        yield Fact("redis", "schema", "wrong", str(error), "upgrade the relay here too")


def _shards(layout: Layout | None, settings: Settings) -> Iterator[Fact]:
    shards = settings.shards
    if layout is None:
        yield Fact("redis", "shards", "ok", f"no events yet; they will be spread over {shards} shards")
    elif shards == layout.shards or "shards" not in settings.model_fields_set:
        yield Fact("redis", "shards", "ok", f"{layout.shards}, as the stored events are spread")
    else:
        known = shards in layout.formerly
        text = f"RELAY_SHARDS is {shards}, but the stored events are spread over {layout.shards}"
        advice = f"set RELAY_SHARDS={layout.shards}" + ("" if known else ", or use an empty Redis")
        yield Fact("redis", "shards", "warning" if known else "wrong", text, advice)


def _config(client: redis.Redis) -> dict[str, str]:
    config: dict[str, Any] = {}
    for name in ("save", "appendfsync", "maxmemory-policy", "stop-writes-on-bgsave-error"):
        try:
            answer: Any = client.config_get(name)
            config |= answer
        except redis.ResponseError:
            return {}  # managed servers forbid it
    return config


def place(url: str) -> str:
    """A server's address without the credentials in it.

    >>> place("redis://user:secret@10.0.0.5:6379/2?ssl=1")
    'redis://10.0.0.5:6379/2'
    """
    scheme, _, rest = url.partition("?")[0].partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
