"""`GET /live?since=`: one stream of server-sent events a tab, which names the regions of its page that are stale.

A page says up to which versions it may be of, `since`: what changes between its making and its stream is named too.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import ClassVar

import msgspec
import redis
from falcon.asgi import Request, Response, SSEvent

from worker.app import Relay
from worker.console.access.entry import Access
from worker.console.access.roles import Permission, Viewer
from worker.errors import OperatorError
from worker.ledger.figures import Ledger
from worker.ledger.fleet import Fleet

_LOOK_S = 2.0
# A stream that is longer than this says nothing new: the session is asked for again, and a proxy sees it is alive.
_SIGN_S = 10.0
_JOBS = 10
# The rate of a job that runs is that of so many seconds before.
_RATE_S = 10
# What the stream says instead of regions while Redis does not answer; after it every region is stale.
AWAY = "away"


class News:
    """What changed, looked at for all streams together, and only while there is one."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._readers = 0
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self.versions: dict[str, str] = {}

    async def wait(self, known: dict[str, str], within_s: float) -> dict[str, str]:
        """The versions, as soon as one differs from those known; the same ones when the time is up."""
        self._readers += 1
        try:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._look())
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: self.versions != known)
        except TimeoutError:
            pass
        finally:
            self._readers -= 1
        return dict(self.versions)

    def since(self) -> str:
        """The versions that a page which is read from now on has at least: `counts:0f3a activity:77b1`."""
        return " ".join(f"{name}:{version}" for name, version in self.versions.items())

    async def _look(self) -> None:
        while self._readers:
            try:
                found = await asyncio.to_thread(self._read)
            except (redis.RedisError, OSError, OperatorError):
                found = {AWAY: "yes"}
            async with self._changed:
                self.versions = found
                self._changed.notify_all()
            await asyncio.sleep(_LOOK_S)

    def _read(self) -> dict[str, str]:
        parts = self._parts
        parts.live.look()
        ledger = Ledger(parts)
        fleet, jobs = ledger.fleet(), parts.jobs.page(_JOBS)
        accounts = ledger.accounts(found=fleet)
        holds: list[object] = [(one.integration, one.hold.kind, one.hold.since_ms) for one in accounts if one.hold]
        holds += [one.integration for one in accounts if one.unserved]
        workers = sum(one.alive and one.role == "worker" for one in fleet.processes)
        minute, step = (int(time.time() // s) for s in (60, _RATE_S))
        return {
            "counts": _version(accounts, parts.live.loaded.number, minute, *_state(fleet)),
            "holds": _version(holds),
            "activity": _version([(one.integration, one.accepted, one.waiting) for one in accounts]),
            "failures": _version([(one.integration, one.dead) for one in accounts], holds),
            # a job that is stuck has no other rate by itself
            "jobs": _version(
                [(one.id, one.state, one.left, step * (one.state == "running")) for one in jobs], holds, workers
            ),
        }


def _state(fleet: Fleet) -> Iterator[object]:
    """What of the processes is shown, but for how long one is silent."""
    yield fleet.revision, fleet.unreadable, fleet.growing, len(fleet.behind)
    for one in fleet.processes:
        yield one.host, one.pid, one.role, one.alive, one.revision, one.missing, one.broken, one.unpublished


def _read_since(text: str) -> dict[str, str]:
    """What `since` said; what it did not say is stale."""
    return {name: version for name, _, version in (one.partition(":") for one in text.split())}


def _version(*values: object) -> str:
    return hashlib.sha256(msgspec.json.encode(values)).hexdigest()[:16]


class LiveRoute:
    """The stream of one tab."""

    permissions: ClassVar = {"GET": Permission.LOOK}

    def __init__(self, news: News, access: Access) -> None:
        self._news = news
        self._access = access

    async def on_get(self, req: Request, resp: Response) -> None:
        """Names of stale regions, at most once a look; ends with the session."""
        resp.sse = self._names(req.context.viewer, _read_since(req.get_param("since", default="")))
        resp.set_header("X-Accel-Buffering", "no")

    async def _names(self, viewer: Viewer, known: dict[str, str]) -> AsyncIterator[SSEvent | None]:
        yield None
        while await self._access.visitors.is_in(viewer):
            seen = await self._news.wait(known, _SIGN_S)
            stale = [name for name, version in seen.items() if known.get(name) != version]
            known = seen
            yield SSEvent(text=" ".join(stale)) if stale else None
