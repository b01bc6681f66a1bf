"""OpenID Connect: the authorization code flow with PKCE, a state and a nonce; claims become login and groups."""

import secrets
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from config.settings import Settings
from worker.console.access.places import is_loopback
from worker.console.access.proxy import Vouched

_TIMEOUT_S = 10
_KEPT_S = 3600
_LEEWAY_S = 60
# never `none`, and never a shared secret: the provider's own keys alone
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderError(Exception):
    """The provider does not answer as it should; the message is a fixed code, without an answer's content."""


class Pending(msgspec.Struct, frozen=True):
    """A log-in that is under way: what the answer is compared with, and the page that comes after it."""

    then: str = "/"
    state: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(32))
    nonce: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(32))
    verifier: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(48))


class Provider:
    """The OpenID provider of RELAY_CONSOLE_OIDC_ISSUER. Every method waits for it: call them in a thread."""

    def __init__(self, chosen: Settings) -> None:
        self._issuer = chosen.console_oidc_issuer
        self._client_id = chosen.console_oidc_client_id
        self._secret = chosen.console_oidc_client_secret.get_secret_value()
        self._scopes = chosen.console_oidc_scopes
        self._login_claim = chosen.console_oidc_login_claim
        self._groups_claim = chosen.console_oidc_groups_claim
        self._back = f"{chosen.console_url}/login/oidc/callback"
        self._lock = threading.Lock()
        self._known: tuple[float, dict[str, Any], KeySet] | None = None

    @property
    def name(self) -> str:
        """What the log-in page calls it."""
        return urlsplit(self._issuer).hostname or ""

    def begin(self, pending: Pending) -> str:
        """Where to send the browser.

        Raises:
            ProviderError: the provider cannot be asked where that is.
        """
        facts, _ = self._facts()
        with self._session(facts) as session:
            address, _ = session.create_authorization_url(
                facts["authorization_endpoint"], pending.state, code_verifier=pending.verifier, nonce=pending.nonce
            )
        return str(address)

    def finish(self, code: str, pending: Pending) -> Vouched:
        """Who came back with a code.

        Raises:
            ProviderError: the code, the token or a claim is not what it must be.
        """
        facts, keys = self._facts()
        with self._session(facts) as session:
            try:
                token = session.fetch_token(
                    facts["token_endpoint"], code=code, code_verifier=pending.verifier, timeout=_TIMEOUT_S
                )
            except (OAuthError, requests.RequestException, ValueError):
                raise ProviderError("code_refused") from None
            claims = self._claims(str(token.get("id_token", "")), str(token.get("access_token", "")), pending, keys)
            if facts.get("userinfo_endpoint") and not {self._login_claim, self._groups_claim} <= claims.keys():
                claims = self._more(session, str(facts["userinfo_endpoint"]), claims) | claims
        return self._vouched(claims)

    def _session(self, facts: dict[str, Any]) -> OAuth2Session:
        methods = facts.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        how = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        return OAuth2Session(
            self._client_id,
            self._secret or None,
            token_endpoint_auth_method=how if self._secret else "none",
            scope=self._scopes,
            redirect_uri=self._back,
            code_challenge_method="S256",
            leeway=0,  # a token that lives for a minute is used at once
        )

    def _facts(self, *, fresh: bool = False) -> tuple[dict[str, Any], KeySet]:
        """What the provider publishes of itself (discovery), and its keys; kept for an hour."""
        with self._lock:
            if self._known is None or fresh or time.monotonic() - self._known[0] > _KEPT_S:
                facts = _get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
                if facts.get("issuer") != self._issuer:
                    raise ProviderError("another_issuer")
                if not all(_is_safe(str(facts.get(name))) for name in _ENDPOINTS):
                    raise ProviderError("endpoint_without_https")
                try:
                    keys = KeySet.import_key_set(_get(facts["jwks_uri"]))  # type: ignore[arg-type]  # checked there
                except (JoseError, KeyError, TypeError, ValueError):
                    raise ProviderError("keys_unreadable") from None
                self._known = time.monotonic(), facts, keys
            return self._known[1], self._known[2]

    def _claims(self, id_token: str, access_token: str, pending: Pending, keys: KeySet) -> dict[str, Any]:
        try:
            try:
                token = jwt.decode(id_token, keys, algorithms=list(_ALGORITHMS))
            except (JoseError, ValueError):  # of a key that is newer than those known
                token = jwt.decode(id_token, self._facts(fresh=True)[1], algorithms=list(_ALGORITHMS))
            CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._client_id},
                },
                {"nonce": pending.nonce, "client_id": self._client_id, "access_token": access_token},
            ).validate(leeway=_LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError) as fault:
            raise ProviderError(f"id_token_{type(fault).__name__}") from None
        return dict(token.claims)

    @staticmethod
    def _more(session: OAuth2Session, address: str, claims: dict[str, Any]) -> dict[str, Any]:
        """The claims that are not in the ID token, of the same person."""
        try:
            found = session.get(address, timeout=_TIMEOUT_S).json()
        except (requests.RequestException, OAuthError, ValueError):
            raise ProviderError("userinfo") from None
        if not isinstance(found, dict) or found.get("sub") != claims["sub"]:
            raise ProviderError("userinfo_of_another")
        return found

    def _vouched(self, claims: dict[str, Any]) -> Vouched:
        login, groups = claims.get(self._login_claim), claims.get(self._groups_claim) or []
        if not isinstance(login, str) or not login.strip() or not login.isprintable() or len(login) > 200:
            raise ProviderError("no_login_claim")
        # some providers say it as text; one that says nothing vouches for its addresses
        if self._login_claim == "email" and str(claims.get("email_verified", True)).lower() not in {"true", "1"}:
            raise ProviderError("email_not_verified")
        if isinstance(groups, str):
            groups = [groups]
        return Vouched(login.strip(), tuple(group for group in groups if isinstance(group, str)))


def _get(address: str) -> dict[str, Any]:
    try:
        answer = requests.get(address, timeout=_TIMEOUT_S, allow_redirects=False)
        found = answer.json() if answer.status_code == 200 else None
    except (requests.RequestException, ValueError):
        raise ProviderError("unreachable") from None
    if not isinstance(found, dict):
        raise ProviderError("unreadable")
    return found


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.netloc))
