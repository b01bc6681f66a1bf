"""Guard of the console: closed unless a route says who may; the same few headers on every answer."""

import hmac
from typing import Any
from urllib.parse import quote

import falcon
import falcon.asgi
from falcon.asgi import Request, Response

from worker.console.access.cookies import SESSION, read_cookie
from worker.console.access.entry import Access
from worker.console.access.forms import entered, may_be_kept, read_form
from worker.console.access.places import is_own, local_path
from worker.console.access.proxy import NotTheProxyError
from worker.console.access.roles import Permission
from worker.console.access.visitors import AwayError, NoRoleError, Visitor, is_live

_READS = frozenset({"GET", "HEAD"})
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HSTS = "max-age=31536000"


class Guard:
    """Falcon middleware. A resource has `permissions` (by method), or `is_open`, or `is_entry` (a page of the log-in).

    It leaves in `req.context`: `viewer` and `csrf`, which every form carries as the field `csrf`, or a script in the
    header `X-CSRF-Token`; `is_away`: Redis does not answer, and they are known from before.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    async def process_request(self, req: Request, _resp: Response) -> None:
        """Nobody is known yet."""
        req.context.viewer, req.context.csrf, req.context.place, req.context.is_away = None, "", None, False

    async def process_resource(self, req: Request, resp: Response, resource: Any, _params: Any) -> None:
        """Let the request through to its route, or answer it."""
        if getattr(resource, "is_open", False):
            return
        try:
            self._check(req)
            is_entry = bool(getattr(resource, "is_entry", False))
            visitor = await self._visitor(req, resp, may_lack_role=is_entry)
            if visitor:
                req.context.viewer, req.context.csrf = visitor.viewer, visitor.csrf
            if is_entry:
                self._access.is_too_fast(req, resp)
            elif visitor is None:
                await self._ask(req, resp)
            else:
                await self._allow(req, resp, getattr(resource, "permissions", {}), visitor)
        except _ShutError as shut:
            self._access.shut(resp, *shut.args, may_repeat=req.method in _READS)

    async def process_response(self, req: Request, resp: Response, resource: Any, _succeeded: bool) -> None:
        """The headers of every answer; only what is open to all may be kept by a cache."""
        for name, value in HEADERS.items():
            resp.set_header(name, value)
        if not getattr(resource, "is_open", False) or not resp.get_header("Cache-Control"):
            resp.set_header("Cache-Control", "no-store")
        if self._access.url.startswith("https:") and (req.context.place is None or req.context.place.is_https):
            resp.set_header("Strict-Transport-Security", _HSTS)

    def _check(self, req: Request) -> None:
        """Sent to this console, by a method it knows, and what changes something by a page of its own."""
        place = req.context.place = self._access.places.of(req)
        if place is None:
            where = self._access.url or "http://127.0.0.1 and the console's port"
            raise _ShutError(421, "Another address", f"Open the console at {where} (RELAY_CONSOLE_URL).")
        if req.method not in {*_READS, "POST"}:
            raise falcon.HTTPMethodNotAllowed(["GET", "HEAD", "POST"])
        if req.method == "POST" and not is_own(req, place):
            raise _ShutError(403, "Not from here", _FOREIGN)

    async def _visitor(self, req: Request, resp: Response, *, may_lack_role: bool) -> Visitor | None:
        try:
            return await self._access.visitors.of(req, resp)
        except NotTheProxyError as fault:
            self._access.failed(req, str(fault))
            raise _ShutError(403, "Not by the proxy", _SPOOFED) from None
        except NoRoleError as fault:
            if may_lack_role:  # a link may give them one
                return None
            raise _ShutError(403, "No role", _no_role(str(fault))) from None
        except AwayError:
            raise _ShutError(503, "Redis does not answer", _AWAY) from None

    async def _allow(self, req: Request, resp: Response, permissions: dict[str, Permission], visitor: Visitor) -> None:
        needed = permissions.get(req.method)
        if needed is None:
            raise falcon.HTTPMethodNotAllowed(sorted(permissions))
        if not visitor.viewer.may(needed):
            raise _ShutError(403, "Not for you", _not_for(visitor.viewer.role, needed))
        if req.method == "POST" and not await _carries(req, visitor.csrf):
            await self._offer_again(req, resp, 403, "An old page", _OLD, visitor.csrf)

    async def _offer_again(
        self, req: Request, resp: Response, status: int, title: str, text: str, csrf: str = ""
    ) -> None:
        """Refuse what was sent, with all that was entered: it can be sent once more, `csrf` or not, by a press."""
        if req.get_header("X-CSRF-Token") is not None or req.get_header("HX-Request") is not None:  # has its page still
            raise _ShutError(status, title, text)
        fields = entered(await read_form(req))
        self._access.show(resp, "again.html", status, title=title, text=text, to=_here(req), fields=fields, csrf=csrf)

    async def _ask(self, req: Request, resp: Response) -> None:
        """Send somebody to the log-in: a page there; what a page fetches has the page loaded again."""
        here = _here(req)
        if req.get_header("HX-Request") is not None:
            resp.status = falcon.HTTP_401
            resp.set_header("HX-Refresh", "true")
        elif req.method == "POST" and may_be_kept(req):
            await self._offer_again(req, resp, 401, "Logged out", _ENDED)
        elif req.method == "POST" or is_live(req):
            self._access.shut(resp, 401, "Logged out", "Your session has ended. Open the console again to log in.")
        elif req.get_header("Sec-Fetch-Site") == "cross-site" and not read_cookie(req, SESSION):
            # a link elsewhere leads here, and the browser keeps the cookie back: go on from a page of our own
            self._access.show(resp, "onward.html", to=here)
        else:
            resp.status = falcon.HTTP_303
            resp.location = "/login" if here == "/" else f"/login?next={quote(here, safe='/')}"
        resp.complete = True


class _ShutError(Exception):
    """The request goes no further: status, title and text of the answer."""


class ClosedApp(falcon.asgi.App[Request, Response]):
    """A Falcon application where every route says who may use it, and none goes past the guard.

    Raises:
        TypeError: at the start, for a route that does not.
    """

    def __init__(self, *, middleware: list[Guard]) -> None:
        super().__init__(middleware=middleware)
        self.routes: dict[str, Any] = {}

    def add_route(self, uri_template: str, resource: Any, **kwargs: Any) -> None:
        """Add a route that the guard knows what to do with."""
        says = getattr(resource, "is_open", False) or getattr(resource, "is_entry", False)
        if not says and not getattr(resource, "permissions", None):
            raise TypeError(f"{uri_template}: {type(resource).__name__} does not say who may use it")
        if not resource or hasattr(resource, "on_websocket"):
            raise TypeError(f"{uri_template}: the guard does not see {type(resource).__name__}")
        self.routes[uri_template] = resource
        super().add_route(uri_template, resource, **kwargs)

    def add_sink(self, *_: Any, **__: Any) -> None:
        """Not here: a sink has no resource that says who may use it."""
        raise TypeError("the console has no sinks: the guard does not see them")

    def add_static_route(self, *_: Any, **__: Any) -> None:
        """Not here: as a sink."""
        raise TypeError("the console has no static routes: the guard does not see them")


def _here(req: Request) -> str:
    """The page that was asked for, as the browser wrote it."""
    path = req.scope.get("raw_path") or quote(req.path).encode()
    query = f"?{req.query_string}" if req.query_string else ""
    return local_path(path.decode("latin-1") + query)


async def _carries(req: Request, csrf: str) -> bool:
    """Whether a request has the token of its session."""
    given = req.get_header("X-CSRF-Token")
    if given is None:
        given = ((await read_form(req)).get("csrf") or [""])[-1]
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), csrf.encode())


def _not_for(role: str, needed: Permission) -> str:
    return f"This needs more than the role {role} may do ({needed}); an admin can give you another one."


def _no_role(login: str) -> str:
    return f"You are logged in as {login}, which has no role here. An admin can give you one (RELAY_CONSOLE_ROLES)."


_FOREIGN = "This request did not come from a page of the console. If it did, the proxy in front changes Host or Origin."
_SPOOFED = "The headers of the log-in came without the secret of the proxy, or twice. Open the console by way of it."
_AWAY = "Nobody can be logged in, and nothing can be changed, until it does."
_OLD = "The page was open when your session began or ended, so nothing was done yet. Is it still what you want?"
_ENDED = "Your session has ended, and nothing was done. What you entered is still here: log in, then send it again."
