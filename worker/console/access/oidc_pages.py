"""Pages of the log-in at an OpenID provider: the way there, and the way back."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import TypeVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from falcon.asgi import Request, Response

from worker.console.access.cookies import drop_cookie, read_cookie, set_cookie
from worker.console.access.login import Entry
from worker.console.access.oidc import Pending, Provider, ProviderError
from worker.console.access.places import local_path
from worker.console.access.visitors import AwayError, NoRoleError, reach
from worker.store.tokens import console_key

T = TypeVar("T")
STATE = "relay-state"
_WITHIN_S = 600
_ASKED_WITHIN_S = 30.0


class OidcStart(Entry):
    """`GET /login/oidc`: to the provider. The browser alone keeps, sealed, what the answer is compared with: who is not
    logged in cannot fill Redis, and nobody's answer fits another browser.
    """

    async def on_get(self, req: Request, resp: Response) -> None:
        """On to the provider."""
        pending = Pending(local_path(req.get_param("next") or "/"))
        try:
            address = await _ask(lambda: _provider(self).begin(pending))
            sealed = (await self._seal()).encrypt(msgspec.json.encode(pending)).decode().rstrip("=")
        except ProviderError as fault:
            return self._fail(req, resp, fault)
        except AwayError:
            return self.away(resp)
        # Lax: the way back begins at the provider's page
        set_cookie(req, resp, STATE, sealed, _WITHIN_S, "Lax")
        return self.go_on(resp, address)

    async def _seal(self) -> Fernet:
        key = await reach(lambda: console_key(self.access.client))
        return Fernet(base64.urlsafe_b64encode(hmac.digest(key, b"oidc", hashlib.sha256)))

    def _fail(self, req: Request, resp: Response, fault: ProviderError) -> None:
        self.access.failed(req, f"oidc_{fault}")
        self.access.shut(resp, 502, "The log-in failed", f"The provider's answer is not right: {fault}. {_AGAIN}")


class OidcCallback(OidcStart):
    """`GET /login/oidc/callback`: back from the provider, with a code or a refusal."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """Log in, and go on from a page of our own: the cookie does not come along from the provider's."""
        sealed = read_cookie(req, STATE)
        drop_cookie(req, resp, STATE)
        try:
            pending = _opened(await self._seal(), sealed)
            if pending is None or not hmac.compare_digest(_state(req), pending.state.encode()):
                self.access.failed(req, "oidc_state")
                return self.access.shut(resp, 400, "The log-in failed", f"{_ELSEWHERE} {_AGAIN}")
            code = _code(req)
            vouched = await _ask(lambda: _provider(self).finish(code, pending))
            role = self.access.visitors.role_of(vouched.login, vouched.groups)
            await self.access.visitors.enter(req, resp, vouched.login, role, "oidc")
        except ProviderError as fault:
            return self._fail(req, resp, fault)
        except NoRoleError as fault:
            return self.access.shut(resp, 403, "No role", f"{fault} has no role here (RELAY_CONSOLE_ROLES).")
        except AwayError:
            return self.away(resp)
        return self.access.show(resp, "onward.html", to=pending.then)


def _provider(page: Entry) -> Provider:
    assert page.access.provider is not None
    return page.access.provider


def _opened(seal: Fernet, sealed: str) -> Pending | None:
    token = (sealed + "=" * (-len(sealed) % 4)).encode("utf-8", "replace")  # a cookie with `=` would be quoted
    try:
        return msgspec.json.decode(seal.decrypt(token, ttl=_WITHIN_S), type=Pending)
    except (InvalidToken, msgspec.DecodeError):
        return None


def _state(req: Request) -> bytes:
    return (req.get_param("state") or "").encode("utf-8", "surrogateescape")


def _code(req: Request) -> str:
    """The code that came.

    Raises:
        ProviderError: none did; with the provider's reason, if that is one of the codes of the standard.
    """
    if code := req.get_param("code"):
        return code
    error = req.get_param("error") or ""
    known = error in {"access_denied", "login_required", "invalid_scope", "unauthorized_client"}
    raise ProviderError(error if known else "no_code")


async def _ask(ask: Callable[[], T]) -> T:
    try:
        async with asyncio.timeout(_ASKED_WITHIN_S):
            return await asyncio.to_thread(ask)
    except TimeoutError:
        raise ProviderError("unreachable") from None


_ELSEWHERE = "It was begun in another browser, or more than ten minutes ago."
_AGAIN = "Go back to the console and log in again."
