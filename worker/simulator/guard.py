"""Guard: the page and `/_inspect` answer to local names only, never to another site's script."""

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

REFUSAL = (
    b'{"title":"403 Forbidden","description":"open the page by address or by localhost, not through another name"}'
)
_FOREIGN = frozenset({b"cross-site", b"same-site"})


def may_look(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request for the page or `/_inspect` comes from a local name, and from its own origin.

    A foreign `Host` is a web site whose name was made to resolve to this machine (DNS rebinding); a foreign
    `Origin` is one whose script posts here, a foreign `Sec-Fetch-Site` one that has what is here as its own script or
    picture, which sends no `Origin`. A link from there may lead here.
    """
    named = dict(headers)
    if named.get(b"sec-fetch-site") in _FOREIGN and named.get(b"sec-fetch-mode") != b"navigate":
        return False
    host = named.get(b"host", b"").decode("latin-1")
    origin = named.get(b"origin")
    if origin is not None and urlsplit(origin.decode("latin-1")).netloc.lower() != host.lower():
        return False
    return is_local_name(host)


def is_local_name(host: str) -> bool:
    """Whether a `Host` header is an address, or a name that no stranger can own: without a dot, or this machine's.

    >>> is_local_name("127.0.0.1:8085"), is_local_name("simulator:8085"), is_local_name("evil.example:8085")
    (True, True, False)
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".").lower()
    except ValueError:
        return False
    if not name:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(".localhost") or name == socket.gethostname().lower()
    return True
