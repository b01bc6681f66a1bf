"""Addresses of Redis: each read once into a value, for redis-py's clients and for kombu."""

import difflib
import re
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import msgspec
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.errors import OperatorError

_SENTINELS = ("redis+sentinel", "rediss+sentinel")
_CLUSTERS = ("redis+cluster", "rediss+cluster")
SCHEMES = ("redis", "rediss", "unix", *_SENTINELS, *_CLUSTERS)
FORMS = (
    "redis://HOST:PORT/DB, rediss:// with TLS, unix:///PATH?db=DB, redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB, or "
    "redis+cluster://HOST:PORT,HOST:PORT"
)
_VERIFY = ("required", "none")
# Options of the query that are handed on; `db` decides the database. Others are the relay's own to choose.
_FIGURES = ("socket_timeout", "socket_connect_timeout")
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS = ("ssl_cert_reqs", "ssl_check_hostname", *_TLS_FILES)
_DATABASES = 1 << 20
_SENTINEL_PORT = 26379
_BRACKETED = re.compile(r"\[(.*)\]")
_NO_NAME = re.compile(r"[\s\x00-\x1f\x7f\[\]:/\\@]|\.\.")  # what no host's name has
_LONGEST_NAME = 253
_SENTINEL_WAIT_S = 2.0


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server is, and who asks. `tls` is what both redis-py and kombu take; None: no TLS."""

    scheme: str
    host: str = ""
    port: int = 6379
    path: str = ""
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = ""
    cluster: tuple[tuple[str, int], ...] = ()
    sentinel_login: tuple[str, str] = ("", "")
    db: int = 0
    username: str | None = None
    password: str | None = None
    tls: dict[str, Any] | None = None
    figures: dict[str, float] = {}
    unused: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """The place: a password has no business in a log line or a traceback."""
        return self.place

    @property
    def place(self) -> str:
        """The address without credentials and options."""
        if self.scheme == "unix":
            return f"unix://{self.path}" + (f"?db={self.db}" if self.db else "")
        if self.sentinels:
            asked = ",".join(_joined(*one) for one in self.sentinels)
            return f"{self.scheme}://{asked}/{self.service}/{self.db}"
        if self.cluster:
            return f"{self.scheme}://{','.join(_joined(*one) for one in self.cluster)}"
        return f"{self.scheme}://{_joined(self.host, self.port)}/{self.db}"

    @property
    def moves(self) -> bool:
        """Whether another server takes over for one that is away."""
        return bool(self.sentinels or self.cluster)

    @property
    def is_verified(self) -> bool:
        """Whether nobody else can pass for the server: no TLS at all is not of this question."""
        return self.tls is None or self.tls["ssl_cert_reqs"] != "none"

    def next_database(self) -> "Address":
        """The same server, one database further: Celery's messages may be flushed without touching an event."""
        return msgspec.structs.replace(self, db=self.db + 1)

    def for_kombu(self) -> str:
        """The address as kombu reads it, without any option: each would become an argument of its connection."""
        user = quote(self.username or "", safe="")
        login = f"{user}:{quote(self.password, safe='')}@" if self.password else f"{user}@" if user else ""
        if self.scheme == "unix":
            return f"redis+socket://{login}{quote(self.path)}?virtual_host={self.db}"
        if self.sentinels:
            return ";".join(f"sentinel://{login}{_joined(*one)}/{self.db}" for one in self.sentinels)
        return f"{self.scheme}://{login}{_joined(self.host, self.port)}/{self.db}"

    def for_client(self) -> dict[str, Any]:
        """The arguments that redis-py's two clients share."""
        who: dict[str, Any] = {"db": self.db, "username": self.username, "password": self.password, "protocol": 2}
        if self.scheme == "unix":
            return who | {"unix_socket_path": self.path}
        if self.sentinels or self.cluster:
            return who | ({"ssl": True, **self.tls} if self.tls else {})
        return who | {"host": self.host, "port": self.port} | ({"ssl": True, **self.tls} if self.tls else {})

    def for_sentinel(self) -> dict[str, Any]:
        """The arguments of a client of a Sentinel itself, which is asked whenever the primary is gone.

        Once: redis-py by itself would try each that is away four times, seconds apart, before it asks the next.
        """
        username, password = self.sentinel_login
        who = {"username": username or None, "password": password or None}
        wait = {"socket_timeout": _SENTINEL_WAIT_S, "socket_connect_timeout": _SENTINEL_WAIT_S}
        once = {"retry": Retry(NoBackoff(), 0)}
        return who | wait | once | ({"ssl": True, **self.tls} if self.tls else {})


def _joined(host: str, port: int) -> str:
    """A host and port as an address has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_address(url: str, variable: str, authority: Path | None = None) -> Address:
    """Read an address. Certificates are verified, by `authority` or by the authorities of the system.

    A `#` has no meaning of its own here, so it is part of the password around it.

    Raises:
        OperatorError: what is wrong and how to write it; never a part of the address, which may hold a password.
    """
    scheme, found, rest = url.strip().partition("://")
    if not found or scheme not in SCHEMES:
        raise OperatorError(f"{variable} is not an address of Redis: write {FORMS}")
    head, _, query = rest.partition("?")
    if "@" in query and "@" not in head:
        raise OperatorError(f"{variable}: write a ? in a password as %3F")
    login, _, place = head.rpartition("@")
    username, _, password = login.partition(":")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if scheme == "unix":
        where: dict[str, Any] = {"path": unquote(place)}
    elif scheme in _SENTINELS:
        logins = (options.pop("sentinel_username", ""), options.pop("sentinel_password", ""))
        where = {**_service(place, variable), "sentinel_login": logins}
    elif scheme in _CLUSTERS:
        where = _nodes(place, variable)
    else:
        where = _host(place, variable)
    if scheme == "unix" and (not place.startswith("/") or "\0" in where["path"]):
        raise OperatorError(f"{variable}: write the whole path of the socket, as in unix:///run/redis/redis.sock")
    written_db = where.pop("db", "")
    path_db = options.pop("db", "") or written_db
    if scheme in _CLUSTERS and path_db not in {"", "0"}:
        raise OperatorError(f"{variable}: a cluster has no database but 0")
    return Address(
        scheme=scheme,
        **where,
        db=_database(path_db, variable),
        username=unquote(username) or None,
        password=unquote(password) or None,
        tls=_tls(options, variable, authority) if scheme.startswith("rediss") else None,
        figures={name: _figure(name, options[name], variable) for name in _FIGURES if name in options},
        unused=_unused(options, variable, scheme),
    )


def _host(place: str, variable: str) -> dict[str, Any]:
    """Host, port and database of `HOST:PORT/DB`, each of which may be missing."""
    server, _, database = place.partition("/")
    host, _, port = server.rpartition(":") if ":" in server.rpartition("]")[2] else (server, "", "")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 1 << 16):
        raise OperatorError(f"{variable}: the port is not a number up to 65535 (a user and password end with @)")
    return {"host": _name(unquote(host), variable), "port": int(port or 6379), "db": database.strip("/")}


def _name(host: str, variable: str) -> str:
    """A host's name or IP address, without brackets; this machine's where none is written.

    Raises:
        OperatorError: it can be neither; a part of a password may be in it, so it is not shown.
    """
    if "," in host:
        raise OperatorError(f"{variable}: several servers are redis+sentinel:// or redis+cluster://")
    bracketed = _BRACKETED.fullmatch(host)
    if bracketed and _is_ipv6(bracketed[1]):
        return bracketed[1]
    if bracketed or len(host) > _LONGEST_NAME or _NO_NAME.search(host):
        raise OperatorError(f"{variable}: the host is neither a name nor an address; IPv6 is written [::1]:6379")
    return host or "localhost"


def _is_ipv6(text: str) -> bool:
    try:
        return bool(IPv6Address(text))
    except ValueError:
        return False


def _service(place: str, variable: str) -> dict[str, Any]:
    """Sentinels, service and database of `HOST:PORT,HOST:PORT/SERVICE/DB`."""
    servers, _, rest = place.partition("/")
    service, _, database = rest.partition("/")
    if not servers or not service:
        raise OperatorError(f"{variable}: write redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB")
    sentinels = _hosts(servers, variable, _SENTINEL_PORT)
    return {"sentinels": sentinels, "service": unquote(service), "db": database.strip("/")}


def _nodes(place: str, variable: str) -> dict[str, Any]:
    """Some nodes of a cluster, which name the others, of `HOST:PORT,HOST:PORT`."""
    servers, _, database = place.partition("/")
    if not servers:
        raise OperatorError(f"{variable}: write redis+cluster://HOST:PORT,HOST:PORT")
    return {"cluster": _hosts(servers, variable, 6379), "db": database.strip("/")}


def _hosts(servers: str, variable: str, port: int) -> tuple[tuple[str, int], ...]:
    """Hosts and ports of `HOST:PORT,HOST:PORT`; `port` where none is written."""
    found = [(one, _host(one, variable)) for one in servers.split(",")]
    return tuple((one["host"], one["port"] if ":" in text.rpartition("]")[2] else port) for text, one in found)


def _database(text: str, variable: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 8 and int(text) < _DATABASES):
        raise OperatorError(f"{variable}: the database is not a number, as in redis://HOST:PORT/0")
    return int(text)


def _figure(name: str, text: str, variable: str) -> float:
    try:
        figure = float(text)
    except ValueError:
        figure = 0
    if not 0 < figure < 1e6:
        raise OperatorError(f"{variable}: {name} is not a number of seconds above 0")
    return figure


def _tls(options: dict[str, str], variable: str, authority: Path | None) -> dict[str, Any]:
    verify = options.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if verify not in _VERIFY:
        raise OperatorError(f"{variable}: ssl_cert_reqs is {' or '.join(_VERIFY)}")
    match_host = options.get("ssl_check_hostname", "true").lower() not in {"false", "0", "no"}
    files = {name: options[name] for name in _TLS_FILES if options.get(name)}
    if authority:
        files["ssl_ca_certs"] = str(authority)
    for name, path in files.items():
        if not Path(path).is_file():
            where = "RELAY_REDIS_CA" if authority and name == "ssl_ca_certs" else f"{variable}, {name}"
            raise OperatorError(f"{where}: there is no file {path}")
    return {"ssl_cert_reqs": verify, "ssl_check_hostname": match_host and verify != "none", **files}


def _unused(options: dict[str, str], variable: str, scheme: str) -> tuple[str, ...]:
    """The options that nothing here takes.

    Raises:
        OperatorError: one would have made the connection safer.
    """
    for name in options:
        if name.startswith("ssl_") and name not in _TLS:
            close = difflib.get_close_matches(name, _TLS, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(_TLS)}"
            raise OperatorError(f"{variable}: unknown option {name[:40]!r}; {hint}")
        if name.startswith("ssl_") and not scheme.startswith("rediss"):
            raise OperatorError(f"{variable}: {name} needs rediss://")
    return tuple(sorted(name for name in options if name not in {*_TLS, *_FIGURES}))
