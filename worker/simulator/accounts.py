"""Credentials: workspaces, the region a host plays, the rate it allows."""

import base64
import binascii
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

Region = Literal["us", "eu"]
HOSTS: dict[str, str] = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}


class Account(NamedTuple):
    """A workspace's credentials and where it lives. `environment_id` numbers it."""

    site_id: str
    api_key: str
    region: Region = "us"
    environment_id: int = 1


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """Which region's host is played (None: every workspace's own) and what the wrong one does."""

    region: Region | None = None
    wrong_region: Literal["redirect", "proxy", "401"] = "proxy"
    redirect_status: Literal[301, 302, 307, 308] = 301
    redirect_base: str = ""

    def detour(self, account: Account, path: str) -> tuple[int, str] | None:
        """The status and the `Location` for a workspace of another region; None to serve it.

        The US host routes to the EU, as the clients' READMEs say: by proxy, unless asked for a redirect, which
        Customer.io's App API was seen to answer. The EU host never does.
        """
        if self.region in (None, account.region) or path.endswith("/accounts/region"):
            return None
        if self.region == "eu" or self.wrong_region == "401":
            return 401, ""
        if self.wrong_region == "proxy":
            return None
        return self.redirect_status, (self.redirect_base or HOSTS[account.region]) + path


def read_account(text: str, environment_id: int) -> Account:
    """An account from `site_id:api_key` or `site_id:api_key:region`.

    Raises:
        ValueError: it is neither.
    """
    site_id, _, rest = text.partition(":")
    api_key, _, region = rest.partition(":")
    if not site_id or not api_key or region not in ("", "us", "eu"):
        raise ValueError(f"{text!r} is not SITE_ID:API_KEY or SITE_ID:API_KEY:us|eu")
    return Account(site_id, api_key, "eu" if region == "eu" else "us", environment_id)


@lru_cache(maxsize=256)
def credentials(header: str) -> tuple[str, str] | None:
    """The site id and the key of an `Authorization: Basic` header.

    Customer.io takes the URL-safe alphabet too: its Go client sends it.
    """
    scheme, _, encoded = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    standard = encoded.strip().rstrip("=").replace("-", "+").replace("_", "/")
    padded = standard + "=" * (-len(standard) % 4)
    try:
        text = base64.b64decode(padded, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    site_id, colon, api_key = text.partition(":")
    return (site_id, api_key) if colon else None


class Allowance:
    """Requests a second: more than `per_s` (0: no limit) within one second are too many."""

    def __init__(self, per_s: int, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._clock = clock
        self._second = 0
        self._used = 0

    def spend(self) -> bool:
        """Count a request; False when it is one too many."""
        if not self._per_s:
            return True
        second = int(self._clock())
        if second != self._second:
            self._second, self._used = second, 0
        self._used += 1
        return self._used <= self._per_s
