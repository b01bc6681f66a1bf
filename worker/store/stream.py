"""The event streams in Redis: join, take, read, settle, release, trim.

Each integration is a consumer group on every shard's stream of its source. One lease holder at a time moves the
group's cursor, in order, so there is no pending list: what the cursor has not passed is what waits, and a new holder
begins exactly where the last settle ended. Every step is one script, fenced by the lease: a holder that was stopped
for too long changes nothing when it wakes. The keys are listed in `keys.py`.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, cast

import redis

from worker.errors import LeaseLostError
from worker.store.entries import entries
from worker.store.exchange import Call, Exchange
from worker.store.keys import cause_key, layout_key
from worker.store.lane import Lane
from worker.store.scripts import pack, script
from worker.store.settling import Following, Settlement
from worker.store.taken import CAUTIOUS_EVENTS, Phase, Taken, read_vanished

# A wake mark lives much longer than a sweep's interval: it saves messages, and the sweep ignores old ones.
WAKE_MS = 60_000


class Streams:
    """The streams as a worker uses them (synchronous; one per process, made after the fork)."""

    def __init__(self, client: redis.Redis, lease_ms: int, person_ttl_s: int, wake_ms: int) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._lease_ms = lease_ms
        self._person_ttl_s = person_ttl_s
        self._wake_ms = wake_ms
        self._join = client.register_script(script("join"))
        self._take = client.register_script(script("take"))
        self._caution = client.register_script(script("caution"))
        self._refuse = client.register_script(script("refuse"))
        self._renew = client.register_script(script("renew"))
        self._mark = client.register_script(script("mark"))
        self._settle_text = script("settle")
        self._settle_sha = hashlib.sha1(self._settle_text.encode()).hexdigest()  # noqa: S324 - Redis's name for it
        self._release = client.register_script(script("release"))
        self._exchange = Exchange(client)

    def join(self, lane: Lane, start: str) -> bool:
        """Make the integration's group; True when it is new. `start` is "now" or "archive"."""
        return bool(self._join(keys=_joined(lane), args=[lane.integration, start]))

    def join_all(self, lanes: Iterable[tuple[Lane, str]]) -> None:
        """Make the groups of many lanes in one round trip, each with its start."""
        pipe = self._redis.pipeline(transaction=False)
        for lane, start in lanes:
            self._join(keys=_joined(lane), args=[lane.integration, start], client=pipe)
        pipe.execute()

    def take(self, lane: Lane, token: str, count: int, *, probe: bool = False) -> Taken | Literal["held", "busy"]:
        """Take the lease and read up to `count` entries behind the cursor, fewer after unexplained deaths.

        Raises:
            redis.ResponseError: the stream or the group does not exist (`join` makes them); nothing was changed.
        """
        keys = [lane.key(kind) for kind in ("lease", "wake", "flight", "events", "hold")] + [layout_key(lane.shard)]
        args = [token, self._lease_ms, lane.integration, count, "1" if probe else "0", *CAUTIOUS_EVENTS]
        reply = self._take(keys=keys, args=args)
        if isinstance(reply, bytes):
            return "held" if reply == b"held" else "busy"
        cursor, deaths, until, alone, mapping, sending, rows, gone = reply
        found = (cursor.decode(), deaths, until.decode(), alone.decode(), mapping, sending, entries(rows))
        return Taken(*found, read_vanished(gone))

    def caution(self, lane: Lane, token: str, alone: str, phase: Phase) -> None:
        """Note, before it is tried alone, the entry that may have killed earlier holders.

        Raises:
            LeaseLostError: another holder has the shard; nothing was changed.
        """
        if not self._caution(keys=[lane.key("lease"), lane.key("flight")], args=[token, alone, phase]):
            raise LeaseLostError(f"{lane.integration} on shard {lane.shard}")

    def refused(self, lane: Lane, token: str, end: str) -> int:
        """Note that the destination failed at a request that ends with this entry.

        How often it has, since the cursor was past the end of the first such request.

        Raises:
            LeaseLostError: another holder has the shard; nothing was changed.
        """
        times = int(self._refuse(keys=[lane.key("lease"), lane.key("flight")], args=[token, end]))
        if not times:
            raise LeaseLostError(f"{lane.integration} on shard {lane.shard}")
        return times

    def renew(self, lane: Lane, token: str) -> bool:
        """Prolong a lease that is still ours; False when it is not."""
        return bool(self._renew(keys=[lane.key("lease")], args=[token, self._lease_ms]))

    def mark_woken(self, lanes: Iterable[Lane]) -> None:
        """Note that wake-ups are on their way, so that appends send none."""
        pipe = self._redis.pipeline(transaction=False)
        for lane in lanes:
            self._mark(keys=[lane.key("wake")], args=[self._wake_ms], client=pipe)
        pipe.execute()

    def states(self, keys: Sequence[str]) -> list[bytes | None]:
        """The stored states of people, in the order asked; None for the unknown."""
        if not keys:
            return []
        (states,) = _raised(self._exchange([("MGET", *keys)]))
        return cast("list[bytes | None]", states)

    def settle(
        self,
        lane: Lane,
        token: str,
        step: int,
        done: Settlement,
        more: int,
        behind: str,
        meanwhile: Callable[[], Sequence[str]] = tuple,
    ) -> Following:
        """Write a settlement and read up to `more` entries behind the entry `behind`, in one round trip.

        `step` numbers the settlements of one lease: one that is sent again after a lost answer counts once. `meanwhile`
        is done while Redis works; it names the people whose states are wanted next.

        Raises:
            LeaseLostError: another holder has the shard; nothing was changed.
        """
        keys = [lane.key(kind) for kind in ("lease", "events", "ledger", "flight", "dead", "deadtime", "deadcauses")]
        keys += done.people
        keys += [cause_key(lane.shard, lane.integration, b.cause) for b in done.burials]
        keys.append(lane.key("trail"))
        args: list[Any] = [token, self._lease_ms, lane.integration, done.cursor, done.events, self._person_ttl_s]
        letters = pack([one.named() for one in done.burials]) if done.burials else b""
        args += [step, "1" if done.calm else "0", len(done.counts), len(done.people), letters]
        for field_and_count in done.counts.items():
            args += field_and_count
        args += done.people.values()
        args.append(done.trail)
        commands: list[Call] = [("EVALSHA", self._settle_sha, len(keys), *keys, *args)]
        if more:
            commands.append(("XRANGE", lane.key("events"), f"({behind}", "+", "COUNT", more))
        wanted: list[str] = []

        def look() -> Sequence[Call]:
            wanted.extend(meanwhile())
            return [("MGET", *wanted)] if wanted else ()

        replies = self._exchange(commands, look)
        if isinstance(replies[0], redis.exceptions.NoScriptError):
            self._redis.script_load(self._settle_text)
            replies = self._exchange([*commands, *([("MGET", *wanted)] if wanted else [])])
        if not _raised(replies)[0]:
            raise LeaseLostError(f"{lane.integration} on shard {lane.shard}")
        states = dict(zip(wanted, replies[-1], strict=True)) if len(replies) > len(commands) else {}
        return Following(entries(replies[1]) if more else [], states)

    def release(
        self, lane: Lane, token: str, cursor: str, *, keep: bool, mark: bool = True
    ) -> Literal["lost", "more", "empty"]:
        """Release the lease; "more" says that events wait (with `keep` the lease is then kept).

        `mark` promises that the caller sends a wake-up then.
        """
        keys = [lane.key(kind) for kind in ("lease", "flight", "events", "wake")]
        args = [token, cursor, "1" if keep else "0", self._wake_ms if mark else 0]
        reply: bytes = self._release(keys=keys, args=args)
        return cast('Literal["lost", "more", "empty"]', reply.decode())


def _joined(lane: Lane) -> list[str]:
    return [lane.key(kind) for kind in ("events", "ledger", "dead", "trail", "changes")]


def _raised(replies: list[Any]) -> list[Any]:
    """The replies, if none of them is an error."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
