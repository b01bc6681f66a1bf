"""Log-in by a proxy in front: it says in headers who somebody is, and proves with a secret that it is the proxy."""

import hmac
from dataclasses import dataclass

from falcon.asgi import Request

from config.settings import Settings

_MAX_LOGIN = 200


class NotTheProxyError(Exception):
    """A request speaks as the proxy does and is not from it; the message is a fixed code, without the values."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """Who the proxy says that somebody is."""

    login: str
    groups: tuple[str, ...]


class Proxy:
    """Reads the proxy's headers (oauth2-proxy: X-Forwarded-Email; Cloudflare: Cf-Access-Authenticated-User-Email)."""

    def __init__(self, chosen: Settings) -> None:
        self._secret = chosen.console_proxy_secret.get_secret_value().encode()
        self._secret_header = chosen.console_proxy_secret_header
        self._login_header = chosen.console_proxy_login_header
        self._groups_header = chosen.console_proxy_groups_header

    def vouched(self, req: Request) -> Vouched | None:
        """Who this is by the proxy's word; None when the request does not come by way of it.

        Raises:
            NotTheProxyError: no secret, a wrong one, a header that came twice, or a login that is none.
        """
        login, groups = _one(req, self._login_header), _one(req, self._groups_header)
        if not self.is_from(req):
            if login is None and groups is None:
                return None
            raise NotTheProxyError("no_secret")
        login = (login or "").strip()
        if not login:
            return None
        if len(login) > _MAX_LOGIN or not login.isprintable() or "," in login or " " in login:
            raise NotTheProxyError("login")
        return Vouched(login, tuple(group.strip() for group in (groups or "").split(",") if group.strip()))

    def is_from(self, req: Request) -> bool:
        """Whether the request has the secret.

        Raises:
            NotTheProxyError: it has a wrong one.
        """
        given = _one(req, self._secret_header)
        if given is None:
            return False
        if not self._secret or not hmac.compare_digest(given.encode(), self._secret):
            raise NotTheProxyError("wrong_secret")
        return True

    def address(self, req: Request) -> str:
        """Where the proxy was asked from: the last of X-Forwarded-For, which the proxy itself wrote."""
        return (req.get_header("X-Forwarded-For") or "").rpartition(",")[2].strip()


def _one(req: Request, header: str) -> str | None:
    """A header that may come once: a second one is the client's own, which a proxy that adds to it passed on."""
    name = header.lower().encode()
    values = [value for key, value in req.scope["headers"] if key == name]
    if len(values) > 1:
        raise NotTheProxyError("header_twice")
    return values[0].decode("latin-1") if values else None
