"""Messages on the broker's queue that are not ours: dropped and said in the log, never the end of a worker."""

import base64
from contextlib import suppress
from queue import Empty
from typing import Any

import orjson
import redis
from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.transport import redis as kombu_redis

from worker.process.broker_link import Link, SecureLink, SecureSentinelLink, SentinelLink
from worker.process.eventlog import EventLog
from worker.process.sentinels import BriefSentinel

log = EventLog(__name__)

QUEUE = "relay"
TASKS = frozenset({"relay.deliver", "relay.replay", "relay.sweep", "relay.trim", "relay.sample"})
_BODY_LIMIT_BYTES = 10_000  # an integration and a shard, or a job and its token


class _InHand(virtual.QoS):
    """Messages that are worked on, and not yet acknowledged."""

    def restore_unacked(self) -> list[Any]:
        """Put them back when the connection ends; those that the broker does not take are the next sweep's.

        Kombu writes those to a file in the temporary folder, which nobody reads.
        """
        super().restore_unacked()  # type: ignore[no-untyped-call]
        return []


class _Surviving:
    """Of a channel: it survives what it cannot read, and a full server, either of which to kombu ends the worker."""

    connection_errors: tuple[type[BaseException], ...]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        itself: Any = self
        itself.QoS = _InHand

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        channel: Any = super()
        with suppress(redis.exceptions.OutOfMemoryError):  # the one binding that there is need not be read
            channel._queue_bind(exchange, routing_key, pattern, queue)  # noqa: SLF001 - it is ours

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        """The bindings of an exchange; that of our own, whatever a full or emptied server has of it."""
        channel: Any = super()
        return channel.get_table(exchange) or ([(QUEUE, "", QUEUE)] if exchange == QUEUE else [])

    def _size(self, queue: str) -> int:
        """Without a transaction, in which a full server refuses even to count."""
        itself: Any = self
        with itself.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            for priority in itself.priority_steps:
                pipe.llen(itself._q_for_pri(queue, priority))  # noqa: SLF001 - as above
            return sum(pipe.execute())

    def _has_queue(self, queue: str, **_: Any) -> bool:
        return self._size(queue) > 0

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except Empty:
            raise
        except Exception as fault:
            if isinstance(fault, self.connection_errors):
                raise
            if isinstance(fault, redis.ResponseError):
                # no message: asked again at once, it would refuse a thousand times a second
                raise redis.ConnectionError("the broker refuses to be read") from None
            # whatever a stranger has put on the queue:
            # without its text, which holds the message; the message itself is taken off the queue already
            log.warning("foreign_message_dropped", fault=type(fault).__name__)
            raise Empty from None


class Channel(_Surviving, kombu_redis.Channel):
    """Redis's channel."""

    connection_class = Link
    connection_class_ssl = SecureLink


class SentinelChannel(_Surviving, kombu_redis.SentinelChannel):
    """The same over Sentinels."""

    connection_class = SentinelLink
    connection_class_ssl: Any = SecureSentinelLink

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:
        made: Any = super()._sentinel_managed_pool(asynchronous)  # type: ignore[no-untyped-call]
        made.sentinel_manager = made.proxy.sentinel_manager = BriefSentinel.over(made.sentinel_manager)
        return made


class Transport(kombu_redis.Transport):
    """Redis's transport, with that channel."""

    Channel: Any = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        # Before Celery sees it: what its consumer fails at it never acknowledges, and then it reads nothing more.
        # Other queues are read only where remote control is on, and hold its own messages.
        if queue != QUEUE or is_ours(message):
            super()._deliver(message, queue)  # type: ignore[no-untyped-call]
        else:
            log.warning("foreign_message_dropped", fault="form")


class SentinelTransport(Transport):
    """The same over Sentinels."""

    default_port: Any = kombu_redis.SentinelTransport.default_port
    Channel: Any = SentinelChannel


def is_ours(message: Any) -> bool:
    """Whether a message has the form of those that the relay sends; whether its arguments are right, its task says."""
    try:
        headers, properties = message["headers"], message["properties"]
        args, named, embedded = orjson.loads(base64.b64decode(message["body"][: 2 * _BODY_LIMIT_BYTES], validate=True))
        return bool(
            headers["task"] in TASKS
            and isinstance(headers["id"], str)
            and message["content-type"] == "application/json"
            and properties["body_encoding"] == "base64"
            and isinstance(properties["delivery_tag"], str)
            and isinstance(properties["delivery_info"], dict)
            and isinstance(args, list)
            and isinstance(named, dict)
            and not any(embedded.values())
        )
    except (AttributeError, LookupError, TypeError, ValueError):
        return False


def guard() -> None:
    """Have Celery read its queue in Redis through this transport; brokers of other kinds check by themselves."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
    TRANSPORT_ALIASES["sentinel"] = f"{__name__}:SentinelTransport"
