"""An OpenID provider over real sockets: discovery, keys, authorization code with PKCE; it cheats when asked to."""

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = "relay-console"
CLIENT_SECRET = "the-clients-secret"


class Provider:
    """One provider with one person. `claims` is what it says of them; `cheat` changes what a token or an answer has."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})
        self.other = RSAKey.generate_key(2048, {"kid": "k1"})
        self.claims: dict[str, Any] = {"email": "anna@example.com", "email_verified": True, "groups": ["ops"]}
        self.only_userinfo: dict[str, Any] = {}
        self.cheat: dict[str, Any] = {}
        self.secret = CLIENT_SECRET
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []

    def discovery(self) -> dict[str, Any]:
        """What is published."""
        paths = {
            "authorization_endpoint": "/authorize",
            "token_endpoint": "/token",
            "jwks_uri": "/jwks",
            "userinfo_endpoint": "/userinfo",
        }
        facts = {"issuer": self.issuer, **{name: self.issuer + path for name, path in paths.items()}}
        return facts | self.cheat.get("discovery", {})

    def keys(self) -> dict[str, Any]:
        """The public keys."""
        return {"keys": [self.key.as_dict(private=False)]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser is sent: the person says yes at once."""
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        assert {"openid", "email"} <= set(asked["scope"].split())
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """The tokens for a code that is right; None: refused."""
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = _text(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        basic = "Basic " + base64.b64encode(f"{CLIENT_ID}:{self.secret}".encode()).decode()
        if asked is None or challenge != asked["code_challenge"]:
            return None
        if form["redirect_uri"] != asked["redirect_uri"] or (self.secret and authorization != basic):
            return None
        now_s = int(time.time())
        claims = {"iss": self.issuer, "sub": "s1", "aud": CLIENT_ID, "iat": now_s, "exp": now_s + 300}
        claims |= {"nonce": asked["nonce"], **self.claims, **self.cheat.get("claims", {})}
        claims = {name: value for name, value in claims.items() if value is not None}
        return {"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": self._signed(claims)}

    def _signed(self, claims: dict[str, Any]) -> str:
        match self.cheat.get("sign"):
            case "none":
                return ".".join(_text(json.dumps(part).encode()) for part in ({"alg": "none"}, claims)) + "."
            case "secret":  # the public key as the secret of a symmetric signature
                signed = ".".join(_text(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims))
                return f"{signed}.{_text(hmac.digest(self.key.as_pem(private=False), signed.encode(), 'sha256'))}"
            case "other":
                return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.other)
            case _:
                return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)


@contextlib.contextmanager
def running() -> Iterator[Provider]:
    """Serve until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    provider = Provider(f"http://127.0.0.1:{server.server_port}")
    server.provider = provider  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _text(raw: bytes) -> str:
    """Base64 as tokens have it."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class _Door(BaseHTTPRequestHandler):
    """The provider's routes."""

    def do_GET(self) -> None:
        """Discovery, keys, the page where somebody says yes, more claims."""
        provider: Provider = self.server.provider  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        provider.asked.append(parts.path)
        match parts.path:
            case "/.well-known/openid-configuration":
                self._json(provider.discovery())
            case "/jwks":
                self._json(provider.keys())
            case "/userinfo":
                self._json({"sub": "s1", **provider.only_userinfo} | provider.cheat.get("userinfo", {}))
            case "/authorize":
                asked = {name: value[-1] for name, value in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorize(asked))
                self.end_headers()

    def do_POST(self) -> None:
        """Tokens for a code."""
        provider: Provider = self.server.provider  # type: ignore[attr-defined]
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: value[-1] for name, value in parse_qs(raw).items()}
        found = provider.token(form, self.headers.get("Authorization", ""))
        self._json(found or {"error": "invalid_grant"}, 200 if found else 400)

    def _json(self, content: Any, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""
