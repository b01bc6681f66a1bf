"""One-time links into the console: made in a shell, used once in a browser."""

from typing import Any

import msgspec
import redis

from config.roles import Role
from config.settings import Settings
from worker.store.keys import link_key
from worker.store.tokens import digest_of, new_token

PATH = "/login/link/"


class Link(msgspec.Struct, frozen=True):
    """Who enters by a link, and as what."""

    login: str
    role: Role


_DECODER = msgspec.json.Decoder(Link)


def new_link(client: redis.Redis, role: Role, login: str, lifetime_s: int) -> str:
    """The token of a new link for one log-in within `lifetime_s`."""
    token = new_token()
    client.set(link_key(digest_of(token)), msgspec.json.encode(Link(login, role)), ex=lifetime_s)
    return token


def link_address(chosen: Settings, token: str) -> str:
    """What to open in a browser; an address that is all of this machine's is named as this machine."""
    base = chosen.console_url
    if not base:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(chosen.console_host, chosen.console_host)  # noqa: S104 - named
        base = f"http://[{host}]:{chosen.console_port}" if ":" in host else f"http://{host}:{chosen.console_port}"
    return f"{base}{PATH}{token}"


def find_link(client: redis.Redis, token: str) -> Link | None:
    """The link of a token, not used up by looking; None when there is none (any more)."""
    return _read(client.get(link_key(digest_of(token))))


def take_link(client: redis.Redis, token: str) -> Link | None:
    """Use a link up: of all who come with a token, one gets it."""
    return _read(client.getdel(link_key(digest_of(token))))


def _read(raw: Any) -> Link | None:
    try:
        return _DECODER.decode(raw) if raw else None
    except msgspec.DecodeError:
        return None
