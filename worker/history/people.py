"""People an integration knows: those whose states are kept, and whether they can be identified again."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
import redis

from config.integrations import Integration
from worker.errors import UnknownStateError
from worker.people.person import decode, names_of
from worker.purchasely.person import plain_name
from worker.store.cluster import server_of
from worker.store.keys import person_key

_PAGE = 1000


class Known(msgspec.Struct):
    """People by shard, as digests. Of `nameless` the state does not say who they are; `suppressed` are sent nothing."""

    digests: dict[int, list[str]] = {}
    nameless: int = 0
    suppressed: int = 0

    @property
    def people(self) -> int:
        """How many can be identified again."""
        return sum(len(here) for here in self.digests.values())


def known_people(
    client: redis.Redis, integration: Integration, shards: int, suppressed: frozenset[str], person: str = ""
) -> Known:
    """Everyone an integration has a state of; only those with this identifier, if one is given."""
    found = Known()
    for shard, digest, blob in states_of(client, integration.name, shards):
        _sort(found, shard, digest, blob, person, suppressed)
    return found


def states_of(client: redis.Redis, integration: str, shards: int) -> Iterator[tuple[int, str, bytes | None]]:
    """Every state of an integration: its shard, the name it is stored under, its bytes (None: gone meanwhile)."""
    server: Any = client
    for shard in range(shards):
        prefix = person_key(shard, integration, "")
        pattern = "".join(f"[{sign}]" if sign in "*?[]" else sign for sign in prefix) + "*"
        seen: set[bytes] = set()  # SCAN may give a key twice
        keys = server_of(client, prefix).scan_iter(match=pattern, count=_PAGE)
        while page := list(islice(keys, _PAGE)):
            new = sorted(set(page) - seen)
            seen.update(new)
            for key, blob in zip(new, server.mget(new) if new else [], strict=True):
                yield shard, key.decode().removeprefix(prefix), blob


def _sort(found: Known, shard: int, digest: str, blob: bytes | None, person: str, suppressed: frozenset[str]) -> None:
    try:
        state = decode(blob)
    except UnknownStateError:
        return
    names = names_of(state) if person or suppressed else set()
    if person and plain_name(person) not in names:
        return
    if not suppressed.isdisjoint(names):
        found.suppressed += 1
    elif state.who:
        found.digests.setdefault(shard, []).append(digest)
    else:
        found.nameless += 1
