"""Addresses that the console is opened at, and whether a request comes from one of its own pages."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from falcon.asgi import Request

from config.settings import Settings


@dataclass(frozen=True, slots=True)
class Place:
    """One address of the console: its origin as browsers write it, and whether it is https."""

    origin: str
    is_https: bool


class Places:
    """The places of this console: RELAY_CONSOLE_URL, and the local names.

    Any other `Host` is a site whose name was made to resolve to this machine (DNS rebinding), or a proxy that does not
    pass the name on.
    """

    def __init__(self, chosen: Settings) -> None:
        parts = urlsplit(chosen.console_url)
        usual = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
        self._host = parts.netloc.lower().removesuffix(usual)
        self._public = Place(f"{parts.scheme}://{self._host}", parts.scheme == "https") if self._host else None

    def of(self, req: Request) -> Place | None:
        """Where a request was sent to; None: not to this console."""
        host = (req.get_header("Host") or "").lower()
        if self._public and host == self._host:
            return self._public
        return Place(f"http://{host}", is_https=False) if is_loopback(host) else None


def is_loopback(host: str) -> bool:
    """Whether a `Host` header names this machine, which no other site can.

    >>> is_loopback("127.0.0.1:8081"), is_loopback("localhost"), is_loopback("[::1]:8081"), is_loopback("10.0.0.1")
    (True, True, True, False)
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_own(req: Request, place: Place) -> bool:
    """Whether a browser sent this from a page of the console: by `Sec-Fetch-Site`, and by `Origin`.

    A page with the referrer policy `no-referrer` posts its forms with `Origin: null`, so without the first header only
    a true origin counts.
    """
    site, origin = req.get_header("Sec-Fetch-Site"), req.get_header("Origin")
    if site is not None:
        return site == "same-origin" and origin in {None, "null", place.origin}
    return origin == place.origin


def local_path(asked: str, default: str = "/") -> str:
    r"""An address within the console to go on to; `default` instead of anything that leads elsewhere.

    >>> local_path("/jobs?x=1"), local_path("//evil.example"), local_path("/\\evil.example"), local_path("https://e.x")
    ('/jobs?x=1', '/', '/', '/')
    """
    plain = asked.isascii() and asked.isprintable() and "\\" not in asked and " " not in asked
    entry = asked.partition("?")[0].split("/")[1:2] in (["login"], ["logout"])
    return asked if plain and asked.startswith("/") and not asked.startswith("//") and not entry else default
