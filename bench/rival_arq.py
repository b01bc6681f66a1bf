"""arq: a job an event, ten at a time in one event loop."""

import asyncio
import os

import httpx
from arq import create_pool
from arq.connections import RedisSettings

from bench.rival_mapping import HEADERS, Mapping

settings = RedisSettings.from_dsn(os.environ["BENCH_BROKER"])


async def deliver(ctx, raw: str) -> None:
    """Map one event; POST its identify and its event one by one."""
    mapping: Mapping = ctx["mapping"]
    url = f"{mapping.integration.base_url}/api/v2/entity"
    for operation in mapping.operations([raw]):
        await ctx["client"].post(url, content=operation.body, auth=mapping.auth, headers=HEADERS)
    mapping.done(1)


async def startup(ctx) -> None:
    ctx["mapping"], ctx["client"] = Mapping(), httpx.AsyncClient(trust_env=False)


class WorkerSettings:
    """As `arq` reads it."""

    functions = (deliver,)
    on_startup = startup
    redis_settings = settings
    keep_result = 0


async def _send(raws: list[str]) -> None:
    pool = await create_pool(settings)
    for raw in raws:
        await pool.enqueue_job("deliver", raw)
    await pool.aclose()


def send(raws: list[str]) -> None:
    """Put events into the queue."""
    asyncio.run(_send(raws))
