"""Calls of the script that appends, in Redis's protocol: its keys and settings by lane, and the form of its answer."""

import functools
import hashlib
import re
import time
from collections.abc import Sequence

from worker.ingest.arguments import ARGUMENTS, PIECES
from worker.ingest.memory import InLane, Kept
from worker.ingest.roundtrip import Command, encode
from worker.purchasely.event import CONFLICT_MARK
from worker.store.dedup import bucket_s, tables
from worker.store.keys import layout_key, shard_key
from worker.store.layout import Layout
from worker.store.scripts import script


class Calls:
    """Makes the calls for a layout and its integrations; `text` is the script's."""

    def __init__(self, *, wake_ms: int, dedup_window_s: int, layout: Layout, in_cluster: bool) -> None:
        self.text = script("append")
        self._sha = hashlib.sha1(self.text.encode()).hexdigest()  # noqa: S324 - the name Redis gives a script
        self._wake_ms = wake_ms
        self._window_s = dedup_window_s
        self._bucket_s = bucket_s(dedup_window_s)
        self._layout = layout
        self._in_cluster = in_cluster
        self.adopt({})

    def adopt(self, integrations_of: dict[str, tuple[str, ...]], layout: Layout | None = None) -> None:
        """Check the wake and hold marks of these integrations from now on, by this layout or the one before."""
        self._layout = layout or self._layout
        self._integrations_of = integrations_of
        self._prefixes: dict[InLane, tuple[int, tuple[int, bytes]]] = {}

    def load(self) -> Command:
        """The command by which a server knows the script."""
        return [b"*3\r\n", encode(["SCRIPT", "LOAD", self.text])]

    def append(self, lane: InLane, pieces: list[bytes]) -> Command:
        """The call for encoded events."""
        arguments, prefix = self._prefix(lane)
        return [b"*%d\r\n" % (arguments + len(pieces) // PIECES * ARGUMENTS), prefix, *pieces, b"\r\n"]

    def append_again(self, kept: Kept, mode: int) -> Command:
        """The call for what is remembered; a sweep finds it, so it wakes nobody."""
        count, prefix = self._made(kept.lane, (), mode)
        return [b"*%d\r\n" % (count + kept.events * ARGUMENTS), prefix, kept.pieces, b"\r\n"]

    def answer_form(self, lane: InLane, events: int) -> re.Pattern[bytes]:
        """The form of the answer to a call for so many events."""
        return _answer_form(events, len(self._integrations_of[lane[0]]))

    def id_tables(self, lane: InLane) -> list[str]:
        """The tables of the ids that are known just now."""
        return [*self._tables(lane, "ids"), *self._tables_before(lane)]

    def _tables_before(self, lane: InLane) -> list[str]:
        """Those of the shards where this one's people were before; a script of a cluster reads none of others."""
        source, shard = lane
        others = () if self._in_cluster else self._layout.relatives(shard, 2 * self._window_s)
        return [table for other in others for table in self._tables((source, other), "ids")]

    def _tables(self, lane: InLane, kind: str) -> list[str]:
        source, shard = lane
        return tables(shard, kind, source, int(time.time()) // self._bucket_s)

    def _prefix(self, lane: InLane) -> tuple[int, bytes]:
        """A lane's command before its events, without its last line's end, and the number of its arguments.

        Made once for each table of ids.
        """
        bucket = int(time.time()) // self._bucket_s
        known = self._prefixes.get(lane)
        if known is not None and known[0] == bucket:
            return known[1]
        made = self._made(lane, self._integrations_of.get(lane[0], ()), 0)
        self._prefixes[lane] = (bucket, made)
        return made

    def _made(self, lane: InLane, integrations: Sequence[str], mode: int) -> tuple[int, bytes]:
        source, shard = lane
        keys = [shard_key(shard, "events", source)]
        keys += [table for kind in ("ids", "seen") for table in self._tables(lane, kind)]
        keys += [shard_key(shard, "intake", source), layout_key(shard)]
        for integration in integrations:
            keys += [shard_key(shard, kind, integration) for kind in ("lease", "wake", "hold")]
        keys += self._tables_before(lane)
        settings: list[str | int] = [self._bucket_s * 3, self._wake_ms, len(integrations), CONFLICT_MARK.decode()]
        settings += [self._layout.epoch, mode]
        return 3 + len(keys) + len(settings), encode(["EVALSHA", self._sha, len(keys), *keys, *settings])[:-2]


@functools.lru_cache(maxsize=1024)
def _answer_form(events: int, integrations: int) -> re.Pattern[bytes]:
    """The form of `append.lua`'s answer: behind its marks the height of the stream, and its last entry."""
    tail = rb" (\d+) (?:\d+-\d+)?" if events else b""
    return re.compile(rb"[01]{%d}%b" % (events + integrations, tail))
