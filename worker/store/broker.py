"""Broker of Celery's wake-ups: its address and options as Celery takes them, and how many messages wait in it."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import redis

from config.settings import Settings
from worker.errors import OperatorError
from worker.store.address import FORMS, SCHEMES, Address, read_address
from worker.store.connect import find_address

_NO_BROKER = (
    "{}: a Redis Cluster cannot carry Celery's wake-ups; name a broker, as in redis://HOST:PORT/0, amqp:// or sqs://"
)
_OF_REDIS = {
    # No list of unacknowledged messages in Redis, since a wake-up may be lost: to write it ends the worker when
    # memory is full, and to restore it when Redis is away (kombu: AttributeError in restore_unacked).
    "ack_emulation": False,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
}
# Options in the query of an address of SQS; kombu itself would take them for arguments of its connection.
_OF_SQS: dict[str, Callable[[str], Any]] = {
    "region": str,
    "queue_name_prefix": str,
    "is_secure": lambda text: text.lower() not in {"false", "0", "no"},
    "visibility_timeout": int,
    "wait_time_seconds": int,
    "polling_interval": float,
}


class BrokerAwayError(Exception):
    """The broker does not answer, or refuses: its kind in the text, never an address."""


class Broker(msgspec.Struct, frozen=True):
    """What carries Celery's wake-ups. `address` is None for a server that is no Redis.

    `use_ssl` is Celery's `broker_use_ssl` (kombu by itself verifies nothing), `options` are its transport's.
    """

    url: str
    address: Address | None = None
    use_ssl: dict[str, Any] | None = None
    options: dict[str, Any] = {}


# AMQP's code of what is not there; others are refusals, of a password or of rights.
_NOT_FOUND = "404"


def find_broker(chosen: Settings) -> Broker:
    """The server that carries Celery's wake-ups: by default the next database of the same one.

    Raises:
        OperatorError: the address cannot be read.
    """
    url = chosen.broker_url
    scheme = url.partition("://")[0]
    if url and scheme not in SCHEMES:
        return _other(url, scheme, chosen.redis_ca)
    address = read_address(url, "RELAY_BROKER_URL", chosen.redis_ca) if url else find_address(chosen).next_database()
    if address.cluster:
        raise OperatorError(_NO_BROKER.format("RELAY_BROKER_URL is " + ("a cluster" if url else "not set")))
    options: dict[str, Any] = dict(_OF_REDIS)
    if address.sentinels:
        options |= {"master_name": address.service, "sentinel_kwargs": address.for_sentinel()}
    return Broker(address.for_kombu(), address, address.tls, options)


def _other(url: str, scheme: str, authority: Path | None) -> Broker:
    """A broker that is no Redis.

    Raises:
        OperatorError: the address cannot be read.
    """
    if "://" not in url:
        raise OperatorError(f"RELAY_BROKER_URL is not an address: write {FORMS}, or another broker that Celery knows")
    if scheme == "amqps":
        verify: dict[str, Any] = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}  # that of the address
        return Broker(url, use_ssl=verify | ({"ca_certs": str(authority)} if authority else {}))
    if scheme != "sqs":
        return Broker(url)
    base, _, query = url.partition("?")
    options: dict[str, Any] = {"is_secure": True}
    for name, text in parse_qsl(query):
        if name not in _OF_SQS:
            raise OperatorError(f"RELAY_BROKER_URL: unknown option {name[:40]!r}; there are {', '.join(_OF_SQS)}")
        try:
            options[name] = _OF_SQS[name](text)
        except ValueError:
            raise OperatorError(f"RELAY_BROKER_URL: {name} is not a number") from None
    return Broker(base, options=options)


def connect_broker(broker: Broker, wait_s: float) -> Any:
    """A connection as Celery makes it, not opened yet."""
    from kombu.connection import Connection  # noqa: PLC0415 - a twentieth of a second

    from worker.process.foreign import guard  # noqa: PLC0415 - likewise

    options = dict(broker.options)
    if broker.address is not None:
        guard()  # kombu keeps the transport that it finds first; this one counts on a full server too
        options |= {"socket_timeout": wait_s, "socket_connect_timeout": wait_s}
    make: Any = Connection  # kombu has no types
    try:
        return make(broker.url, ssl=broker.use_ssl or False, transport_options=options, connect_timeout=wait_s)
    except ImportError:
        raise OperatorError("SQS needs the extra: pip install 'purchasely-customerio-relay[sqs]'") from None


def count_messages(broker: Broker, queue: str, wait_s: float) -> int:
    """How many messages wait in a queue; none where nobody has declared it yet.

    Raises:
        BrokerAwayError: the broker does not say.
        OperatorError: an extra is not installed.
    """
    with _opened(broker, wait_s) as connection:
        try:
            return int(connection.default_channel.queue_declare(queue=queue, passive=True).message_count)
        except connection.channel_errors as fault:
            if str(getattr(fault, "reply_code", "")) != _NOT_FOUND:
                raise
            return 0


def declare_queue(broker: Broker, name: str, wait_s: float) -> None:
    """Make the queue, with its exchange and binding, as Celery does when a worker starts.

    Raises:
        BrokerAwayError: the broker does not let this user.
        OperatorError: an extra is not installed.
    """
    from kombu.entity import Exchange, Queue  # noqa: PLC0415 - a twentieth of a second

    queue: Any = Queue
    exchange: Any = Exchange
    with _opened(broker, wait_s) as connection:
        queue(name, exchange(name, "direct"), name, channel=connection.default_channel).declare()


@contextmanager
def _opened(broker: Broker, wait_s: float) -> Iterator[Any]:
    """A connection, with whatever its broker answers instead as one error."""
    from kombu.exceptions import KombuError  # noqa: PLC0415 - as above

    with connect_broker(broker, wait_s) as connection:
        away = (*connection.connection_errors, OSError, KombuError, redis.RedisError, *_of_boto(broker))
        try:
            yield connection
        except (*away, *connection.channel_errors) as fault:
            raise BrokerAwayError(type(fault.__cause__ or fault).__name__) from None


def _of_boto(broker: Broker) -> tuple[type[Exception], ...]:
    if not broker.url.startswith("sqs:"):
        return ()
    from botocore.exceptions import ClientError  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415 - an extra

    return (ClientError,)
