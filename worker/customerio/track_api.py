"""The Track API: one request, one classified answer."""

import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.exceptions import ProtocolError

from config.integrations import Integration

# What Customer.io says is kept to a line: answers are for people to read, and may echo a value.
MESSAGE_LIMIT = 300
_ANSWER_LIMIT_BYTES = 1_000_000

_BATCH = "/api/v2/batch"

# The body is read below requests, where its wrapping of urllib3's errors does not reach.
_FAULTS = (requests.RequestException, Urllib3Error, OSError)


class ItemError(NamedTuple):
    """One refused item of a batch: its position (-1 when the answer does not say), field, reason and message."""

    position: int
    field: str
    message: str


class Answer(msgspec.Struct, frozen=True):
    """What one request came to.

    `status` is the HTTP status, 0 for a network fault or an answer that cannot be read; `message` says what happened
    in Customer.io's words or ours; `retry_after_s` is its wish (0: none); `took_ms` the time it took.
    """

    status: int
    message: str = ""
    errors: tuple[ItemError, ...] = ()
    retry_after_s: float = 0.0
    took_ms: int = 0


class Region(msgspec.Struct, frozen=True):
    """What the region endpoint says of a key: the region it belongs to and its workspace; or why it says nothing."""

    status: int
    region: str = ""
    workspace: int = 0
    message: str = ""


class _Session(requests.Session):
    """A session that never looks where a redirect leads: requests would read its whole body first, without end."""

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        """Nowhere."""
        return iter(())


class TrackApi:
    """A client of one integration's workspace; holds one Session, to be made after the fork."""

    def __init__(self, integration: Integration, timeout_s: float) -> None:
        self._base_url = integration.base_url
        self._timeout_s = timeout_s
        self._session = _Session()
        self._session.auth = (integration.site_id, integration.api_key)
        self._session.trust_env = False  # a .netrc or proxy variable must not replace the key or see the events
        self._session.headers.update({"Content-Type": "application/json", "User-Agent": "purchasely-customerio-relay"})
        for scheme in ("http://", "https://"):
            # tenacity alone retries: see delivery
            self._session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0))
        self._batch: requests.PreparedRequest | None = None

    def batch(self, body: bytes) -> Answer:
        """POST a Track v2 batch. Never raises for what the network or Customer.io does."""
        return self._request("POST", _BATCH, body)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def region(self) -> Region:
        """Ask which region and workspace the key belongs to (works on either region's host)."""
        started = time.monotonic()
        try:
            response, content = self._exchange("GET", "/api/v1/accounts/region", None, started)
        except _FAULTS as fault:
            return Region(0, message=_fault_words(fault))
        found = _json(content)
        if response.status_code == 200 and isinstance(found, dict) and isinstance(found.get("region"), str):
            workspace = found.get("environment_id")
            return Region(200, found["region"].lower(), workspace if isinstance(workspace, int) else 0)
        return Region(response.status_code, message=_words(found, response))

    def _request(self, method: str, path: str, body: bytes) -> Answer:
        started = time.monotonic()
        try:
            response, content = self._exchange(method, path, body, started)
        except _FAULTS as fault:
            return Answer(0, _fault_words(fault), took_ms=_since_ms(started))
        return classify(response.status_code, response.headers, content, _since_ms(started), response)

    def _prepare(self, method: str, path: str, body: bytes | None) -> requests.PreparedRequest:
        """A request; that of a batch is made once, only its body differs."""
        if path != _BATCH or body is None:
            return self._session.prepare_request(requests.Request(method, self._base_url + quote(path), data=body))
        if self._batch is None:
            self._batch = self._session.prepare_request(requests.Request(method, self._base_url + path))
        self._batch.body = body
        self._batch.headers["Content-Length"] = str(len(body))
        return self._batch

    def _exchange(self, method: str, path: str, body: bytes | None, started: float) -> tuple[requests.Response, bytes]:
        """One exchange, bounded in time as a whole: `timeout` alone would let a dripping answer go on for ever."""
        request = self._prepare(method, path, body)
        with self._session.send(
            request,
            timeout=(min(5.0, self._timeout_s), self._timeout_s),
            allow_redirects=False,  # requests would turn a redirected POST into a GET without body
            stream=True,
        ) as response:
            content = bytearray()
            read: Callable[..., bytes] = response.raw.read1
            while chunk := read(65_536, decode_content=True):
                content += chunk
                if time.monotonic() - started > self._timeout_s or len(content) > _ANSWER_LIMIT_BYTES:
                    response.raw.close()
                    raise requests.ReadTimeout("the answer did not end")
            return response, bytes(content)


def classify(status: int, headers: Any, content: bytes, took_ms: int, response: requests.Response) -> Answer:
    """The meaning of an answer to a batch.

    A 200 may carry errors and a 207 none (seen by other clients): the errors listed are what counts. A 200 or 207 whose
    body is not JSON says nothing of the items, so it counts as a fault (status 0) and is sent again; an empty body
    with 200 is a success if it was meant to be empty, and not cut off.
    """
    found = _json(content)
    message = _words(found, response)
    retry_after_s = _retry_after_s(headers.get("Retry-After"))
    if status in {200, 207}:
        if found is _UNREADABLE and (content.strip() or status == 207):
            return Answer(0, f"{status} with a body that is not JSON", took_ms=took_ms)
        if not content and "Content-Length" not in headers and "Transfer-Encoding" not in headers:
            return Answer(0, f"{status} and no word on whether a body was to follow", took_ms=took_ms)
        return Answer(status, message, _item_errors(found), retry_after_s, took_ms)
    return Answer(status, message, (), retry_after_s, took_ms)


def _item_errors(found: Any) -> tuple[ItemError, ...]:
    listed = found.get("errors") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        return ()
    errors = []
    for error in listed:
        if not isinstance(error, dict):
            error = {}  # noqa: PLW2901 - an error without content is still an error
        position = error.get("batch_index")
        field = error.get("field")
        said = [str(error[key]) for key in ("reason", "message") if error.get(key)]
        errors.append(
            ItemError(
                position if type(position) is int else -1,
                field[:100] if isinstance(field, str) else "",
                ": ".join(said)[:MESSAGE_LIMIT],
            )
        )
    return tuple(errors)


class _Unreadable:
    """A body that is no JSON."""


_UNREADABLE = _Unreadable()


def _json(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except ValueError:
        return _UNREADABLE


def _words(found: Any, response: requests.Response) -> str:
    """Customer.io's message, whichever of its three shapes it has; else the status line."""
    if 300 <= response.status_code < 400:
        host = response.headers.get("Location", "").split("/api/")[0][:100]
        return f"{response.status_code}: redirected to {host or 'nowhere'} (is the region right?)"
    if isinstance(found, dict):
        meta = found.get("meta")
        sources = [meta.get("error"), meta.get("errors")] if isinstance(meta, dict) else []
        for said in [*sources, found.get("errors")]:
            if isinstance(said, str) and said:
                return said[:MESSAGE_LIMIT]
            if isinstance(said, list) and said:
                return _first_words(said[0])
    return f"{response.status_code} {response.reason or ''}".strip()


def _first_words(first: Any) -> str:
    if isinstance(first, dict):
        parts = [str(first[key]) for key in ("field", "reason", "message", "detail") if first.get(key)]
        return ": ".join(parts)[:MESSAGE_LIMIT]
    return str(first)[:MESSAGE_LIMIT]


def _retry_after_s(value: str | None) -> float:
    """Retry-After in seconds, given as a number or an HTTP date; 0 when absent or unreadable."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _fault_words(fault: Exception) -> str:
    """A network fault without the address and the request it happened to (exception texts hold them)."""
    if isinstance(fault, requests.Timeout):
        return "no answer in time"
    if isinstance(fault, requests.exceptions.SSLError):
        return "the TLS certificate was not accepted"
    cause = fault.args[0] if isinstance(fault, requests.ConnectionError) and fault.args else fault
    cause = getattr(cause, "reason", cause)
    if isinstance(cause, ProtocolError) and isinstance(cause.args[-1], Exception):
        cause = cause.args[-1]  # "Connection aborted" and "broken", by what
    return f"connection failed ({type(cause).__name__})"


def _since_ms(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
