"""The tables of an integrations file, key by key: what each takes, and its default."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, model_validator

from config.values import (
    AttributeName,
    AttributeSwitch,
    Duration,
    EventName,
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

    id: list[AttributeName] = ["customerio_user_id", "user_id"]
    email: list[AttributeName] = ["customerio_user_email"]
    email_like_user_id: EmailLikeUserId = "id"
    placeholders: list[str] = list(PLACEHOLDERS)

    @model_validator(mode="after")
    def _someone_can_be_known(self) -> "SourceIdentityTable":
        if self.id or self.email:
            return self
        raise wrong('id and email are both empty; name a payload field, as id = ["user_id"]')


class SourceTable(Table):
    """`[sources.NAME]`: one Purchasely app, or one upstream service."""

    webhook_secret: Secrets = []
    tokens: Secrets = []
    signature_tolerance_s: NonNegativeInt = 0
    identity: SourceIdentityTable = SourceIdentityTable()

    @model_validator(mode="after")
    def _someone_can_enter(self) -> "SourceTable":
        if self.webhook_secret or self.tokens:
            return self
        raise wrong('nobody can send to it; write webhook_secret = "env:NAME" or tokens = [...]')


class IdentityTable(Table):
    """`[integrations.NAME.identity]`: the anonymous policy; what else is set replaces the source's."""

    anonymous: Anonymous = "skip"
    id: list[AttributeName] | None = None
    email: list[AttributeName] | None = None
    email_like_user_id: EmailLikeUserId | None = None


class EventAttributesTable(Table):
    """`[integrations.NAME.event_attributes]`: the payload fields an event carries."""

    include: list[str] | None = None
    exclude: list[str] = []
    rename: dict[str, AttributeName] = {}


class IntegrationTable(Table):
    """`[integrations.NAME]`: one Customer.io workspace that takes a source's events."""

    # read before site_id and api_key: a switched-off integration needs no credentials
    enabled: bool = True
    source: str
    region: Region
    site_id: Secret
    api_key: Secret
    base_url: Url | None = None
    environments: Annotated[list[Environment], Field(min_length=1)] = ["PRODUCTION"]
    dates: Dates = "unix"
    late: Late = "send"
    merge_transfers: bool = False
    start: Start = "now"
    identity: IdentityTable = IdentityTable()
    events: dict[EventName, EventSwitch] = {}
    user_properties: dict[AttributeName, AttributeSwitch] = {}
    event_attributes: EventAttributesTable = EventAttributesTable()

    @property
    def url(self) -> str:
        """Where the Track API answers: `base_url`, else the region's host."""
        return self.base_url or REGION_URLS[self.region]


class FileTable(Table):
    """The whole file."""

    sources: Annotated[dict[Name, SourceTable], Field(min_length=1)]
    integrations: dict[Name, IntegrationTable] = {}
    plans: dict[str, Duration] = {}
