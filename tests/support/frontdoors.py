"""Caddy and nginx of the system, run with the files of deploy/ in front of a relay of a test."""

import http.server
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlencode

import requests
from requests.adapters import HTTPAdapter

from tests.support.certificates import Authority
from tests.support.servers import free_port, installed
from tests.support.stack import ROOT
from tests.support.waiting import until

RELAY, CONSOLE = "relay.example.com", "console.example.com"
PROXY_SECRET = "a-secret-of-the-proxy"
PROVIDER = "https://provider.example.com/authorize"
_NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; {user}
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {servers}
}}
"""


class FrontDoor:
    """One proxy that runs; `port` is where it listens for both names."""

    def __init__(self, port: int, authority: Authority) -> None:
        self.port = port
        self._authority = authority

    def visitor(self, host: str) -> requests.Session:
        """Somebody who reaches a name by way of it, and believes in its authority; follows no redirect."""
        session = _Visitor(f"https://127.0.0.1:{self.port}", host)
        session.verify = str(self._authority.pem)
        return session


class _Visitor(requests.Session):
    def __init__(self, base: str, host: str) -> None:
        super().__init__()
        self.trust_env = False
        self._base = base
        self.headers["Host"] = host
        self.mount("https://", _Named(host))

    def request(self, method: Any, url: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        kwargs.setdefault("timeout", 20)
        kwargs["allow_redirects"] = False
        return super().request(method, f"{self._base}{url}", **kwargs)


class _Named(HTTPAdapter):
    """Asks for a name at an address that no resolver knows."""

    def __init__(self, host: str) -> None:
        self._host = host
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        super().init_poolmanager(*args, **kwargs, server_hostname=self._host, assert_hostname=self._host)


@contextmanager
def caddy(folder: Path, web: int, console: int) -> Iterator[FrontDoor]:
    """Caddy with deploy/Caddyfile: other ports, certificates of the test's own authority."""
    program, port = installed("caddy"), free_port()
    authority, pems = _certificates(folder)
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    for host in (RELAY, CONSOLE):
        text = _swap(text, f"\n{host} {{", f"\n{host}:{port} {{\n\tbind 127.0.0.1\n\ttls {pems[host]} {pems[host]}")
    text = _swap(_swap(text, "127.0.0.1:8080", f"127.0.0.1:{web}"), "127.0.0.1:8081", f"127.0.0.1:{console}")
    path = folder / "Caddyfile"
    path.write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + text)
    environ = {"HOME": str(folder), "RELAY_CONSOLE_PROXY_SECRET": PROXY_SECRET}
    chosen = ["--config", str(path), "--adapter", "caddyfile"]
    subprocess.run([program, "validate", *chosen], env=environ, capture_output=True, timeout=60, check=True)
    # in good order it would wait for the live pages to end
    with _running([program, "run", *chosen], folder, environ, signal.SIGKILL):
        yield _listening(FrontDoor(port, authority))


@contextmanager
def nginx(folder: Path, web: int, console: int, oauth: int) -> Iterator[FrontDoor]:
    """Nginx with both files of deploy/: other ports, certificates of the test's own authority."""
    program, port = installed("nginx"), free_port()
    authority, pems = _certificates(folder)
    secret = folder / "relay-console-secret.conf"
    secret.write_text(f'proxy_set_header X-Relay-Proxy-Secret "{PROXY_SECRET}";\n')
    servers = ""
    for name, host in (("nginx.conf", RELAY), ("nginx-console.conf", CONSOLE)):
        text = _swap((ROOT / "deploy" / name).read_text(), "listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")
        servers += re.sub(r"/etc/ssl/relay/\w+\.pem", str(pems[host]), text)
    for old, new in ((8080, web), (8081, console), (4180, oauth)):
        assert f"127.0.0.1:{old}" in servers
        servers = servers.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    path = folder / "nginx.conf"
    servers = _swap(servers, "/etc/nginx/relay-console-secret.conf", str(secret))
    path.write_text(_NGINX.format(folder=folder, servers=servers, user="user root;" if os.geteuid() == 0 else ""))
    with _running([program, "-p", str(folder), "-c", str(path)], folder, {}, signal.SIGTERM):
        yield _listening(FrontDoor(port, authority))


def _swap(text: str, old: str, new: str) -> str:
    assert text.count(old) >= 1, old
    return text.replace(old, new)


def _certificates(folder: Path) -> tuple[Authority, dict[str, Path]]:
    """An authority, and for each name a file with its key and certificate."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, pems = Authority(folder, "authority"), {}
    for host in (RELAY, CONSOLE):
        authority.context(host)
        pems[host] = (folder / "server.pem").rename(folder / f"{host}.pem")
    return authority, pems


@contextmanager
def _running(command: list[str], folder: Path, environ: dict[str, str], end: int) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.send_signal(end)
        process.wait(timeout=20)


def _listening(door: FrontDoor) -> FrontDoor:
    def answers() -> bool:
        try:
            return door.visitor(RELAY).get("/").status_code == 404
        except requests.ConnectionError:
            return False

    until(answers, "the proxy answers")
    return door


class Oauth2Proxy(http.server.BaseHTTPRequestHandler):
    """Stand-in for oauth2-proxy: `/oauth2/auth` knows who has a cookie, and says so as `set_xauthrequest` does.

    `/oauth2/start` leads to the provider with the address to come back to: of `rd`, else of `X-Auth-Request-Redirect`.
    """

    known: ClassVar[dict[str, tuple[str, str]]] = {"_oauth2_proxy=anna": ("anna@example.com", "relay-ops,staff")}

    def do_GET(self) -> None:
        """202 and the headers, or 401; the way to the provider; whatever else is a page of its own."""
        person = self.known.get(self.headers.get("Cookie", ""))
        path, _, query = self.path.partition("?")
        asked, begins = path == "/oauth2/auth", path == "/oauth2/start"
        self.send_response((202 if person else 401) if asked else 302 if begins else 200)
        if begins:
            back = parse_qs(query).get("rd", [self.headers.get("X-Auth-Request-Redirect", "/")])[0]
            self.send_header("Location", f"{PROVIDER}?{urlencode({'state': back})}")
        if asked and person:
            self.send_header("X-Auth-Request-Email", person[0])
            self.send_header("X-Auth-Request-Groups", person[1])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def oauth2_proxy() -> Iterator[int]:
    """Serve the stand-in; its port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Oauth2Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
