"""Visitors: who a request is from, by the session's cookie or by the proxy's word."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import redis
from falcon.asgi import Request, Response

from config.roles import Role, read_roles, role_of
from config.settings import Settings
from worker.console.access.cookies import SESSION, drop_cookie, read_cookie, set_cookie
from worker.console.access.proxy import Proxy, Vouched
from worker.console.access.recent import Recent
from worker.console.access.roles import Viewer
from worker.process.eventlog import EventLog
from worker.process.fault_names import fault_name
from worker.store.actions import Action, Actions
from worker.store.sessions import Session, Sessions
from worker.store.tokens import digest_of

log = EventLog(__name__)

T = TypeVar("T")
_WITHIN_S = 3.0


class AwayError(Exception):
    """Redis does not answer, and this request cannot do without it."""


class NoRoleError(Exception):
    """Somebody is known, and has no role in RELAY_CONSOLE_ROLES; the message is their login."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A viewer, and the token that their forms must carry."""

    viewer: Viewer
    csrf: str


class Visitors:
    """Finds who is logged in, and logs people in and out."""

    def __init__(
        self, chosen: Settings, client: redis.Redis, proxy: Proxy | None, clock: Callable[[], float] = time.time
    ) -> None:
        self.sessions = Sessions(client, clock)
        self._actions = Actions(client)
        self._recent = Recent(clock)
        self._clock = clock
        self._proxy = proxy
        self._roles = read_roles(chosen.console_roles)
        self._editors_publish = chosen.console_editors_publish

    async def of(self, req: Request, resp: Response) -> Visitor | None:
        """Who this is; None: nobody who is logged in.

        Raises:
            AwayError: Redis does not answer.
            NoRoleError: the proxy knows somebody who may not enter.
            NotTheProxyError: a request speaks as the proxy does.
        """
        token = read_cookie(req, SESSION)
        session_id = digest_of(token)
        session = await self._find(req, session_id) if token else None
        vouched = self._proxy.vouched(req) if self._proxy else None
        if session and session.via != "proxy":
            return self._visitor(session.login, session.role, session.via, token)
        if vouched is None:
            return None
        role = self.role_of(vouched.login, vouched.groups)  # at each request, as the groups are
        if session and session.login == vouched.login:
            return self._visitor(vouched.login, role, "proxy", token)
        if (token and session is None) or req.method not in {"GET", "HEAD"} or is_live(req):
            return None  # the session ended: its person says on the log-in page that they are there
        return await self.enter(req, resp, vouched.login, role, "proxy")

    def role_of(self, login: str, groups: tuple[str, ...]) -> Role:
        """The role of somebody.

        Raises:
            NoRoleError: they have none.
        """
        role = role_of(self._roles, login, groups)
        if role is None:
            raise NoRoleError(login)
        return role

    def vouched(self, req: Request) -> Vouched | None:
        """Who the proxy says that this is."""
        return self._proxy.vouched(req) if self._proxy else None

    async def enter(self, req: Request, resp: Response, login: str, role: Role, via: str) -> Visitor:
        """Log somebody in: a new session, whatever the browser had before (session fixation).

        Raises:
            AwayError: Redis does not answer.
        """
        before = read_cookie(req, SESSION)

        def begin() -> str:
            if before:
                self.sessions.end(digest_of(before))
            self._actions.add(self._action(login, "log in", f"{role} by {via}"))
            return self.sessions.begin(login, role, via)[0]

        token = await reach(begin)
        set_cookie(req, resp, SESSION, token)
        log.info("console_log_in", role=role, via=via)
        return self._visitor(login, role, via, token)

    async def leave(self, req: Request, resp: Response, viewer: Viewer) -> None:
        """Log somebody out.

        Raises:
            AwayError: Redis does not answer.
        """

        def end() -> None:
            self.sessions.end(viewer.session_id)
            self._actions.add_done(self._action(viewer.login, "log out", viewer.via))

        await reach(end)
        self._recent.note(viewer.session_id, None)
        drop_cookie(req, resp, SESSION)

    async def is_in(self, viewer: Viewer) -> bool:
        """Whether their session is still open: for an answer that goes on for long. No sign that they are there."""
        try:
            return await reach(lambda: self.sessions.find(viewer.session_id, seen=False)) is not None
        except AwayError:
            return self._recent.find(viewer.session_id) is not None

    def end(self, viewer: Viewer, session_id: str) -> bool:
        """End a session at once, on an admin's behalf; False when it was not open."""
        known = self.sessions.end(session_id)
        self._recent.note(session_id, None)
        if known:
            self._actions.add_done(self._action(viewer.login, "end session", session_id[:8]))
        return known

    async def _find(self, req: Request, session_id: str) -> Session | None:
        try:
            session = await reach(lambda: self.sessions.find(session_id, seen=not is_live(req)))
        except AwayError:
            known = self._recent.find(session_id)
            if known is None or req.method not in {"GET", "HEAD"}:
                raise
            req.context.is_away = True
            return known
        self._recent.note(session_id, session)
        return session

    def _visitor(self, login: str, role: Role, via: str, token: str) -> Visitor:
        csrf = hmac.digest(token.encode("utf-8", "surrogateescape"), b"form", hashlib.sha256).hex()
        return Visitor(Viewer(login, role, via, digest_of(token), self._editors_publish), csrf)

    def _action(self, login: str, what: str, result: str) -> Action:
        return Action(int(self._clock() * 1000), login, what, "console", "", result)


def is_live(req: Request) -> bool:
    """Whether a page asks by itself, which is no sign that somebody is there."""
    return req.get_header("X-Relay-Live") is not None or "text/event-stream" in (req.get_header("Accept") or "")


async def reach(ask: Callable[[], T]) -> T:
    """Ask Redis in a thread: once more when the connection was an old one.

    Raises:
        AwayError: it does not answer.
    """
    try:
        async with asyncio.timeout(_WITHIN_S):
            try:
                return await asyncio.to_thread(ask)
            except redis.ConnectionError:
                return await asyncio.to_thread(ask)
    except (redis.RedisError, OSError, TimeoutError) as fault:
        log.warning("redis_away", fault=fault_name(fault))
        raise AwayError from None
