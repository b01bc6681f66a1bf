"""Access to the console, joined: its ways in, its visitors, its guard and the pages of the log-in."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import falcon
import redis
from falcon.asgi import Request, Response

from config.settings import Settings
from worker.console.access.pace import LoginPace
from worker.console.access.places import Places
from worker.console.access.proxy import NotTheProxyError, Proxy
from worker.console.access.visitors import Visitors
from worker.console.access.ways import ways
from worker.process.eventlog import EventLog

if TYPE_CHECKING:
    from worker.console.access.oidc import Provider

log = EventLog(__name__)

# What is answered 503 is asked for again after this time, by the page's script as by others.
RETRY_S = "5"

Render = Callable[[str, Mapping[str, Any]], bytes]


class Access:
    """What the guard and the pages of the log-in share. `client` should give up soon (`connect.open_once`).

    Raises:
        OperatorError: nobody could log in, or a way to lacks something.
    """

    def __init__(
        self, chosen: Settings, client: redis.Redis, render: Render, clock: Callable[[], float] = time.time
    ) -> None:
        self.ways = ways(chosen)
        self.places = Places(chosen)
        self.pace = LoginPace()
        self.url = chosen.console_url
        self.client = client
        # its secret also vouches for the address that somebody comes from
        self._proxy = Proxy(chosen)
        self.visitors = Visitors(chosen, client, self._proxy if "proxy" in self.ways else None, clock)
        self.provider = self._provider(chosen) if "oidc" in self.ways else None
        self._render = render

    def address(self, req: Request) -> str:
        """Where a request comes from, for the rate limit of log-ins."""
        try:
            behind = self._proxy.address(req) if self._proxy.is_from(req) else ""
        except NotTheProxyError:
            behind = ""
        return behind or req.remote_addr

    def show(self, resp: Response, template: str, status: int = 200, **facts: Any) -> None:
        """Answer with a page of the log-in."""
        resp.status = status
        resp.content_type = falcon.MEDIA_HTML
        resp.data = self._render(template, facts)
        resp.complete = True

    def shut(self, resp: Response, status: int, title: str, text: str, *, may_repeat: bool = False) -> None:
        """Answer that the way is shut, and what to do. A page that `may_repeat` an outage asks again by itself."""
        if status == 503:
            resp.set_header("Retry-After", RETRY_S)
        self.show(resp, "shut.html", status, title=title, text=text, again=status == 503 and may_repeat)

    def failed(self, req: Request, why: str) -> None:
        """Count and log a log-in that failed; `why` is a fixed code. An outage is nobody's guess."""
        if why != "oidc_unreachable":
            self.pace.failed(self.address(req))
        log.warning("console_log_in_failed", why=why)

    def is_too_fast(self, req: Request, resp: Response) -> bool:
        """Whether too many log-ins failed lately; then the answer says so."""
        wait_s = self.pace.wait_s(self.address(req))
        if wait_s:
            self.shut(resp, 429, "Too many log-ins failed", f"Try again in {wait_s} seconds.")
            resp.set_header("Retry-After", str(wait_s))
        return bool(wait_s)

    @staticmethod
    def _provider(chosen: Settings) -> "Provider":
        from worker.console.access.oidc import Provider  # noqa: PLC0415 - an extra

        return Provider(chosen)
