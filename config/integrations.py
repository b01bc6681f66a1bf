"""An integrations file, loaded: checked as a whole, with errors that say what to change."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from pydantic import ValidationError

from config import document
from config.advice import advice
from config.catalogue import catalogue
from config.document import Document
from config.effective import Identity, Integration, Integrations, Source, default_identity, identity_of
from config.errors import ConfigError, Finding, Place, dotted
from config.rules import broken_rules
from config.secrets import Secrets, resolve_all
from config.shape import FileTable, IntegrationTable, SourceTable
from config.wording import findings

__all__ = ["ConfigError", "Identity", "Integration", "Integrations", "Source", "default_identity", "load", "parse"]


def load(path: str | os.PathLike[str], environ: Mapping[str, str]) -> Integrations:
    """Read an integrations file; `environ` has the variables that its "env:NAME" values name.

    Raises:
        ConfigError: it cannot be used; one line for each thing to change.
    """
    return parse(document.read(Path(path)), str(path), Secrets(environ))


def parse(
    text: str, path: str, secrets: Secrets | Mapping[str, str], *, number: int = 0, lenient: bool = False
) -> Integrations:
    """What an integrations file says; `path` is only spoken of, `number` is that of the revision it is.

    With `lenient` a secret that is missing here is no error: what needs it says so by its `unresolved`.

    Raises:
        ConfigError: it cannot be used; one line for each thing to change.
    """
    doc = document.parse(text, path)
    known = secrets if isinstance(secrets, Secrets) else Secrets(secrets)
    found, missing = resolve_all(doc.data, known)
    file = _checked(doc, () if lenient else missing)
    lines = dict(zip((one.place[:2] for one in missing), (doc.report([one])[0] for one in missing), strict=True))
    return Integrations(
        {name: _source(name, table, found, lines) for name, table in file.sources.items()},
        {name: _integration(name, file, doc, found, lines, number) for name in file.integrations},
        doc.report(advice(file, found)),
        path,
        doc.report(missing),
    )


def _checked(doc: Document, missing: Iterable[Finding]) -> FileTable:
    found = [*broken_rules(doc.data), *missing]
    file = None
    try:
        file = FileTable.model_validate(doc.data)
    except ValidationError as error:
        found += findings(error)
    # outside of the handler: pydantic's error holds the input, secrets written in clear included
    if file is None or found:
        raise ConfigError(doc.report(found))
    return file


def _source(name: str, table: SourceTable, found: Mapping[str, str], missing: Mapping[Place, str]) -> Source:
    return Source(
        name,
        tuple(_bytes(found[reference]) for reference in table.webhook_secret if reference in found),
        tuple(_bytes(found[reference]) for reference in table.tokens if reference in found),
        table.signature_tolerance_s,
        missing.get(("sources", name), ""),
        _source_identity(table),
    )


def _source_identity(table: SourceTable) -> Identity:
    chain = table.identity
    return identity_of(chain.id, chain.email, chain.email_like_user_id, chain.placeholders)


def _identity(table: IntegrationTable, source: SourceTable) -> Identity:
    """The integration's own chain where it has one, else that of its source."""
    own, chain = table.identity, source.identity
    return identity_of(
        chain.id if own.id is None else own.id,
        chain.email if own.email is None else own.email,
        own.email_like_user_id or chain.email_like_user_id,
        chain.placeholders,
    )


def _bytes(secret: str) -> bytes:
    # a variable that is not UTF-8 reaches Python with its bytes escaped as surrogates
    return secret.encode("utf-8", "surrogateescape")


def _integration(
    name: str, file: FileTable, doc: Document, found: Mapping[str, str], missing: Mapping[Place, str], number: int
) -> Integration:
    table = file.integrations[name]
    siblings = [one for one in file.integrations.values() if one.source == table.source]
    integration = Integration(
        name=name,
        source=table.source,
        enabled=table.enabled,
        region=table.region,
        site_id=found.get(table.site_id, ""),
        api_key=found.get(table.api_key, ""),
        base_url=table.url,
        environments=frozenset(table.environments),
        source_environments=frozenset(e for one in siblings if one.enabled for e in one.environments),
        identity=_identity(table, file.sources[table.source]),
        source_identity=_source_identity(file.sources[table.source]),
        anonymous=table.identity.anonymous,
        events=_events(table),
        default_event=table.events.get("*") is True,
        properties={p: _sent(p, to) or p for p, to in table.user_properties.items() if to is not False},
        dates=table.dates,
        late=table.late,
        include=None if (fields := table.event_attributes).include is None else frozenset(fields.include),
        exclude=frozenset(fields.exclude),
        rename=dict(fields.rename),
        merge_transfers=table.merge_transfers,
        plans=dict(file.plans),
        start=table.start,
        digest="",
        revision=number,
        lines=_lines(name, doc),
        unresolved=missing.get(("integrations", name), ""),
        send=table.send,
    )
    return msgspec.structs.replace(integration, digest=_digest(integration))


def _events(table: IntegrationTable) -> dict[str, str | None]:
    """Code to the name sent, None is off; a retired code speaks for its successor too."""
    events = {code: _sent(code, switch) for code, switch in table.events.items() if code != "*"}
    for code, switch in table.events.items():
        successor = catalogue().successor(code)
        if successor:
            events.setdefault(successor, _sent(successor, switch))
    return events


def _sent(name: str, switch: bool | str) -> str | None:
    if isinstance(switch, str):
        return switch
    return name if switch else None


def _lines(name: str, doc: Document) -> dict[str, int]:
    """Dotted key to line, of everything in an integration's tables but the elements of lists."""
    return {
        dotted(place): line
        for place, line in doc.places.lines.items()
        if place[:2] == ("integrations", name) and not isinstance(place[-1], int)
    }


def _digest(integration: Integration) -> str:
    """Twelve hex digits over all that shapes what is sent; secrets and lines do not."""
    told = msgspec.structs.asdict(integration)
    for silent in ("site_id", "api_key", "start", "digest", "revision", "lines", "unresolved"):
        del told[silent]
    if integration.send:
        del told["send"]  # the digest of an integration that sends is what it was before there was a shadow
    return hashlib.sha256(msgspec.json.encode(told, order="deterministic")).hexdigest()[:12]
