"""The Track API: one request, one classified answer."""

import time
from collections.abc import Callable
from urllib.parse import quote

import msgspec
import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProtocolError, ReadTimeoutError

from config.integrations import Integration
from worker.customerio.answer import Answer, classify, message_of, read_json
from worker.customerio.connection import ANSWER_LIMIT_BYTES, AnswerTooLargeError, Bound, BoundedAdapter
from worker.customerio.traffic import TRAFFIC

_BATCH = "/api/v2/batch"


class Region(msgspec.Struct, frozen=True):
    """What the region endpoint says of a key: the region it belongs to and its workspace; or why it says nothing."""

    status: int
    region: str = ""
    workspace: int = 0
    message: str = ""


class TrackApi:
    """A client of one integration's workspace; holds one connection, to be made after the fork.

    The session makes the requests, the adapter sends them: beyond that a session only looks for redirects, whose body
    it would read without end, and keeps cookies, which would grow without end; a tenth of what an exchange costs.
    """

    def __init__(self, integration: Integration, timeout_s: float) -> None:
        self._integration = integration.name
        self._base_url = integration.base_url
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.auth = (integration.site_id, integration.api_key)
        self._session.trust_env = False  # a .netrc or proxy variable must not replace the key or see the events
        self._session.headers.update({"Content-Type": "application/json", "User-Agent": "purchasely-customerio-relay"})
        self._bound = Bound()
        self._adapter = BoundedAdapter(self._bound)  # tenacity alone retries: see `sender`
        self._batch: requests.PreparedRequest | None = None

    def batch(self, body: bytes) -> Answer:
        """POST a Track v2 batch. Never raises for what the network or Customer.io does."""
        answer = self._request("POST", _BATCH, body)
        TRAFFIC.add(self._integration, answer.status, answer.took_ms)
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._adapter.close()

    def region(self) -> Region:
        """Ask which region and workspace the key belongs to (works on either region's host)."""
        try:
            response, content = self._exchange("GET", "/api/v1/accounts/region", None)
        except Exception as fault:  # noqa: BLE001 - see `batch`
            return Region(0, message=_fault_message(fault))
        found = read_json(content)
        if response.status_code == 200 and isinstance(found, dict) and isinstance(found.get("region"), str):
            workspace = found.get("environment_id")
            return Region(200, found["region"].lower(), workspace if isinstance(workspace, int) else 0)
        message = message_of(response.status_code, found, response.headers, response.reason or "")
        return Region(response.status_code, message=message)

    def _request(self, method: str, path: str, body: bytes) -> Answer:
        started = time.monotonic()
        try:
            response, content = self._exchange(method, path, body)
        except Exception as fault:  # noqa: BLE001 - whatever a stranger answers is a fault of this request
            return Answer(0, _fault_message(fault), took_ms=_since_ms(started))
        status, took_ms = response.status_code, _since_ms(started)
        return classify(status, response.headers, content, took_ms, response.reason or "")

    def _prepare(self, method: str, path: str, body: bytes | None) -> requests.PreparedRequest:
        """A request; that of a batch is made once, only its body differs."""
        if path != _BATCH or body is None:
            return self._session.prepare_request(requests.Request(method, self._base_url + quote(path), data=body))
        if self._batch is None:
            self._batch = self._session.prepare_request(requests.Request(method, self._base_url + path))
        self._batch.body = body
        self._batch.headers["Content-Length"] = str(len(body))
        return self._batch

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[requests.Response, bytes]:
        """One exchange, bounded as a whole: connecting, sending, every byte of the answer."""
        request = self._prepare(method, path, body)
        self._bound.begin(self._timeout_s)
        with self._adapter.send(request, stream=True, timeout=self._timeout_s) as response:
            content = bytearray()
            read: Callable[..., bytes] = response.raw.read1
            while chunk := read(65_536, decode_content=True):
                content += chunk
                if len(content) > ANSWER_LIMIT_BYTES:  # unpacked; what comes over the wire is bounded below
                    response.raw.close()
                    raise AnswerTooLargeError
            return response, bytes(content)


def _fault_message(fault: Exception) -> str:
    """A network fault without the address and the request it happened to (exception texts hold them)."""
    if isinstance(fault, requests.exceptions.SSLError):
        return "the TLS certificate was not accepted"
    cause = fault.args[0] if isinstance(fault, requests.ConnectionError) and fault.args else fault
    cause = getattr(cause, "reason", cause)
    if isinstance(cause, ProtocolError) and isinstance(cause.args[-1], Exception):
        cause = cause.args[-1]  # "Connection aborted" and "broken", by what
    if isinstance(cause, AnswerTooLargeError):
        return "the answer is too large"
    refused = isinstance(cause, NewConnectionError)  # a timeout by its class only
    if isinstance(cause, (requests.Timeout, TimeoutError, ReadTimeoutError, ConnectTimeoutError)) and not refused:
        return "no answer in time"
    return f"connection failed ({type(cause).__name__})"


def _since_ms(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
