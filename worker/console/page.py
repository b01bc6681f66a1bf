"""Falcon resource of one page: reads the request, runs the page's plain function in a thread, writes its answer."""

import asyncio
import gzip
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import falcon
from falcon.asgi import Request, Response
from redis.exceptions import RedisError

from worker.console.access.cookies import drop_cookie, read_cookie, set_cookie
from worker.console.access.entry import RETRY_S
from worker.console.access.forms import read_form
from worker.console.access.roles import Permission
from worker.console.rendering import Templates
from worker.console.visit import Download, NoSuchPageError, NotAllowedError, Redirect, Reply, Screen, Visit
from worker.errors import OperatorError
from worker.process.eventlog import EventLog
from worker.process.fault_names import fault_name

log = EventLog(__name__)

# Shorter answers gain nothing. A token that a page repeats cannot be guessed from lengths (BREACH): no request that
# another site causes is answered with such a page, as the session's cookie is SameSite=Strict.
_WORTH_BYTES = 1000
_LEVEL = 5  # 40 kB in under a millisecond
_NOTICE = "notice"
_NOTICE_CHARS = 400


class Page:
    """One place of the console. `sees` is what its GET needs, `does` what its POST needs; None: there is none."""

    sees: ClassVar[Permission] = Permission.LOOK
    does: ClassVar[Permission | None] = None

    def get(self, visit: Visit) -> Reply:
        """What it shows."""
        raise NotImplementedError

    def post(self, visit: Visit) -> Reply:
        """What it does."""
        raise NotImplementedError

    def away(self, _visit: Visit) -> Reply | None:
        """What it shows while Redis does not answer; None: that nothing can be read."""
        return None


class PageRoute:
    """A page at its address. `permissions` names, for each method, what the viewer must be allowed to do.

    `since` tells the versions of now, which a page notes before it is read: its stream then tells what changed after.
    """

    def __init__(self, page: Page, templates: Templates, threads: Executor, since: Callable[[], str]) -> None:
        self._page = page
        self._templates = templates
        self._threads = threads
        self._since = since
        self.permissions = {"GET": page.sees, "HEAD": page.sees}
        if page.does is not None:
            self.permissions["POST"] = page.does

    async def on_get(self, req: Request, resp: Response, **path: str) -> None:
        """Show it."""
        await self._answer(req, resp, self._away if req.context.is_away else self._page.get, path, {})

    on_head = on_get

    async def on_post(self, req: Request, resp: Response, **path: str) -> None:
        """Do it."""
        if self._page.does is None:
            raise falcon.HTTPMethodNotAllowed(["GET", "HEAD"])
        await self._answer(req, resp, self._page.post, path, await read_form(req))

    def _away(self, visit: Visit) -> Reply:
        """Said at once: nobody waits for a server that did not answer just now."""
        reply = self._page.away(visit)
        if reply is None:
            raise RedisError
        return reply

    async def _answer(self, req: Request, resp: Response, act: Any, path: dict[str, str], form: Any) -> None:
        visit = Visit(req.context.viewer, path, _query(req), form)
        req.context.since = self._since()
        loop = asyncio.get_running_loop()
        try:
            reply = await loop.run_in_executor(self._threads, act, visit)
            body = await loop.run_in_executor(self._threads, self._body, reply, visit, req, resp)
        except NoSuchPageError as missing:
            await self._trouble(req, resp, 404, "Not here", str(missing))
        except NotAllowedError as refused:
            await self._trouble(req, resp, 403, "Not for your role", str(refused))
        except OperatorError as error:
            await self._trouble(req, resp, 409, "That did not work", str(error))
        except (RedisError, OSError) as fault:
            log.warning("redis_away", fault=fault_name(fault))
            await self._trouble(req, resp, 503, "Redis does not answer", _AWAY)
        else:
            if _notice(req):
                drop_cookie(req, resp, _NOTICE)
            _write(req, resp, reply, body)

    def _body(self, reply: Reply, visit: Visit, req: Request, resp: Response) -> bytes:
        match reply:
            case Screen():
                return _squeezed(self._render(reply.template, reply.facts, visit, req), req, resp)
            case Download():
                return reply.body
            case Redirect():
                return b""

    def _render(self, template: str, facts: Any, visit: Visit, req: Request) -> bytes:
        always = {
            "viewer": visit.viewer,
            "csrf": req.context.csrf,
            "since": req.context.since,
            "here": req.path,
            "notice": _notice(req),
        }
        return self._templates.render(template, always | dict(facts))

    async def _trouble(self, req: Request, resp: Response, status: int, title: str, text: str) -> None:
        again = status == 503 and req.method != "POST"
        facts = {"title": title, "text": text, "again": again}
        resp.status = status
        if status == 503:
            resp.set_header("Retry-After", RETRY_S)
        resp.content_type = falcon.MEDIA_HTML
        resp.data = self._render("trouble.html", facts, Visit(req.context.viewer), req)


_AWAY = "Nothing can be read or changed until it does. Events that are being sent now are answered 503 and sent again."


def _write(req: Request, resp: Response, reply: Reply, body: bytes) -> None:
    resp.data = body
    match reply:
        case Screen():
            resp.status = reply.status
            resp.content_type = falcon.MEDIA_HTML
            if reply.status == 503:
                resp.set_header("Retry-After", RETRY_S)
        case Download():
            resp.content_type = reply.media_type
            resp.downloadable_as = reply.name
        case Redirect():
            resp.status = falcon.HTTP_303
            resp.location = reply.to
            if reply.notice:
                set_cookie(req, resp, _NOTICE, quote(reply.notice[:_NOTICE_CHARS], safe=""), 60)


def _squeezed(body: bytes, req: Request, resp: Response) -> bytes:
    """The body, compressed if that is worth it and the browser takes it."""
    resp.set_header("Vary", "Accept-Encoding")
    if len(body) < _WORTH_BYTES or "gzip" not in (req.get_header("Accept-Encoding") or ""):
        return body
    resp.set_header("Content-Encoding", "gzip")
    return gzip.compress(body, _LEVEL)


def _notice(req: Request) -> str:
    """What the page before wanted to be said here; shown once."""
    return unquote(read_cookie(req, _NOTICE), errors="replace")[:_NOTICE_CHARS]


def _query(req: Request) -> dict[str, list[str]]:
    return {name: value if isinstance(value, list) else [value] for name, value in req.params.items()}
