"""Composition root of the console: an ASGI application of its own, on a port of its own."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import falcon

from worker.app import Relay, package_version, relay
from worker.app.begun import begun
from worker.console.access.entry import Access
from worker.console.access.guard import ClosedApp, Guard
from worker.console.access.routes import add_routes
from worker.console.assets import Alive, Assets
from worker.console.live import LiveRoute, News
from worker.console.page import PageRoute
from worker.console.rendering import Templates
from worker.console.site import pages
from worker.console.trouble import Trouble
from worker.process.eventlog import EventLog
from worker.store.connect import open_once

log = EventLog(__name__)

# A question to the past is a scan of some tenths of a second that mostly waits for Redis; a page is never queued long.
_THREADS = 8
# A page may wait where the door and the workers of the same machine may not.
_NICER = 10
# Who is logged in is asked for every page: it is better refused soon than kept waiting.
_WAIT_S = 2.0


class Life:
    """The end of the process, noted for whoever looks at the heartbeats."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    async def process_shutdown(self, _scope: Any, _event: Any) -> None:
        """Stop looking for revisions, and say that this process ends on purpose."""
        await asyncio.to_thread(self._parts.end)


def build(parts: Relay) -> ClosedApp:
    """The application over given parts."""
    threads = ThreadPoolExecutor(_THREADS, "page")
    templates = Templates(version=package_version())
    access = Access(parts.settings, open_once(parts.address, _WAIT_S), templates.render)
    middleware: list[Any] = [Guard(access), Life(parts)]
    app = ClosedApp(middleware=middleware)
    add_routes(app, access)
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.auto_parse_qs_csv = False
    app.req_options.keep_blank_qs_values = True
    app.add_route("/static/{digest}/{name}", Assets())
    app.add_route("/healthz", Alive())
    news = News(parts)
    app.add_route("/live", LiveRoute(news, access))
    for kind in (Exception, falcon.HTTPError):  # Falcon has a handler of its own for the second
        app.add_error_handler(kind, Trouble(templates))
    for address, page in pages(parts).items():
        app.add_route(address, PageRoute(page, templates, threads, news.since))
    return app


def create() -> ClosedApp:
    """The ASGI application (`uvicorn --factory worker.console.app:create`)."""
    os.nice(_NICER)
    app = begun("console", build)
    relay().start_pulse()
    return app
