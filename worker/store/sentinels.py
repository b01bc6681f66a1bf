"""Sentinels: asked where the primary is, each time on connections that are closed again."""

from typing import Any

from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.sentinel import Sentinel


class BriefSentinel(Sentinel):
    """The Sentinels of one service, for commands and workers."""

    def discover_master(self, service_name: str) -> Any:
        """Host and port of the primary."""
        try:
            return super().discover_master(service_name)  # type: ignore[no-untyped-call]
        finally:
            for one in self.sentinels:
                one.connection_pool.disconnect(inuse_connections=False)


class AsyncBriefSentinel(AsyncSentinel):
    """The same, for the web door."""

    async def discover_master(self, service_name: str) -> Any:
        """Host and port of the primary."""
        try:
            return await super().discover_master(service_name)
        finally:
            for one in self.sentinels:
                await one.connection_pool.disconnect(inuse_connections=False)
