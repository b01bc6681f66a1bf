"""Pages of the log-in at an OpenID provider: the way there, and the way back."""

import asyncio
import hmac
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from falcon.asgi import Request, Response

from worker.console.access.cookies import drop_cookie, read_cookie, set_cookie
from worker.console.access.login import Entry
from worker.console.access.oidc import Pending, Provider, ProviderError
from worker.console.access.places import local_path
from worker.console.access.visitors import AwayError, NoRoleError, reach
from worker.store.keys import oidc_key
from worker.store.tokens import digest_of

T = TypeVar("T")
STATE = "relay-state"
_WITHIN_S = 600
_ASKED_WITHIN_S = 30.0


class Kept(msgspec.Struct, frozen=True):
    """What is kept in Redis of a log-in that is under way."""

    nonce: str
    verifier: str
    then: str


class OidcStart(Entry):
    """`GET /login/oidc`: to the provider. The browser keeps the state, so that nobody's answer fits another browser."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """On to the provider."""
        pending = Pending()
        kept = Kept(pending.nonce, pending.verifier, local_path(req.get_param("next") or "/"))
        try:
            address = await _ask(lambda: _provider(self).begin(pending))
            key = oidc_key(digest_of(pending.state))
            await reach(lambda: self.access.client.set(key, msgspec.json.encode(kept), ex=_WITHIN_S))
        except ProviderError as fault:
            return self._fail(req, resp, fault)
        except AwayError:
            return self.away(resp)
        # Lax: the way back begins at the provider's page
        set_cookie(req, resp, STATE, pending.state, _WITHIN_S, "Lax")
        return self.go_on(resp, address)

    def _fail(self, req: Request, resp: Response, fault: ProviderError) -> None:
        self.access.failed(req, f"oidc_{fault}")
        self.access.shut(resp, 502, "The log-in failed", f"The provider's answer is not right: {fault}. {_AGAIN}")


class OidcCallback(OidcStart):
    """`GET /login/oidc/callback`: back from the provider, with a code or a refusal."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """Log in, and go on from a page of our own: the cookie does not come along from the provider's."""
        state, given = req.get_param("state") or "", read_cookie(req, STATE)
        drop_cookie(req, resp, STATE)
        if not given or not hmac.compare_digest(state.encode(), given.encode()):
            self.access.failed(req, "oidc_state")
            return self.access.shut(resp, 400, "The log-in failed", f"It was begun in another browser. {_AGAIN}")
        try:
            raw: Any = await reach(lambda: self.access.client.getdel(oidc_key(digest_of(state))))
            kept, code = _kept(raw, req)
            vouched = await _ask(lambda: _provider(self).finish(code, Pending(state, kept.nonce, kept.verifier)))
            role = self.access.visitors.role_of(vouched.login, vouched.groups)
            await self.access.visitors.enter(req, resp, vouched.login, role, "oidc")
        except ProviderError as fault:
            return self._fail(req, resp, fault)
        except NoRoleError as fault:
            return self.access.shut(resp, 403, "No role", f"{fault} has no role here (RELAY_CONSOLE_ROLES).")
        except AwayError:
            return self.away(resp)
        return self.access.show(resp, "onward.html", to=kept.then)


def _provider(page: Entry) -> Provider:
    assert page.access.provider is not None
    return page.access.provider


def _kept(raw: bytes | None, req: Request) -> tuple[Kept, str]:
    """What was kept of the log-in, and the code that came for it."""
    if not raw:
        raise ProviderError("too_late")
    code = req.get_param("code")
    if not code:
        raise ProviderError(_refusal(req))
    return msgspec.json.decode(raw, type=Kept), code


def _refusal(req: Request) -> str:
    """Why the provider refused, if it is one of the codes of the standard."""
    code = req.get_param("error") or ""
    return code if code in {"access_denied", "login_required", "invalid_scope", "unauthorized_client"} else "no_code"


async def _ask(ask: Callable[[], T]) -> T:
    try:
        async with asyncio.timeout(_ASKED_WITHIN_S):
            return await asyncio.to_thread(ask)
    except TimeoutError:
        raise ProviderError("unreachable") from None


_AGAIN = "Go back to the console and log in again."
