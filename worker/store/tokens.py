"""Tokens of the console: random, given out once, and kept as a digest alone."""

import hashlib
import secrets


def new_token() -> str:
    """A token that nobody can guess: 256 bits, as text for an address or a cookie."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """What is kept of a token: who reads Redis cannot enter with it. 32 hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()[:32]
