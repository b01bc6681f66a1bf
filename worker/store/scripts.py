"""Scripts of the server: their text, their packed arguments, and calls of one on many keys in one round trip."""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import redis
from redis.exceptions import NoScriptError

Call = tuple[Sequence[str], Sequence[Any]]
"""The keys and the arguments of one call."""

_INCLUDE = "-- include prelude\n"


def script(name: str) -> str:
    """The text of one of the scripts in `lua/`, with the prelude where it asks for it."""
    folder = files("worker.store").joinpath("lua")
    text = folder.joinpath(f"{name}.lua").read_text("utf-8")
    return text.replace(_INCLUDE, folder.joinpath("prelude.lua").read_text("utf-8")) if _INCLUDE in text else text


def pack(value: object) -> bytes:
    """One argument for a script that reads it with `cmsgpack`, which knows text but no bytes."""
    return msgspec.msgpack.encode(value)


def call_all(client: redis.Redis, name: str, calls: Sequence[Call]) -> list[Any]:
    """The replies of one script to all calls, in order. The calls may be executed twice.

    Raises:
        redis.RedisError: no answer; or one of the calls failed.
    """
    text, digest = _text(name)
    try:
        return _call(client, digest, calls)
    except NoScriptError:
        server: Any = client
        server.script_load(text)
        return _call(client, digest, calls)


def _call(client: redis.Redis, digest: str, calls: Sequence[Call]) -> list[Any]:
    pipe: Any = client.pipeline(transaction=False)
    for keys, args in calls:
        pipe.evalsha(digest, len(keys), *keys, *args)
    return list(pipe.execute())


@cache
def _text(name: str) -> tuple[str, str]:
    text = script(name)
    return text, hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 - Redis's name for it
