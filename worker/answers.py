"""What the door answers when it is not a 200: RFC 9457 problem details, without a word of the request."""

import logging
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import falcon
import orjson
from falcon.asgi import Request, Response
from redis.exceptions import RedisError

from worker.append import refusal
from worker.errors import NotStoredError, SenderError

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5
_TYPE = "application/problem+json"
_LOG_EVERY_S = 1.0

Send = Callable[[Any], Awaitable[None]]


def problem(status: int, title: str, detail: str = "") -> bytes:
    """The body of a refusal."""
    body = {"type": "about:blank", "title": title, "status": status}
    return orjson.dumps(body | {"detail": detail} if detail else body)


async def send_problem(send: Send, status: int, title: str, detail: str) -> None:
    """A refusal from outside of Falcon; the connection ends with it."""
    body = problem(status, title, detail)
    headers = [
        (b"content-type", _TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"%d" % RETRY_AFTER_S),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def install(app: "falcon.asgi.App[Request, Response]") -> None:
    """Let the application answer every error in this form."""
    faults = Faults()
    app.add_error_handler(SenderError, _refuse)
    app.add_error_handler(falcon.HTTPError, _falcon_refuses)
    app.add_error_handler(Exception, faults.unexpected)
    for kind in (NotStoredError, RedisError, OSError):
        app.add_error_handler(kind, faults.not_stored)


class Faults:
    """Answers what is not the sender's fault: 503, so that it comes again. A line a second and kind goes to the log."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}

    async def not_stored(self, _req: Request, resp: Response, fault: Exception, _params: Any) -> None:
        """Redis is away, full or silent."""
        reason = refusal(fault)
        self._log(logging.WARNING, f"not_stored reason={reason}")
        self._answer(resp, "Not stored", f"Redis cannot store events just now ({reason}); send again later")

    async def unexpected(self, _req: Request, resp: Response, fault: Exception, _params: Any) -> None:
        """Our own mistake; the log has its kind and place, never its message, which may quote the request."""
        self._log(logging.ERROR, f"unexpected fault={type(fault).__name__} at={place(fault)}")
        self._answer(resp, "Unavailable", "the relay failed to serve this request; send again later")

    def _answer(self, resp: Response, title: str, detail: str) -> None:
        resp.set_header("Retry-After", str(RETRY_AFTER_S))
        _fill(resp, 503, title, detail)

    def _log(self, level: int, line: str) -> None:
        logged_s, unsaid = self._logged.get(line, (-_LOG_EVERY_S, 0))
        now_s = self._clock()
        if now_s - logged_s < _LOG_EVERY_S:
            self._logged[line] = (logged_s, unsaid + 1)
        else:
            self._logged[line] = (now_s, 0)
            log.log(level, "%s times=%d", line, unsaid + 1)


def place(fault: BaseException) -> str:
    """File, line and function where a fault came up."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    code = trace.tb_frame.f_code
    return f"{Path(code.co_filename).name}:{trace.tb_lineno}:{code.co_name}"


async def _refuse(req: Request, resp: Response, error: SenderError, _params: Any) -> None:
    _fill(resp, error.status, error.title, error.detail)
    if error.status == 401:
        resp.set_header("WWW-Authenticate", "Bearer" if req.path.startswith("/v1/") else "Purchasely-Signature")


async def _falcon_refuses(_req: Request, resp: Response, error: falcon.HTTPError, _params: Any) -> None:
    """Falcon's own refusals: its words may quote the request, so only the status is kept."""
    status = HTTPStatus(error.status_code)
    _fill(resp, status, status.phrase, "")
    allowed = dict(error.headers or {}).get("Allow")
    if allowed:
        resp.set_header("Allow", ", ".join(method for method in allowed.split(", ") if method != "OPTIONS"))


def _fill(resp: Response, status: int, title: str, detail: str) -> None:
    resp.status = status
    resp.content_type = _TYPE
    resp.data = problem(status, title, detail)
