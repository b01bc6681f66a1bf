"""Rows of a form: the event codes and user properties of an integration, as a draft has them or as they were typed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from config.advice import overwritten
from config.catalogue import catalogue, family_of
from config.effective import Integration
from config.shape import IntegrationTable
from worker.console.naming import OTHER_CODES, code_warnings, name_warnings, renamed_warnings
from worker.store.arrivals import Seen

Fields = Mapping[str, list[str]]
"""A posted form: each field's values in order."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event code of the tab Server events.

    `on` is what its switch shows; `sends` what comes of it: a row that the file does not mention follows the switch for
    all of them when that is turned on. `name` is the name in Customer.io where it is another than the code, else empty;
    `explicit`: the file has a line about it; `week` and `last_ms` (Unix ms) are of the traffic, None where nothing is
    known of it.
    """

    code: str
    category: str
    meaning: str
    on: bool
    sends: bool
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


def event_rows(
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
    follow = every_of(posted, every=every) and not every
    sends = {code: on or (follow and not explicit) for code, (on, _, explicit) in drafts.items()}
    sent = {code: name or code for code, (_, name, _) in drafts.items() if sends[code]}
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
            sends=sends[code],
            name=name,
            explicit=explicit,
            known=about is not None,
            warnings=(*code_warnings(code), *names.get(code, ()), *stops.get(code, ())),
            week=None if seen is None else traffic.events if traffic else 0,
            last_ms=traffic.last_ms if traffic else None,
        )


def property_rows(table: IntegrationTable, posted: Fields) -> Iterator[PropertyRow]:
    """A row for each property of the catalogue and of the file."""
    known = catalogue()
    others = [name for name in table.user_properties if name not in known.user_properties]
    drafts: dict[str, tuple[bool, str]] = {}
    for name in (*known.user_properties, *others):
        to = table.user_properties.get(name, False)
        sent = to if isinstance(to, str) and to != name else ""
        drafts[name] = overlaid(posted, f"properties.{name}", on=to is not False, name=sent)
    lost = overwritten({name: sent or True for name, (on, sent) in drafts.items() if on})
    for name, (on, sent) in drafts.items():
        about = known.user_property(name)
        yield PropertyRow(
            property=name,
            meaning=about.description if about else "",
            type=about.type if about else "",
            on=on,
            name=sent,
            known=about is not None,
            family=name == family_of(name) and "*" in name,
            warnings=(
                *(() if about else ("not in the catalogue; check its spelling",)),
                *((lost[name],) if name in lost else ()),
            ),
        )


def every_of(posted: Fields, *, every: bool) -> bool:
    """The switch for all event codes: as posted, if the rows were."""
    return "events.all" in posted if any(field.startswith("events.") for field in posted) else every


def overlaid(posted: Fields, row: str, *, on: bool, name: str) -> tuple[bool, str]:
    """The switch and the name of a row: as posted, if the row was part of what was posted."""
    if f"{row}.name" not in posted:
        return on, name
    return f"{row}.on" in posted, posted[f"{row}.name"][-1].strip()
