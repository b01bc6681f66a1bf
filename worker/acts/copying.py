"""Acts that outlive a fail-over: done again where they are gone, and said where no replica has them."""

import secrets
import time
from collections.abc import Callable

import redis
from redis.exceptions import ReadOnlyError

from worker.store.copied import write_copied
from worker.store.keys import copied_key
from worker.store.scripts import script
from worker.store.spread import ELSEWHERE

_WITHIN_S = 10.0
_MINE_MS = 60_000
# What a server says, or does not, that another one replaces just now.
_REPLACED = (*ELSEWHERE, ReadOnlyError)


def until_copied(client: redis.Redis, key: str, act: Callable[[], None]) -> bool:
    """Act on a key, and again where that is gone with its server; whether a replica has it, where there is one.

    Raises:
        redis.RedisError: no server took it in time, or one refused it.
    """
    mine = f"{copied_key(key)}:{secrets.token_hex(8)}"  # a colleague may act meanwhile
    mark = client.register_script(script("mark"))
    ends = time.monotonic() + _WITHIN_S
    while True:
        try:
            if not client.exists(mine):
                act()
                mark(keys=[mine], args=[_MINE_MS])
            # Another server may have taken over in between: one that has this key has what was done before it.
            if write_copied(client, [("PEXPIRE", mine, str(_MINE_MS))], blind=True) and client.exists(mine):
                return True
        except _REPLACED:
            if time.monotonic() >= ends:
                raise
        if time.monotonic() >= ends:
            return False
        time.sleep(0.1)
