"""The form of one integration: what its tabs show, read out of the text of a revision or a draft."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from config.effective import Integration
from config.errors import Finding
from config.examine import examine
from config.shape import FileTable, IntegrationTable, SourceTable
from worker.console.rows import EventRow, Fields, PropertyRow, event_rows, every_of, property_rows
from worker.store.arrivals import Seen


@dataclass(frozen=True, slots=True)
class Chain:
    """An identity chain; None: inherited, or the default."""

    id: tuple[str, ...] | None
    email: tuple[str, ...] | None
    email_like_user_id: str | None


@dataclass(frozen=True, slots=True)
class IntegrationForm:
    """Everything that the tabs of an integration show; secrets are references, never values."""

    name: str
    enabled: bool
    send: bool
    source: str
    sources: tuple[str, ...]
    region: str
    site_id: str
    api_key: str
    all_events: bool
    events: tuple[EventRow, ...]
    properties: tuple[PropertyRow, ...]
    anonymous: str
    identity: Chain
    source_identity: Chain
    environments: tuple[str, ...]
    base_url: str
    dates: str
    late: str
    merge_transfers: bool
    start: str
    include: tuple[str, ...] | None
    exclude: tuple[str, ...]
    rename: tuple[tuple[str, str], ...]
    warnings: tuple[tuple[str, str], ...]

    @property
    def categories(self) -> list[tuple[str, list[EventRow]]]:
        """The event rows under their headings, in the order of the catalogue; the page's template asks for it."""
        return [(category, list(rows)) for category, rows in groupby(self.events, lambda row: row.category)]

    @property
    def differing(self) -> int:
        """How many rows say something else than the switch for all of them."""
        return sum(
            row.sends != self.all_events or (row.sends and row.name not in {"", row.code}) for row in self.events
        )


def form_of(
    text: str,
    name: str,
    seen: Mapping[str, Seen] | None = None,
    posted: Fields | None = None,
    running: Integration | None = None,
) -> IntegrationForm:
    """The form of an integration; `seen` is its traffic by code, `posted` what a person typed and is to see again.

    `running` is the integration in force: rows whose events of this week would be sent otherwise say so.

    Raises:
        ConfigError: the text is not TOML.
        KeyError: it has errors, or no such integration.
    """
    found = examine(text)
    if found.file is None:
        raise KeyError(name)
    table, source = _tables(found.file, name)
    own, chain, attributes = table.identity, source.identity, table.event_attributes
    return IntegrationForm(
        name=name,
        enabled=table.enabled,
        send=table.send,
        source=table.source,
        sources=tuple(found.file.sources),
        region=table.region,
        site_id=table.site_id,
        api_key=table.api_key,
        all_events=every_of(posted or {}, every=table.events.get("*") is True),
        events=tuple(event_rows(table, seen, posted or {}, running)),
        properties=tuple(property_rows(table, posted or {})),
        anonymous=own.anonymous,
        identity=Chain(_tuple(own.id), _tuple(own.email), own.email_like_user_id),
        source_identity=Chain(tuple(chain.id), tuple(chain.email), chain.email_like_user_id),
        environments=tuple(table.environments),
        base_url=table.base_url or "",
        dates=table.dates,
        late=table.late,
        merge_transfers=table.merge_transfers,
        start=table.start,
        include=_tuple(attributes.include),
        exclude=tuple(attributes.exclude),
        rename=tuple(attributes.rename.items()),
        warnings=tuple(_warnings(found.warnings, name, table.source)),
    )


def _tables(file: FileTable, name: str) -> tuple[IntegrationTable, SourceTable]:
    table = file.integrations[name]
    return table, file.sources[table.source]


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _warnings(found: tuple[Finding, ...], name: str, source: str) -> Iterator[tuple[str, str]]:
    for place, text in found:
        if place[:2] in {("integrations", name), ("sources", source)}:
            yield field_of(place, name, source), text


def field_of(place: tuple[str | int, ...], name: str, source: str) -> str:
    """The form's field of a place in the file; empty for a place that the form does not have.

    >>> field_of(("integrations", "production", "events", "ACTIVATE"), "production", "my-app")
    'events.ACTIVATE.name'
    """
    above, keys = place[:2], [str(key) for key in place[2:4]]
    if above == ("sources", source) and keys[:1] == ["identity"]:
        return ".".join(["source", *keys[1:]])
    if above != ("integrations", name) or not keys:
        return ""
    table, one = keys[0], keys[-1]
    match table:
        case "events":
            return "events.all" if one in {"*", table} else f"events.{one}.name"
        case "user_properties":
            return "" if one == table else f"properties.{one}.name"
        case "event_attributes":
            return one
        case _:
            return ".".join(keys) if table == "identity" else table
