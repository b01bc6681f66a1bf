"""The web door on a socket beside a test, and requests to it, well-formed or not."""

import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import uvicorn

from config.settings import Settings
from tests.support.waiting import elapse, until
from worker.app import Relay
from worker.ingest.app import build
from worker.ingest.protocol import Protocol
from worker.store.connect import open_client

SECRET, OLD_SECRET, TOKEN, OLD_TOKEN = "hush", "former-hush", "upstream-token", "tökén"
FILE = """
[sources.app]
webhook_secret = ["env:D_SECRET", "env:D_OLD_SECRET"]
tokens = ["env:D_TOKEN", "env:D_OLD_TOKEN"]

[sources.signed-only]
webhook_secret = "env:D_SECRET"

[sources.tokens-only]
tokens = ["env:D_TOKEN"]

[sources.punctual]
webhook_secret = "env:D_SECRET"
signature_tolerance_s = 300

[integrations.one]
source = "app"
region = "eu"
site_id = "env:D_TOKEN"
api_key = "env:D_TOKEN"
environments = ["PRODUCTION"]
[integrations.one.events]
"*" = true

[integrations.two]
source = "app"
region = "eu"
site_id = "env:D_TOKEN"
api_key = "env:D_TOKEN"
environments = ["SANDBOX"]
[integrations.two.events]
"*" = true
"""
ENVIRON = {"D_SECRET": SECRET, "D_OLD_SECRET": OLD_SECRET, "D_TOKEN": TOKEN, "D_OLD_TOKEN": OLD_TOKEN}


class Answer(NamedTuple):
    """A status, headers by their names in lower case, and a body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Door:
    """A running web door. `wakes` collects what it would have sent to the broker."""

    def __init__(self, parts: Relay, port: int, wakes: list[tuple[str, int]]) -> None:
        self.parts, self.port, self.wakes = parts, port, wakes
        self.redis = open_client(parts.address)

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            return answer_of(connection.getresponse())

    def webhook(self, event: Any, source: str = "app", secret: str = SECRET, **headers: str) -> Answer:
        """A signed webhook; bytes are sent as they are."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", f"/webhooks/purchasely/{source}", body, signed(body, secret) | named)

    def post(self, events: Any, source: str = "app", token: str = TOKEN, **headers: str) -> Answer:
        """A request of an upstream service; bytes are sent as they are."""
        body = events if isinstance(events, bytes) else json.dumps(events).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        authorization = {"Authorization": f"Bearer {token}".encode().decode("latin-1")}
        return self.ask("POST", f"/v1/events/{source}", body, authorization | named)

    def raw(self, *pieces: bytes, pause_s: float = 0.0, within_s: float = 20) -> bytes:
        """All that comes back on a connection for the bytes sent, until the door closes it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=within_s) as one:
            for piece in pieces:
                try:
                    one.sendall(piece)
                except (BrokenPipeError, ConnectionResetError):
                    break
                elapse(pause_s)
            return read_all(one)

    def stored(self, source: str = "app") -> list[bytes]:
        """The bytes of all events stored, shard by shard in the order of the streams."""
        found = []
        for shard in range(self.parts.settings.shards):
            rows: Any = self.redis.xrange(f"relay:{{{shard}}}:events:{source}")
            found += [fields[b"b"] for _, fields in rows]
        return found


def signed(body: bytes, secret: str = SECRET, timestamp: str = "") -> dict[str, str]:
    """The headers of a webhook, signed just now."""
    timestamp = timestamp or str(int(time.time()))
    signature = hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).hexdigest()
    return {"X-PURCHASELY-REQUEST-SIGNATURE": signature, "X-PURCHASELY-TIMESTAMP": timestamp}


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    """The head of a raw request, closing the connection after it."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: door", "Connection: close", *lines, "", ""]).encode(
        "latin-1"
    )


def bearer(path: str = "/v1/events/app", *lines: str) -> bytes:
    """The head of a raw request with a token."""
    return head(path, f"Authorization: Bearer {TOKEN}", *lines)


def read_all(one: socket.socket) -> bytes:
    """What comes until the other side closes, or resets."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := one.recv(65536):
            found += piece
    return found


def answer_of(response: http.client.HTTPResponse) -> Answer:
    """A response, read."""
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def make_parts(folder: Any, redis_url: str, **settings: Any) -> Relay:
    """The relay's parts over the file above; its environment variables must be set."""
    path = folder / "integrations.toml"
    path.write_text(FILE)
    return Relay(Settings(redis_url=redis_url, integrations=path, **{"shards": 4, **settings}))


@contextlib.contextmanager
def running(parts: Relay, http: type[Protocol] = Protocol) -> Iterator[Door]:
    """Serve in a thread."""
    wakes: list[tuple[str, int]] = []
    app = build(parts, lambda integration, shard: wakes.append((integration, shard)))
    config = uvicorn.Config(
        app,
        http=http,
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="error",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        until(lambda: server.started or not thread.is_alive(), "the door has started", every_s=0.002)
        door = Door(parts, listener.getsockname()[1], wakes)
        try:
            yield door
        finally:
            server.should_exit = True
            thread.join(20)
            parts.redis.close()
            door.redis.close()
