"""What is open to all: static files, compressed once and kept by the browser for a year, and that the process lives."""

import gzip
from importlib.resources import files

import falcon
from falcon.asgi import Request, Response

from worker.console.rendering import asset_path

_KINDS = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class Assets:
    """`GET /static/{digest}/{name}`: one of the files that the pages refer to."""

    is_open = True

    def __init__(self) -> None:
        raw = {name: files("worker.console").joinpath("static", name).read_bytes() for name in _KINDS}
        self._files = {asset_path(name): (name, body, gzip.compress(body, 9)) for name, body in raw.items()}

    async def on_get(self, req: Request, resp: Response, **_: str) -> None:
        """The file; 404 for another name or an older content."""
        found = self._files.get(req.path)
        if found is None:
            raise falcon.HTTPNotFound
        name, body, squeezed = found
        resp.content_type = _KINDS[name]
        resp.set_header("Cache-Control", "public, max-age=31536000, immutable")
        resp.set_header("Vary", "Accept-Encoding")
        if "gzip" in (req.get_header("Accept-Encoding") or ""):
            resp.set_header("Content-Encoding", "gzip")
            body = squeezed
        resp.data = body


class Alive:
    """`GET /healthz`: the process answers; it says nothing else."""

    is_open = True

    async def on_get(self, _req: Request, resp: Response) -> None:
        """Always 200."""
        resp.media = {"status": "alive"}

    on_head = on_get
