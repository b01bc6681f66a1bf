"""Posts events to the web door: as an upstream service with a token, or as Purchasely with a signature."""

import hashlib
import hmac
import ipaddress
import os
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import orjson
import requests
from tenacity import RetryCallState, Retrying, stop_after_delay, wait_random_exponential

from worker.errors import OperatorError
from worker.machine.faults import of_certificate

_TIMEOUT_S = 30
_LONGEST_WAIT_S = 30.0
# "Send again later": what the door answers while Redis is away, and what proxies say in its place.
_AGAIN = frozenset({429, 502, 503, 504})


class Sent(msgspec.Struct):
    """What was posted so far."""

    events: int = 0
    accepted: int = 0
    duplicates: int = 0
    requests: int = 0

    def add(self, other: "Sent") -> None:
        """Count another request."""
        self.events += other.events
        self.accepted += other.accepted
        self.duplicates += other.duplicates
        self.requests += other.requests


class RefusedError(Exception):
    """The door refused a request (`status`), or was away for longer than patience lasted (0); says why."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Poster:
    """Posts chunks of events to one route. What the door cannot store just now is sent again, for `patience_s`.

    `tell` hears why something is tried again.
    """

    def __init__(
        self,
        address: str,
        headers: Callable[[bytes], dict[str, str]],
        patience_s: float,
        tell: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._address = address
        self._headers = headers
        self._patience_s = patience_s
        self._tell = tell
        self._sleep = sleep
        self._jitter = wait_random_exponential(multiplier=0.5, max=8)
        self._session = requests.Session()
        # a proxy of the surroundings has nothing to do with this machine, and would learn the token
        self._session.trust_env = not is_this_machine(address)
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True  # which it reads where it trusts them
        self._answered = False

    def post(self, chunk: list[bytes]) -> Sent:
        """Post a chunk; what the door says of it.

        Raises:
            RefusedError: it is refused, or the door stayed away for too long.
            OperatorError: nobody ever answered at this address.
        """
        body = b"\n".join(chunk)
        retrying = Retrying(
            stop=stop_after_delay(self._patience_s),
            wait=self._wait_s,
            retry=_is_again,
            retry_error_callback=_last,
            before_sleep=self._say_again,
            sleep=self._sleep,
        )
        answer: requests.Response | str = retrying(self._try, body)
        if isinstance(answer, str):
            raise RefusedError(f"no answer at {self._address} ({answer})")
        if answer.status_code != 200:
            raise RefusedError(_refusal(answer), answer.status_code)
        try:
            told = msgspec.json.decode(answer.content, type=Sent)
        except msgspec.DecodeError:
            raise RefusedError(f"{self._address} answers 200, but not as the relay does; is --url right?") from None
        return Sent(len(chunk), told.accepted, told.duplicates, 1)

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()

    def _try(self, body: bytes) -> "requests.Response | str":
        """The answer, or in a word why there is none."""
        try:
            answer = self._session.post(
                self._address,
                data=body,
                headers=self._headers(body),
                auth=_unchanged,
                timeout=_TIMEOUT_S,
                allow_redirects=False,
            )
        except (requests.ConnectionError, requests.Timeout) as fault:
            if isinstance(fault, requests.exceptions.SSLError) and not self._answered:
                raise OperatorError(self._unverified(fault)) from None
            word = "too slow" if isinstance(fault, requests.Timeout) else "no connection"
            if not self._answered:
                raise OperatorError(
                    f"nobody answers at {self._address} ({word}): is the relay up, and --url right?"
                ) from None
            return word
        except requests.RequestException as fault:
            raise OperatorError(f"cannot send to {self._address} ({type(fault).__name__})") from None
        self._answered = True
        return answer

    def _unverified(self, fault: Exception) -> str:
        wrong = of_certificate(fault)
        if wrong is None:
            return f"there is no TLS with {self._address}: is it https, and --url right?"
        own = "; an authority of your own is named in REQUESTS_CA_BUNDLE"
        return f"the certificate at {self._address} cannot be verified: {wrong[0]}{own}"

    def _wait_s(self, state: RetryCallState) -> float:
        answer, asked = _last(state), ""
        if not isinstance(answer, str):
            asked = answer.headers.get("Retry-After", "")
        asked_s = float(asked) if asked.isdigit() else 0.0
        return max(min(asked_s, _LONGEST_WAIT_S), self._jitter(state))

    def _say_again(self, state: RetryCallState) -> None:
        answer = _last(state)
        left_s = max(0.0, self._patience_s - (state.seconds_since_start or 0))
        why = answer if isinstance(answer, str) else _refusal(answer)
        self._tell(f"{why}; trying again for up to {left_s:.0f} s")


def with_token(token: str) -> Callable[[bytes], dict[str, str]]:
    """The headers of an upstream service."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    return lambda _body: headers


def signing(secret: bytes, clock: Callable[[], float] = time.time) -> Callable[[bytes], dict[str, str]]:
    """The headers of Purchasely's webhook: a hex HMAC-SHA256 of timestamp and body (reference: webhook contract)."""

    def headers(body: bytes) -> dict[str, str]:
        timestamp = str(int(clock()))
        signature = hmac.new(secret, timestamp.encode() + body, hashlib.sha256).hexdigest()
        return {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "X-PURCHASELY-REQUEST-SIGNATURE": signature,
            "X-PURCHASELY-TIMESTAMP": timestamp,
        }

    return headers


def route(url: str, source: str, *, signed: bool) -> str:
    """The address of a source's webhook (signed) or of its route for upstream services.

    Raises:
        OperatorError: `url` is no address.
    """
    try:
        found = urlsplit(url)
        is_address = found.scheme in {"http", "https"} and bool(found.hostname) and found.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise OperatorError(f"{url} is no address; --url is like https://relay.example.com")
    return f"{url.rstrip('/')}{'/webhooks/purchasely' if signed else '/v1/events'}/{quote(source, safe='')}"


def is_this_machine(address: str) -> bool:
    """Whether an address is one that never leaves this machine.

    >>> is_this_machine("http://127.0.0.1:8080/x"), is_this_machine("http://[::1]/"), is_this_machine("http://10.0.0.1/")
    (True, True, False)
    """
    host = (urlsplit(address).hostname or "").rstrip(".")
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return found.is_loopback or found.is_unspecified


def _unchanged(request: Any) -> Any:
    """An auth that does nothing, so that a .netrc entry cannot replace the token."""
    return request


def _is_again(state: RetryCallState) -> bool:
    if state.outcome is None or state.outcome.failed:
        return False
    answer = _last(state)
    return isinstance(answer, str) or answer.status_code in _AGAIN


def _last(state: RetryCallState) -> Any:
    assert state.outcome is not None
    return state.outcome.result()


def _refusal(answer: requests.Response) -> str:
    """The problem in the door's words, or the status alone."""
    try:
        problem = orjson.loads(answer.content)
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or not problem.get("title"):
        return f"{answer.status_code} {answer.reason or ''}".strip()
    detail = f": {problem['detail']}" if problem.get("detail") else ""
    return f"{answer.status_code} {problem['title']}{detail}"[:400]
