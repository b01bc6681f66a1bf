"""The tables of an integrations file, key by key: what each takes, and its default."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, model_validator

from config.values import (
    AttributeName,
    AttributeSwitch,
    Duration,
    EventCode,
    EventSwitch,
    Name,
    Secret,
    Secrets,
    Url,
    wrong,
)

Region = Literal["us", "eu"]
Environment = Literal["PRODUCTION", "SANDBOX"]
Anonymous = Literal["skip", "event", "profile"]
EmailLikeUserId = Literal["id", "email"]
Dates = Literal["unix", "iso"]
Late = Literal["send", "mark", "skip"]
Start = Literal["now", "archive"]

# The Track API's hosts (reference: Customer.io 1.1).
REGION_URLS: dict[Region, str] = {
    "us": "https://track.customer.io",
    "eu": "https://track-eu.customer.io",
}


class Table(BaseModel):
    """A table of the file: unknown keys are errors, and no value is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


# What programs write where there is no id: everybody who has one of these would be one person.
PLACEHOLDERS = (
    "undefined",
    "null",
    "(null)",
    "<null>",
    "nil",
    "none",
    "NaN",
    "[object Object]",
    "00000000-0000-0000-0000-000000000000",
)


class SourceIdentityTable(Table):
    """`[sources.NAME.identity]`: which payload fields name the person; it decides the shard, and is inherited."""

    id: list[AttributeName] = Field(
        ["customerio_user_id", "user_id"],
        description="Payload fields tried in this order; the first that is present is the person's id.",
    )
    email: list[AttributeName] = Field(
        ["customerio_user_email"], description="The same for the person's e-mail address, when no id is present."
    )
    email_like_user_id: EmailLikeUserId = Field("id", description="What a `user_id` with an @ in it is.")
    placeholders: list[str] = Field(list(PLACEHOLDERS), description="Ids that mean nobody, in any usual case.")

    @model_validator(mode="after")
    def _someone_can_be_known(self) -> "SourceIdentityTable":
        if self.id or self.email:
            return self
        raise wrong('id and email are both empty; name a payload field, as id = ["user_id"]')


class SourceTable(Table):
    """`[sources.NAME]`: one Purchasely app, or one upstream service."""

    webhook_secret: Secrets = Field(
        [], description="The client shared secret in Purchasely's console; several while it changes, any is good."
    )
    tokens: Secrets = Field([], description="Bearer tokens of services that send to `/v1/events/NAME`; any is good.")
    signature_tolerance_s: NonNegativeInt | None = Field(
        None,
        description="How old a signed request may be, seconds. 0: any age. Left out: `RELAY_DEDUP_WINDOW_S`, at least "
        "21 days, since a retry may carry its first time.",
    )
    identity: SourceIdentityTable = SourceIdentityTable()

    @model_validator(mode="after")
    def _someone_can_enter(self) -> "SourceTable":
        if self.webhook_secret or self.tokens:
            return self
        raise wrong('nobody can send to it; write webhook_secret = "env:NAME" or tokens = [...]')


class IdentityTable(Table):
    """`[integrations.NAME.identity]`: the anonymous policy; what else is set replaces the source's."""

    anonymous: Anonymous = Field(
        "skip",
        description="Customers who are not logged in: leave out, send as anonymous events, or give each a profile.",
    )
    id: list[AttributeName] | None = Field(None, description="Replaces the source's `id`.")
    email: list[AttributeName] | None = Field(None, description="Replaces the source's `email`.")
    email_like_user_id: EmailLikeUserId | None = Field(None, description="Replaces the source's `email_like_user_id`.")


class EventAttributesTable(Table):
    """`[integrations.NAME.event_attributes]`: the payload fields an event carries."""

    include: list[str] | None = Field(None, description="Only these payload fields; left out: all that are there.")
    exclude: list[str] = Field([], description="All but these.")
    rename: dict[str, AttributeName] = Field({}, description="A field under another name.")


class IntegrationTable(Table):
    """`[integrations.NAME]`: one Customer.io workspace that takes a source's events."""

    # read before site_id and api_key: a switched-off integration needs no credentials
    enabled: bool = Field(True, description="false: its events are filtered (`disabled`), not kept back.")
    # as above: what sends nothing needs no credentials
    send: bool = Field(
        True, description="false: shadow mode, everything but the request (`shadow`): docs/switching-over.md."
    )
    source: str = Field(description="One of `[sources]`.")
    region: Region = Field(description="Where the workspace is.")
    site_id: Secret = Field(description="Site ID of the workspace's Tracking API key.")
    api_key: Secret = Field(description="Its Tracking API key.")
    base_url: Url | None = Field(None, description="Instead of the region's host: a proxy, or the simulator.")
    environments: Annotated[list[Environment], Field(min_length=1)] = Field(
        ["PRODUCTION"], description="Which purchases it takes."
    )
    dates: Dates = Field("unix", description="How dates are written; Customer.io's date segments need `unix`.")
    late: Late = Field(
        "send",
        description="Events older than 72 hours, which start no campaign: send, add `late = true`, or skip.",
    )
    merge_transfers: bool = Field(
        False, description='Merge the profiles when a purchase moves to a known person; needs `anonymous = "profile"`.'
    )
    start: Start = Field("now", description="Where a new integration begins; `archive`: at the oldest stored event.")
    identity: IdentityTable = IdentityTable()
    events: dict[EventCode, EventSwitch] = Field(
        {}, description='Event code = true, false or another name; `"*"` for all others. Left out: none is sent.'
    )
    user_properties: dict[AttributeName, AttributeSwitch] = Field(
        {}, description="Property = true, false or another attribute name. Left out: none is set."
    )
    event_attributes: EventAttributesTable = EventAttributesTable()

    @property
    def url(self) -> str:
        """Where the Track API answers: `base_url`, else the region's host."""
        return self.base_url or REGION_URLS[self.region]


class FileTable(Table):
    """The whole file."""

    sources: Annotated[dict[Name, SourceTable], Field(min_length=1)]
    integrations: dict[Name, IntegrationTable] = {}
    plans: dict[str, Duration] = Field(
        {}, description="Plan id = ISO 8601 period, as `P1M`: no event tells how long a plan's period is."
    )
