"""Error responses of the door: RFC 9457 problem details, without a word of the request."""

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import falcon
import msgspec
import orjson
from falcon.asgi import Request, Response
from redis.exceptions import RedisError

from worker.errors import NotStoredError, SenderError
from worker.ingest.roundtrip import refusal
from worker.process.eventlog import RareLog

RETRY_AFTER_S = 5
ROUTES = (
    "the paths are /webhooks/purchasely/SOURCE and /v1/events/SOURCE (POST), "
    "/healthz, /readyz, /metrics and /openapi.json (GET)"
)
# What a sender may know of a reason.
_WHY = {
    "readonly": ": it is a replica, a fail-over may be under way",
    "replicas": ": too few of its replicas confirm what it stores",
    "loading": ": it reads its files after a start",
    "timeout": ": it does not answer in time",
    "connection": ": there is no connection to it",
    "sentinel": ": no Sentinel says where it is",
    "memory": ": its memory is full",
    "disk": ": it cannot write to its disk",
    "layout": ": the number of its shards changes",
    "cluster": ": a part of the cluster is away",
    "busy": ": a script in it does not end",
}
_LOG_EVERY_S = 1.0  # an outage must not fill the disk
_REFUSALS_EVERY_S = 60.0  # a sender that is set up wrongly, or a scanner, goes on for days


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer as ASGI has it; header names in lower case, without the body's length."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def problem(status: int, title: str, detail: str = "", **headers: str) -> Answer:
    """A refusal; a header's name has `_` for `-`."""
    content = {"type": "about:blank", "title": title, "status": status}
    body = orjson.dumps(content | {"detail": detail} if detail else content)
    named = ((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    return Answer(status, ((b"content-type", b"application/problem+json"), *named), body)


class Answers:
    """The answer to each fault. What is not the sender's is a 503, so that it comes again, and a line in the log."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = RareLog(__name__, _LOG_EVERY_S, clock)
        self._refusals = RareLog(__name__, _REFUSALS_EVERY_S, clock)

    def to(self, fault: BaseException, path: str) -> Answer:
        """What to answer to a request for `path` that ended with `fault`."""
        if isinstance(fault, SenderError):
            self._refusals.warning("sender_refused", route=_route(path), status=fault.status)
            if fault.status == 401:
                scheme = "Purchasely-Signature" if path.startswith("/webhooks/") else "Bearer"
                return problem(401, fault.title, fault.detail, www_authenticate=scheme)
            return problem(fault.status, fault.title, fault.detail)
        if isinstance(fault, NotStoredError | RedisError | OSError):
            reason = refusal(fault)
            self._log.warning("not_stored", reason=reason)
            return _later(
                "Not stored", f"Redis cannot store events just now ({reason}){_WHY.get(reason, '')}; send again later"
            )
        if isinstance(fault, asyncio.CancelledError):
            # uvicorn's grace time at a stop is over
            self._log.warning("not_stored", reason="stopping")
            return _later("Stopping", "the relay stops; send again later")
        # our own mistake: the log has its kind and place, never its message, which may quote the request
        self._log.error("unexpected", fault=type(fault).__name__, at=place(fault))
        return _later("Unavailable", "the relay failed to serve this request; send again later")


def _route(path: str) -> str:
    """The kind of a path; the rest of it anybody may choose."""
    begun = next((route for route in ("/webhooks/", "/v1/") if path.startswith(route)), "")
    return {"/webhooks/": "webhook", "/v1/": "events"}.get(begun, "other")


def place(fault: BaseException) -> str:
    """File, line and function where an exception was raised."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    code = trace.tb_frame.f_code
    return f"{Path(code.co_filename).name}:{trace.tb_lineno}:{code.co_name}"


def install(app: "falcon.asgi.App[Request, Response]", answers: Answers) -> None:
    """Let Falcon answer every error in this form, its own too: their messages may quote the request."""

    async def fault(req: Request, resp: Response, fault: Exception, _params: Any) -> None:
        _fill(resp, answers.to(fault, req.path))

    async def refuse(_req: Request, resp: Response, error: falcon.HTTPError, _params: Any) -> None:
        status = HTTPStatus(error.status_code)
        allowed = dict(error.headers or {}).get("Allow", "").split(", ")
        allow = ", ".join(method for method in allowed if method and method != "OPTIONS")
        detail = ROUTES if status == HTTPStatus.NOT_FOUND else ""
        _fill(resp, problem(status, status.phrase, detail, **({"allow": allow} if allow else {})))

    app.add_error_handler(Exception, fault)
    app.add_error_handler(falcon.HTTPError, refuse)


def _later(title: str, detail: str) -> Answer:
    return problem(503, title, detail, retry_after=str(RETRY_AFTER_S))


def _fill(resp: Response, answer: Answer) -> None:
    resp.status = answer.status
    resp.data = answer.body
    for name, value in answer.headers:
        resp.set_header(name.decode(), value.decode())
