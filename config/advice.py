"""Warnings: what works in an integrations file but is hardly intended."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Literal

from config.catalogue import catalogue, family_of
from config.errors import Finding, Place, dotted, quoted
from config.never_sent import is_never_sent
from config.shape import FileTable, IntegrationTable, SourceTable
from config.values import is_loopback


def advice(file: FileTable, secrets: Mapping[str, str]) -> Iterator[Finding]:
    """Every warning about a file without errors; `secrets` has those that are known, by reference."""
    for name, table in file.integrations.items():
        place: Place = ("integrations", name)
        yield from _events((*place, "events"), table)
        for field in table.user_properties:
            if catalogue().user_property(field) is None:
                yield _unknown((*place, "user_properties", field), "property")
        for field, text in overwritten(table.user_properties).items():
            yield Finding((*place, "user_properties", field), text)
        if table.user_properties.get("plan_periodicity") and not file.plans:
            text = 'no plan has a period; add [plans] with lines as monthly = "P1M"'
            yield Finding((*place, "user_properties", "plan_periodicity"), text)
        yield from _own_chain((*place, "identity"), table, file.sources[table.source])
        yield from _never_sent((*place, "event_attributes"), table)
        if table.merge_transfers and table.identity.anonymous != "profile":
            text = 'merges nobody; write anonymous = "profile", so that both people exist'
            yield Finding((*place, "merge_transfers"), text)
        if table.url.startswith("http:") and not is_loopback(table.url):
            text = "customers' data and the API key travel unencrypted; write https"
            yield Finding((*place, "base_url"), text)
    yield from _idle_sources(file)
    yield from _twins(file, secrets)


def overwritten(properties: Mapping[str, bool | str]) -> dict[str, str]:
    """The properties whose attribute is one of a family that is sent too, each with what to say of it.

    >>> overwritten({"cumulated_revenue_in_*": True, "plan": "cumulated_revenue_in_eur"})
    {'plan': '"cumulated_revenue_in_*" sends "cumulated_revenue_in_eur" too, and overwrites it; write another name'}
    """
    found = {}
    for field, name in properties.items():
        if isinstance(name, str) and name != field and name != family_of(name) and properties.get(family_of(name)):
            family = quoted(family_of(name))
            found[field] = f"{family} sends {quoted(name)} too, and overwrites it; write another name"
    return found


def _events(place: Place, table: IntegrationTable) -> Iterator[Finding]:
    known = catalogue()
    if table.enabled and not any(table.events.values()):
        text = 'no event is enabled; write "*" = true, or the codes to send'
        yield Finding(place, text)
    for code in table.events:
        if successor := known.successor(code):
            text = f"Purchasely does not send this any more; write {successor}"
            yield Finding((*place, code), text)
        elif code != "*" and code not in known.events:
            yield _unknown((*place, code), "event")


def _never_sent(place: Place, table: IntegrationTable) -> Iterator[Finding]:
    chosen = table.event_attributes
    for key, fields in (("include", chosen.include or ()), ("rename", chosen.rename)):
        for field in fields:
            if is_never_sent(field):
                text = f"{quoted(field)} is never sent: it is a credential, or would change a message's addresses"
                yield Finding((*place, key), text)


def _own_chain(place: Place, table: IntegrationTable, source: SourceTable) -> Iterator[Finding]:
    for key in ("id", "email"):
        own = getattr(table.identity, key)
        if own is not None and own != getattr(source.identity, key):
            text = (
                "differs from the source's, which decides the shard: order and properties then hold for a person of "
                f"the source only; better write it under [sources.{table.source}.identity]"
            )
            yield Finding((*place, key), text)


def _unknown(place: Place, kind: Literal["event", "property"]) -> Finding:
    name = str(place[-1])
    if name in IntegrationTable.model_fields:
        # a key below a sub-table's header belongs to the sub-table: TOML's commonest trap
        text = f"not in the catalogue; if the setting is meant, move it under [{dotted(place[:2])}]"
        return Finding(place, text)
    similar = catalogue().nearest(name, kind)
    hint = f"did you mean {similar}?" if similar else "check its spelling"
    return Finding(place, f"not in the catalogue; {hint}")


def _idle_sources(file: FileTable) -> Iterator[Finding]:
    read = {table.source for table in file.integrations.values() if table.enabled}
    for name in file.sources:
        if name not in read:
            text = f'no enabled integration takes its events; write source = "{name}" in one'
            yield Finding(("sources", name), text)


def _twins(file: FileTable, secrets: Mapping[str, str]) -> Iterator[Finding]:
    enabled = [(name, table) for name, table in file.integrations.items() if table.enabled and table.send]
    for (first, one), (second, other) in combinations(enabled, 2):
        shared = sorted(set(one.environments) & set(other.environments))
        if shared and _destination(one, secrets) == _destination(other, secrets):
            text = (
                f"sends {' and '.join(shared)} events where {quoted(first)} sends them, so they "
                "arrive twice; change its environments or its keys"
            )
            yield Finding(("integrations", second), text)


def _destination(table: IntegrationTable, secrets: Mapping[str, str]) -> tuple[str, ...]:
    keys = (secrets.get(reference, reference) for reference in (table.site_id, table.api_key))
    return (table.source, table.url, *keys)
