"""Errors of the console as pages: what was not found, what is not allowed, and what should never have happened."""

from typing import Any

import falcon
from falcon.asgi import Request, Response

from worker.console.rendering import Templates
from worker.process.eventlog import EventLog
from worker.process.logs import raised

log = EventLog(__name__)

_UNEXPECTED = "The console itself failed at this. Its log says where; nothing was changed that no page has confirmed."


class Trouble:
    """Falcon's error handler: a page for whoever is logged in, a bare one for everybody else."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    async def __call__(self, req: Request, resp: Response, fault: Exception, _params: Any, **_: Any) -> None:
        """Answer with a page."""
        if isinstance(fault, falcon.HTTPStatus):
            raise fault
        if isinstance(fault, falcon.HTTPError):
            resp.status = fault.status
            title, text = fault.title or "That did not work", fault.description or "Check the address."
            for name, value in dict(fault.headers or {}).items():
                resp.set_header(name, value)
        else:
            resp.status = falcon.HTTP_500
            title, text = "Something went wrong", _UNEXPECTED
            kind, at = raised(fault)
            log.error("page_failed", fault=kind, at=at, page=req.uri_template or "")
        facts = {"title": title, "text": text, "again": False}
        if getattr(req.context, "viewer", None) is None:
            resp.data = self._templates.render("shut.html", facts)
        else:
            always = {
                "viewer": req.context.viewer,
                "csrf": req.context.csrf,
                "since": "",
                "here": req.path,
                "notice": "",
            }
            resp.data = self._templates.render("trouble.html", always | facts)
        resp.content_type = falcon.MEDIA_HTML
