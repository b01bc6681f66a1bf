"""Calls of one script on many keys in one round trip."""

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import redis
from redis.exceptions import NoScriptError

from worker.store.stream import script

Call = tuple[Sequence[str], Sequence[Any]]
"""The keys and the arguments of one call."""


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
