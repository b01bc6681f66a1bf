"""The form of one integration: what its tabs show, read out of the text of a revision or a draft."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from config.catalogue import catalogue, family_of
from config.effective import Integration
from config.errors import Finding
from config.examine import examine
from config.shape import FileTable, IntegrationTable, SourceTable
from worker.console.naming import OTHER_CODES, code_warnings, name_warnings, renamed_warnings
from worker.store.arrivals import Seen

Fields = Mapping[str, list[str]]
"""A posted form: each field's values in order."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event code of the tab Server events.

    `name` is the name in Customer.io where it is another than the code, else empty; `explicit`: the file has a line
    about it; `week` and `last_ms` (Unix ms) are of the traffic, None where nothing is known of it.
    """

    code: str
    category: str
    meaning: str
    on: bool
    name: str
    explicit: bool
    known: bool
    warnings: tuple[str, ...] = ()
    week: int | None = None
    last_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PropertyRow:
    """One user property; `name` is the attribute where it is another than the property; a `family` keeps its names."""

    property: str
    meaning: str
    type: str
    on: bool
    name: str
    known: bool
    family: bool
    warnings: tuple[str, ...] = ()


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
        return sum(row.explicit and (row.on != self.all_events or bool(row.name)) for row in self.events)


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
        all_events=table.events.get("*") is True,
        events=tuple(_event_rows(table, seen, posted or {}, running)),
        properties=tuple(_property_rows(table, posted or {})),
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


def _event_rows(
    table: IntegrationTable, seen: Mapping[str, Seen] | None, posted: Fields, running: Integration | None
) -> Iterator[EventRow]:
    """A row for each code of the catalogue, of the file and of the traffic."""
    known, every = catalogue(), table.events.get("*") is True
    written = {code: to for code, to in table.events.items() if code != "*"}
    others = [code for code in {**written, **(seen or {})} if code not in known.events and not known.successor(code)]
    drafts: dict[str, tuple[bool, str, bool]] = {}
    for code in (*known.events, *sorted(others)):
        line = next((one for one in (code, *known.predecessors(code)) if one in written), None)
        to = written[line] if line else every
        on, name = to is not False, to if isinstance(to, str) and to != code else ""
        drafts[code] = (*overlaid(posted, f"events.{code}", on=on, name=name), line is not None)
    sent = {code: name or code for code, (on, name, _) in drafts.items() if on}
    names = name_warnings(sent)
    was = {code: now for code in drafts if running is not None and (now := running.sent_name(code)) is not None}
    stops = renamed_warnings(was, sent, {code: one.events for code, one in (seen or {}).items()})
    for code, (on, name, explicit) in drafts.items():
        about, traffic = known.events.get(code), seen.get(code) if seen else None
        yield EventRow(
            code=code,
            category=about.category if about else OTHER_CODES,
            meaning=about.description if about else "",
            on=on,
            name=name,
            explicit=explicit,
            known=about is not None,
            warnings=(*code_warnings(code), *names.get(code, ()), *stops.get(code, ())),
            week=None if seen is None else traffic.events if traffic else 0,
            last_ms=traffic.last_ms if traffic else None,
        )


def _property_rows(table: IntegrationTable, posted: Fields) -> Iterator[PropertyRow]:
    known = catalogue()
    others = [name for name in table.user_properties if name not in known.user_properties]
    for name in (*known.user_properties, *others):
        about = known.user_property(name)
        to = table.user_properties.get(name, False)
        sent = to if isinstance(to, str) and to != name else ""
        on, sent = overlaid(posted, f"properties.{name}", on=to is not False, name=sent)
        yield PropertyRow(
            property=name,
            meaning=about.description if about else "",
            type=about.type if about else "",
            on=on,
            name=sent,
            known=about is not None,
            family=name == family_of(name) and "*" in name,
            warnings=() if about else ("not in the catalogue; check its spelling",),
        )


def overlaid(posted: Fields, row: str, *, on: bool, name: str) -> tuple[bool, str]:
    """The switch and the name of a row: as posted, if the row was part of what was posted."""
    if f"{row}.name" not in posted:
        return on, name
    return f"{row}.on" in posted, posted[f"{row}.name"][-1].strip()


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
