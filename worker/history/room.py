"""The parts of the history, joined: what `relay trace`, `relay person` and the console's pages use."""

import time
from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import redis

from config.integrations import Integration, Integrations
from worker.app import Relay, relay
from worker.dead.fates import Fates
from worker.history.activity import Activity, Wanted, activity
from worker.history.archive import ArchivedFates, ArchivedScan
from worker.history.cursor import cursor_of, read_cursor
from worker.history.find import Finder, Found, Place, place_of
from worker.history.former import FormerRevisions
from worker.history.scan import Scan
from worker.history.timeline import Known, PropertyValue, Spot, Timeline, known_of, spot
from worker.history.trace import AtRevision, Trace, Tracer
from worker.purchasely.person import plain_name
from worker.store.dedup import bucket_s, received_again, shards_that_know, with_each_id_once
from worker.store.entry_id import received_ms
from worker.store.holds import Hold
from worker.store.keys import person_key

if TYPE_CHECKING:
    from worker.history.drafted import Draft, Drafted
    from worker.history.shadowed import Made
    from worker.mapping.mapper import Mapper
    from worker.people.in_words import Part
    from worker.store.archive import Archive

Gone = Literal["forgotten", "received", "trimmed", "unknown"]
"""Why an event is not found: it was received, as its id is remembered; or its place is older than what is kept; or …"""


class PersonPage(msgspec.Struct, frozen=True):
    """A page of a person's timeline, newest first.

    On the first page only, by integration: the `properties`, and the subscription in words (`worker.people.in_words`).
    `drafted`, where a draft is asked about: what it would make of each event, by entry.
    """

    person: list[str]
    items: list[Trace]
    properties: dict[str, dict[str, PropertyValue]]
    next: str | None
    subscription: "dict[str, list[Part]]" = {}
    drafted: "dict[str, list[Drafted]]" = {}


class History:
    """Every question about the past; make one per question, since it caches what it reads."""

    def __init__(
        self,
        client: redis.Redis,
        config: Integrations,
        shards: int,
        holds: dict[str, Hold],
        at_revision: AtRevision,
        dedup_window_s: int,
        archive: "Archive | None" = None,
        budget_s: float | None = None,
        formerly: Iterable[int] = (),
    ) -> None:
        self._config = config
        self._shards = shards
        archived = ArchivedScan(client, archive) if archive else None
        self.scan = archived or Scan(client, budget_s=budget_s)
        bucket = int(time.time()) // bucket_s(dedup_window_s)

        def knows(source: str, key: str) -> list[int]:
            return shards_that_know(client, source, key, shards, bucket)

        def once(places: Collection[Place]) -> set[Place]:
            return set() if archived else with_each_id_once(client, places, dedup_window_s)

        identities = {name: one.identity for name, one in config.sources.items()}
        self.finder = Finder(
            self.scan, identities, shards, knows, once=once, formerly=formerly, newest_first=budget_s is not None
        )
        self._fates = ArchivedFates(client, archived) if archived else Fates(client)
        self._archived = archived
        self._at_revision = at_revision

        def again(found: Found) -> int:
            return received_again(client, found.shard, found.source, found.event.key, bucket)

        self.tracer = Tracer(config, self._fates, holds, at_revision, again)

    @cached_property
    def since_ms(self) -> int:
        """When the oldest event that is kept was received, Unix ms; now, when there is none."""
        oldest = [time.time_ns() // 1_000_000]
        if self._archived and (since_ms := self._archived.since_ms(list(self.finder.streams()))):
            oldest.append(since_ms)
        firsts = self.scan.ask_all([("XRANGE", key, "-", "+", "COUNT", 1) for key in self.finder.streams()])
        return min(oldest + [int(row[0].partition(b"-")[0]) for rows in firsts for row in rows])

    def made(self, integration: Integration, mapper: "Callable[[Integration], Mapper]") -> "Made":
        """What an integration made of the events that are kept."""
        from worker.history.shadowed import Made  # noqa: PLC0415 - as `_known`

        return Made(self.scan, self._fates, integration, self._at_revision, mapper)

    def is_forgotten(self, ident: str) -> bool:
        """Whether SHARD/ENTRY was deleted because its person was forgotten."""
        place = place_of(ident)
        return place is not None and any(self._fates.is_forgotten(source, *place) for source in self._config.sources)

    def gone(self, ident: str) -> Gone:
        """What is known of an event that is not found."""
        if self.is_forgotten(ident):
            return "forgotten"
        if self.finder.was_received(ident):
            return "received"
        place = place_of(ident)
        return "trimmed" if place and received_ms(place[1]) < self.since_ms else "unknown"

    def person(
        self,
        ident: str,
        limit: int,
        cursor: str | None,
        only: Iterable[str] = (),
        *,
        until_ms: int | None = None,
        draft: "Draft | None" = None,
    ) -> PersonPage:
        """A page of what is kept of a person; `until_ms` goes on where a search that found nothing was cut.

        `draft`: say of each event what that would make of it.

        Raises:
            ValueError: the cursor is invalid.
        """
        timeline = Timeline(self.finder, until_ms)
        names = timeline.names(ident)
        events = timeline.events(names, read_cursor(cursor))
        page = list(islice(events, limit + 1))
        items = [self.tracer.trace(found, only) for found in page[:limit]]
        following = cursor_of(spot(page[limit - 1])) if len(page) > limit else None
        known = {} if cursor else self._known([*page, *events], set(only))
        properties = {name: one.properties for name, one in known.items()}
        said = {name: one.subscription for name, one in known.items() if one.subscription}
        drafted = {one.event.entry: draft.of(found) for one, found in zip(items, page, strict=False)} if draft else {}
        return PersonPage(sorted(names), items, properties, following, said, drafted)

    def activity(self, wanted: Wanted, limit: int, cursor: str | None = None, budget_s: float = 1.0) -> Activity:
        """A page of the newest events of everybody, or of those that one id or person means.

        Raises:
            ValueError: the cursor is invalid.
        """
        after, chosen = read_cursor(cursor), None
        if wanted.is_of_one:
            chosen = [one for one in self._of_one(wanted, after) if wanted.span.takes(one.event.received_ms)]
        return activity(self.scan, self.finder.streams(), self.tracer, wanted, limit, after, budget_s, chosen=chosen)

    def _of_one(self, wanted: Wanted, after: Spot | None) -> list[Found]:
        """The events of an id, of a person, or of both, newest first."""
        timeline = Timeline(self.finder)
        names = timeline.names(wanted.person) if wanted.person else set[str]()
        if not wanted.event_id:
            return list(timeline.events(names, after))
        found = [one for one in self.finder.event(wanted.event_id) if after is None or spot(one) > after]
        if wanted.person:
            known = {plain_name(name) for name in names}
            found = [one for one in found if known & self.finder.names_of(one.source, one.event)]
        return sorted(found, key=spot)

    def _known(self, events: list[Any], only: set[str]) -> dict[str, Known]:
        """What each integration knows of the person; of the identifiers that their events map to."""
        from worker.mapping.mapper import Mapper  # noqa: PLC0415 - an event is traced without it

        now_ms = time.time_ns() // 1_000_000
        found: dict[str, Known] = {}
        for integration in self._config.integrations.values():
            if (only and integration.name not in only) or not integration.properties:
                continue
            mapper = Mapper(integration)
            here = [one for one in events if one.source == integration.source]
            for one in here:
                digest = mapper.person_of(mapper.decide(one.event, now_ms))
                shards = dict.fromkeys((self.finder.shard_of(one), one.shard))  # where they are, and were then
                keys = [person_key(shard, integration.name, digest) for shard in shards] if digest else []
                state = next((state for key in keys if (state := self.scan.ask("GET", key)) is not None), None)
                if state is not None:
                    found[integration.name] = known_of(mapper, here, state, now_ms)
                    break
        return found


def open_history(
    parts: Relay | None = None, archive: "Archive | None" = None, budget_s: float | None = None
) -> History:
    """The history as this process's settings and configuration see it; with the archive, if one is given.

    `budget_s` is for whoever cannot wait until every stream was looked through (`History.scan.is_cut`).

    Raises:
        OperatorError: Redis holds what this release, or these settings, would misread.
    """
    parts = parts or relay()
    parts.check_store()
    config = parts.integrations
    holds = parts.holds.get(config.integrations)
    chosen = parts.settings
    former = FormerRevisions(parts).integration
    return History(
        parts.redis,
        config,
        chosen.shards,
        holds,
        former,
        chosen.dedup_window_s,
        archive,
        budget_s=budget_s,
        formerly=parts.layout.formerly,
    )
