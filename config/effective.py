"""Effective configuration: the frozen structs that the hot path reads."""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from config.catalogue import catalogue
from config.shape import Anonymous, Dates, EmailLikeUserId, Late, Region, SourceIdentityTable, Start
from config.trimmed import trimmed

# Fields by which a payload names somebody, whichever of them a chain has (reference: event attributes).
PERSON_FIELDS = ("user_id", "anonymous_user_id", "customerio_user_id", "customerio_user_email", "device_id")


class _Discreet(msgspec.Struct, frozen=True):
    """A struct whose secrets stay out of logs, tracebacks and the terminal."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        hidden = {"webhook_secrets", "tokens", "site_id", "api_key"}
        return [(f, "***" if f in hidden else getattr(self, f)) for f in self.__struct_fields__]


class Identity(msgspec.Struct, frozen=True):
    """Which payload fields name the person, in the order they are tried: the identity chain.

    `placeholders` are ids that mean nobody, in every usual case. `shard_fields` are all fields that may decide the
    shard: the chain, then whatever else tells people apart, so that an event without an id of the chain has an order.
    """

    id_fields: tuple[str, ...]
    email_fields: tuple[str, ...]
    email_like_user_id: EmailLikeUserId
    placeholders: frozenset[str]
    shard_fields: tuple[str, ...]


def identity_of(
    id_fields: Iterable[str],
    email_fields: Iterable[str],
    email_like_user_id: EmailLikeUserId,
    placeholders: Iterable[str],
) -> Identity:
    """The identity chain, ready for use."""
    ids, emails = tuple(id_fields), tuple(email_fields)
    cases = frozenset(
        trimmed(case) for one in placeholders for case in (one, one.lower(), one.upper(), one.capitalize())
    )
    fields = dict.fromkeys((*ids, *emails, *PERSON_FIELDS))
    return Identity(ids, emails, email_like_user_id, cases, tuple(fields))


def default_identity() -> Identity:
    """The identity chain of a source that says nothing of it."""
    table = SourceIdentityTable()
    return identity_of(table.id, table.email, table.email_like_user_id, table.placeholders)


class Source(_Discreet, frozen=True):
    """Who may send: `webhook_secrets` sign Purchasely's requests, `tokens` open the door upstream.

    Any of several is good, for rotation. `signature_tolerance_s` 0: a signature of any age; None: as long as event ids
    are remembered, and at least as long as Purchasely retries. `unresolved` says which secret is missing in this
    process, if one is. `identity` decides the shard.
    """

    name: str
    webhook_secrets: tuple[bytes, ...]
    tokens: tuple[bytes, ...]
    signature_tolerance_s: int | None
    unresolved: str = ""
    identity: Identity = msgspec.field(default_factory=default_identity)


class Integration(_Discreet, frozen=True):
    """What one Customer.io workspace takes from a source, and under which names.

    `send` false: in shadow, nothing is sent to Customer.io and everything else is done.
    `source_environments`: those that any enabled integration of the source takes.
    `identity`: whose person an event is; `source_identity`: on whose shard it is stored. They differ only where the
    integration has a chain of its own.
    `events`: code to the name sent, None is off; explicit entries only, where one of a retired code
    stands for its successor too. `default_event`: whether all other codes are sent.
    `properties`: enabled user property to attribute. `plans`: plan id to ISO 8601 period.
    `digest` changes with whatever changes what is sent, never with a secret. `revision` is the number of the revision
    of the whole file (0: none was given). `lines`: dotted key to its line in the file. Credentials are empty only while
    it is disabled or in shadow, or `unresolved` says which one is missing in this process: then it must not be served
    here.
    """

    name: str
    source: str
    enabled: bool
    region: Region
    site_id: str
    api_key: str
    base_url: str
    environments: frozenset[str]
    source_environments: frozenset[str]
    identity: Identity
    source_identity: Identity
    anonymous: Anonymous
    events: dict[str, str | None]
    default_event: bool
    properties: dict[str, str]
    dates: Dates
    late: Late
    include: frozenset[str] | None
    exclude: frozenset[str]
    rename: dict[str, str]
    merge_transfers: bool
    plans: dict[str, str]
    start: Start
    digest: str
    revision: int
    lines: dict[str, int]
    unresolved: str = ""
    send: bool = True

    @property
    def fingerprint(self) -> str:
        """Which key and which address it has, without telling either: `KEY/ADDRESS`, digests of twelve hex digits."""
        parts = (f"{self.site_id}\0{self.api_key}", self.base_url)
        return "/".join(hashlib.sha256(part.encode("utf-8", "surrogateescape")).hexdigest()[:12] for part in parts)

    @property
    def revision_name(self) -> str:
        """What letters and the trail name: the number of the revision; of a file that is none, the digest."""
        return str(self.revision) if self.revision else self.digest

    def sent_name(self, code: str) -> str | None:
        """The name under which an event is sent; None: it is not sent."""
        if code in self.events:
            return self.events[code]
        return code if self.default_event else None

    def with_every_event(self) -> "Integration":
        """The same without its event filter: for an event that somebody chose to send all the same."""
        named = {code: code if name is None else name for code, name in self.events.items()}
        return msgspec.structs.replace(self, events=named, default_event=True)

    def rule(self, code: str) -> tuple[str, int]:
        """The dotted key that decided `sent_name`, and its line; `("", 0)`: the file is silent."""
        prefix = f"integrations.{self.name}.events."
        for name in (code, *catalogue().predecessors(code), "*"):
            if line := self.lines.get(prefix + name):
                return prefix + name, line
        return "", 0


class Integrations(msgspec.Struct, frozen=True):
    """A whole file: everything in it, by name, and what it had better say otherwise.

    `unresolved` has a line for each secret that is missing in this process.
    """

    sources: dict[str, Source]
    integrations: dict[str, Integration]
    warnings: tuple[str, ...]
    path: str
    unresolved: tuple[str, ...] = ()

    def identity(self, source: str) -> Identity:
        """The identity chain of a source; the default one for a source that is not in the file any more."""
        known = self.sources.get(source)
        return known.identity if known else default_identity()

    def of_source(self, name: str) -> tuple[Integration, ...]:
        """The integrations of a source, disabled ones included."""
        return tuple(one for one in self.integrations.values() if one.source == name)
