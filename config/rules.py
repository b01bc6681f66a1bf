"""Rules that join two keys of an integrations file: broken ones are errors.

They read the bare data, so that they speak up even when a value elsewhere has the wrong type.
"""

from collections.abc import Iterator

from config.catalogue import catalogue, family_of
from config.errors import Finding, Place, quoted
from config.never_sent import ADDRESSES
from config.values import EVENT_NAME_LIMIT_BYTES
from config.wording import either

# Person attributes with a meaning of their own in Customer.io (reference: section 3, reserved).
_RESERVED_ATTRIBUTES = {
    "_created_in_customerio_at",
    "_last_emailed",
    "_timestamp",
    "_update",
    "anonymous_id",
    "cio_id",
    "cio_relationships",
    "cio_subscription_preferences",
    "created_at",
    "email",
    "id",
    "phone",
    "unsubscribed",
}


def broken_rules(data: object) -> Iterator[Finding]:
    """Every rule that the file breaks."""
    sources = _table(data, "sources")
    for name in _table(data, "integrations"):
        place: Place = ("integrations", name)
        table = _table(data, "integrations", name)
        yield from _source(place, table.get("source"), sources)
        yield from _identity((*place, "identity"), _table(table, "identity"), _table(sources, str(table.get("source"))))
        yield from _events((*place, "events"), _table(table, "events"))
        yield from _properties((*place, "user_properties"), _table(table, "user_properties"))
        attributes = _table(table, "event_attributes")
        yield from _renames((*place, "event_attributes", "rename"), attributes)


def _table(data: object, *keys: str) -> dict[str, object]:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _source(place: Place, source: object, sources: dict[str, object]) -> Iterator[Finding]:
    if isinstance(source, str) and source not in sources:
        known = f"write {either(quoted(name) for name in sources)}, or " if sources else ""
        yield Finding((*place, "source"), f"no source {quoted(source)}; {known}add [sources.{source}]")


def _identity(place: Place, own: dict[str, object], source: dict[str, object]) -> Iterator[Finding]:
    """An integration's id and email may each replace the source's; together they must leave something."""
    inherited = _table(source, "identity")
    chain = [own.get(key, inherited.get(key)) for key in ("id", "email")]
    if own and chain == [[], []]:
        yield Finding(place, 'id and email are both empty; name a payload field, as id = ["user_id"]')


def _events(place: Place, events: dict[str, object]) -> Iterator[Finding]:
    for code, switch in events.items():
        if code == "*" and isinstance(switch, str):
            yield Finding((*place, code), "cannot rename every event to one; write true or false")
        elif "*" in code and code != "*":
            yield Finding((*place, code), 'only "*" alone is a wildcard; write each code in full')
        elif switch is True and len(code.encode("utf-8", "surrogatepass")) > EVENT_NAME_LIMIT_BYTES:
            text = f"the name is longer than {EVENT_NAME_LIMIT_BYTES} bytes; give it another one"
            yield Finding((*place, code), text)


def _properties(place: Place, properties: dict[str, object]) -> Iterator[Finding]:
    families = [name for name in catalogue().user_properties if "*" in name]
    attributes: dict[str, str] = {}
    for name, switch in properties.items():
        if "*" in name and name not in families:
            text = f"only {either(map(quoted, families))} is a wildcard; write each name in full"
            yield Finding((*place, name), text)
        elif "*" in name and isinstance(switch, str):
            text = "a family keeps its names; write true, or rename one, as cumulated_revenue_in_eur"
            yield Finding((*place, name), text)
        elif switch is False and properties.get(family_of(name)) is True and "*" not in name:
            text = f"{quoted(family_of(name))} sends it all the same; enable single names instead"
            yield Finding((*place, name), text)
        elif switch is True or isinstance(switch, str):
            attributes[name] = name if switch is True else str(switch)
    for name, attribute in attributes.items():
        if attribute.partition(".")[0] in _RESERVED_ATTRIBUTES:
            text = f"{quoted(attribute)} is reserved by Customer.io; write another attribute name"
            yield Finding((*place, name), text)
    yield from _doubles(place, attributes, "user property")


def _renames(place: Place, event_attributes: dict[str, object]) -> Iterator[Finding]:
    names = {field: field for field in _kept_fields(event_attributes)}
    for field, name in _table(event_attributes, "rename").items():
        if not isinstance(name, str):
            continue
        # taken out first: a duplicate is then reported for the renamed field, not for the kept one
        names.pop(field, None)
        names[field] = name
        if name in ADDRESSES:
            text = f"{quoted(name)} would change a message's addresses; write another name"
            yield Finding((*place, field), text)
    yield from _doubles(place, names, "payload field")


def _kept_fields(event_attributes: dict[str, object]) -> Iterator[str]:
    """The payload fields that are known to be sent."""
    included, excluded = event_attributes.get("include"), event_attributes.get("exclude")
    if included is None:
        included = [name for name, a in catalogue().user_properties.items() if not a.derived]
    left_out = excluded if isinstance(excluded, list) else []
    for field in included if isinstance(included, list) else []:
        if isinstance(field, str) and field not in left_out:
            yield field


def _doubles(place: Place, names: dict[str, str], kind: str) -> Iterator[Finding]:
    """Two fields under one name: the second would overwrite the first."""
    first: dict[str, str] = {}
    for field, name in names.items():
        if first.setdefault(name, field) != field:
            text = f"{quoted(name)} already holds the {kind} {first[name]}; write another name"
            yield Finding((*place, field), text)
