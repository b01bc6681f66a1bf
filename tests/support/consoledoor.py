"""A console of three pages behind the real guard, in a real server: for who wants to get in."""

import contextlib
import html
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jinja2
import redis
import requests
import uvicorn

from config.roles import Role
from config.settings import Settings
from tests.support.waiting import until
from worker.app import Relay
from worker.console.access.entry import Access
from worker.console.access.guard import ClosedApp, Guard
from worker.console.access.roles import Permission
from worker.console.access.routes import add_routes
from worker.console.app import build
from worker.ingest.protocol import Protocol
from worker.store.links import new_link

PUBLIC = "https://console.example.com"
HOST = "console.example.com"
PROXY_SECRET = "a-secret-of-the-proxy"


class Page:
    """One page that says who looks at it; its POST says what was done."""

    def __init__(self, **permissions: Permission) -> None:
        self.permissions = permissions

    async def on_get(self, req, resp, **_path):
        """Who looks, and the token that a form would carry."""
        viewer = req.context.viewer
        resp.media = {"login": viewer.login, "role": viewer.role, "via": viewer.via, "csrf": req.context.csrf}

    async def on_post(self, req, resp, **_path):
        """Done."""
        resp.media = {"done": req.context.viewer.login}


class Open:
    """What needs no log-in."""

    is_open = True

    async def on_get(self, _req, resp):
        """A file that may be kept."""
        resp.media = {"alive": True}
        resp.set_header("Cache-Control", "public, max-age=60")


def render(template: str, facts: Mapping[str, Any]) -> bytes:
    """The console's own templates."""
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("worker.console"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    env.globals["asset"] = lambda name: f"/static/0/{name}"
    return env.get_template(template).render(facts).encode()


class Console:
    """A console that runs: `url` is where, `access` what guards it, `routes` what it has."""

    def __init__(self, url: str, access: Access, client: redis.Redis, routes: dict[str, Any]) -> None:
        self.url = url
        self.routes = routes
        self.access = access
        self.redis = client

    def link(self, role: Role = Role.OPERATOR, login: str = "anna") -> str:
        """The path of a new one-time link."""
        return f"/login/link/{new_link(self.redis, role, login, 60)}"

    def browser(self, role: Role | None = None, login: str = "anna") -> "Browser":
        """A browser; with a role it is logged in by a link."""
        browser = Browser(self.url)
        if role is not None:
            assert browser.post(self.link(role, login)).status_code == 303
        return browser


class Browser(requests.Session):
    """Sends what a browser sends from a page of the console: Origin null, Sec-Fetch-Site; follows no redirect."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.trust_env = False
        self.base = url
        self.headers["Sec-Fetch-Site"] = "same-origin"

    def request(self, method, url, **kwargs):
        """A path of the console."""
        kwargs["allow_redirects"] = False
        kwargs.setdefault("timeout", 10)
        return super().request(method, self.base + url, **kwargs)

    def csrf(self) -> str:
        """The token of this session's forms."""
        return self.get("/").json()["csrf"]


class Outside(Browser):
    """The same by way of a proxy with TLS at the public address; its cookies are read by hand, as it is http here."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.headers["Host"] = HOST
        self.held: dict[str, str] = {}

    def request(self, method, url, **kwargs):
        """A path of the console, with the cookies that a browser would send over https."""
        held = "; ".join(f"{name}={value}" for name, value in self.held.items())
        kwargs["headers"] = {**({"Cookie": held} if held else {}), **kwargs.get("headers", {})}
        answer = super().request(method, url, **kwargs)
        self.cookies.clear()
        for line in answer.raw.headers.getlist("Set-Cookie"):
            pair, *rest = line.split("; ")
            name, _, value = pair.partition("=")
            if any("1970" in attribute for attribute in rest):
                self.held.pop(name, None)
            else:
                self.held[name] = value
        return answer


@contextlib.contextmanager
def running(chosen: Settings, client: redis.Redis, clock: Callable[[], float] = time.time) -> Iterator[Console]:
    """Serve until the end of the block."""
    access = Access(chosen, client, render, clock)
    app = ClosedApp(middleware=[Guard(access)])
    add_routes(app, access)
    app.add_route("/", Page(GET=Permission.LOOK))
    app.add_route("/act", Page(GET=Permission.LOOK, POST=Permission.ACT))
    app.add_route("/people/{person}", Page(GET=Permission.LOOK))
    app.add_route("/healthz", Open())
    with serving(app) as url:
        yield Console(url, access, client, app.routes)


@contextlib.contextmanager
def site(parts: Relay) -> Iterator[Console]:
    """The whole console over given parts, until the end of the block."""
    app = build(parts)
    access = Access(parts.settings, parts.redis, render)  # of its own: only the links that it makes are used
    with serving(app) as url:
        yield Console(url, access, parts.redis, app.routes)


@contextlib.contextmanager
def serving(app: ClosedApp) -> Iterator[str]:
    """Serve an application until the end of the block; where."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="critical",  # streams that are still open at the end are cut
            lifespan="off",
            proxy_headers=False,
            http=Protocol,
            ws="none",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        until(lambda: server.started or not thread.is_alive(), "the server runs", every_s=0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def text_of(page: str) -> str:
    """What a person reads of a page, in one line."""
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())
