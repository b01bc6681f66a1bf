"""Tokens of the console: random, given out once, and kept as a digest alone; and its one key."""

import hashlib
import secrets
from typing import Any

import redis

from worker.store.keys import CONSOLE_KEY


def new_token() -> str:
    """A token that nobody can guess: 256 bits, as text for an address or a cookie."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """What is kept of a token: who reads Redis cannot enter with it. 32 hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def console_key(client: redis.Redis) -> bytes:
    """The key that all consoles of a relay share, 32 bytes; made when there is none."""
    made = secrets.token_bytes(32)
    known: Any = client.set(CONSOLE_KEY, made, nx=True, get=True)
    return known or made
