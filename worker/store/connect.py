"""Connections to Redis: the clients, made alike from one address."""

from pathlib import Path
from typing import Any

import redis
import redis.asyncio
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from config.settings import Settings
from worker.errors import OperatorError
from worker.store.address import Address, read_address
from worker.store.async_cluster import AsyncCluster
from worker.store.cluster import Cluster
from worker.store.patience import Patience


def open_client(address: Address) -> redis.Redis:
    """A client that rides over a restart of the server: every script may be repeated."""
    chosen: dict[str, Any] = {"socket_timeout": 10.0, "socket_connect_timeout": 5.0, **address.figures}
    retry = Patience(ExponentialBackoff(cap=0.5, base=0.05), 3, latest_s=15)  # behind one timeout, once more
    return _made(address, **chosen, socket_keepalive=True, health_check_interval=30, retry=retry)


def open_once(address: Address, wait_s: float) -> redis.Redis:
    """A client that asks once, to see whether a server is there."""
    chosen: dict[str, Any] = {"socket_timeout": wait_s, "socket_connect_timeout": wait_s}
    return _made(address, **chosen, retry=Retry(NoBackoff(), 0))


def _made(address: Address, **chosen: Any) -> redis.Redis:
    if address.cluster:
        return Cluster(address.cluster, **address.for_client(), **chosen)
    if not address.sentinels:
        return redis.Redis(**address.for_client(), **chosen)
    from worker.process.former import LedConnection, LedSecureConnection  # noqa: PLC0415 - for few
    from worker.process.sentinels import BriefSentinel  # noqa: PLC0415 - likewise

    make: Any = BriefSentinel  # redis-py has no types for it
    known = make(address.sentinels, sentinel_kwargs=address.for_sentinel())
    chosen["connection_class"] = LedSecureConnection if address.tls else LedConnection
    client: redis.Redis = known.master_for(address.service, **address.for_client(), **chosen)
    return client


def open_async(address: Address) -> redis.asyncio.Redis | AsyncCluster:
    """The web door's client."""
    from redis.asyncio.retry import Retry as AsyncRetry  # noqa: PLC0415 - the same name as the other client's

    chosen: dict[str, Any] = {
        # the appender has a timeout around each trip; one more around each call to the socket costs a third of it
        "socket_timeout": None,
        "socket_connect_timeout": address.figures.get("socket_connect_timeout", 3),
        "socket_keepalive": True,
        "health_check_interval": 15,
        # of everything but the appends, which do the same by themselves
        "retry": AsyncRetry(NoBackoff(), 1),
    }
    if address.cluster:
        return AsyncCluster(address.cluster, **address.for_client(), **chosen)
    if not address.sentinels:
        return redis.asyncio.Redis(**address.for_client(), **chosen)
    from worker.process.sentinels import AsyncBriefSentinel  # noqa: PLC0415 - for few

    make: Any = AsyncBriefSentinel  # likewise
    asked = address.for_sentinel() | {"retry": AsyncRetry(NoBackoff(), 0)}
    known = make(address.sentinels, sentinel_kwargs=asked)
    client: redis.asyncio.Redis = known.master_for(address.service, **address.for_client(), **chosen)
    return client


def find_address(chosen: Settings) -> Address:
    """The server that holds the events.

    Raises:
        OperatorError: there is no address, or it cannot be read.
    """
    return read_address(find_url(chosen), "RELAY_REDIS_URL", chosen.redis_ca)


def find_url(chosen: Settings) -> str:
    """RELAY_REDIS_URL, else the server that `relay up` left the address of in the data folder.

    Raises:
        OperatorError: neither is there, or it cannot be read.
    """
    if chosen.redis_url:
        return chosen.redis_url
    address = address_file(chosen.data_dir)
    try:
        return address.read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        raise OperatorError(
            f"no Redis: set RELAY_REDIS_URL, or start `relay up`, which writes {address} (folder: RELAY_DATA_DIR)"
        ) from None
    except (OSError, ValueError) as fault:
        why = getattr(fault, "strerror", "") or type(fault).__name__
        raise OperatorError(
            f"{address} cannot be read ({why}): run this as the user who runs `relay up`, or set RELAY_REDIS_URL"
        ) from None


def has_address(chosen: Settings) -> bool:
    """Whether a Redis is named at all, even where its name cannot be read."""
    try:
        return bool(chosen.redis_url) or bool(address_file(chosen.data_dir).lstat())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def address_file(data_dir: Path) -> Path:
    """Where `relay up` writes the address of its embedded server."""
    return data_dir / "redis.url"
