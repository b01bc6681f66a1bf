"""Every environment variable, read once, with its unit in its name."""

from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from config.quiet import read_quiet
from config.roles import read_roles

WAYS = ("link", "proxy", "oidc")


class Settings(BaseSettings):
    """The process's settings: each is the environment variable `RELAY_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="RELAY_", frozen=True)

    redis_url: str = Field("", description="Redis that holds the events; empty: the server of `relay up` in data_dir.")
    broker_url: str = Field(
        "",
        description="Redis, RabbitMQ or SQS for Celery's wake-ups; empty: the next database of the same Redis.",
    )
    redis_ca: Path | None = Field(
        None,
        description="PEM file of the authority that signed the certificates of Redis and broker; unset: the system's.",
    )
    integrations: Path | None = Field(
        None,
        description="Path of the integrations file, which owns the configuration then; unset: `relay config` does.",
    )
    secret_keys: SecretStr = Field(
        SecretStr(""), description="Keys of sealed secrets, separated by commas; the first one seals, all of them open."
    )
    data_dir: Path = Field(
        Path("data"), description="Folder of the embedded server of `relay up`, and of the last good configuration."
    )
    shards: int = Field(16, ge=1, le=4096, description="Number of streams of an empty Redis; later `relay reshard`.")

    host: str = Field(
        "127.0.0.1", description="Address the web door listens on; the Procfile's line has 0.0.0.0 in its place."
    )
    port: int = Field(8080, ge=0, le=65535, description="Port the web door listens on.")
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Port of /metrics alone, on the same address; 0: it is on the web door's port."
    )
    metrics_token: SecretStr = Field(
        SecretStr(""), description="Bearer token that /metrics asks for; empty: it asks for none."
    )
    max_body_bytes: int = Field(5_000_000, ge=1024, description="Largest request body.")
    max_event_bytes: int = Field(256_000, ge=1024, description="Largest single event within a request.")
    max_memory_percent: float = Field(
        90,
        gt=0,
        le=100,
        description="Share of Redis's maxmemory above which ingest answers 503, so that draining keeps room.",
    )
    append_timeout_s: float = Field(5, gt=0, description="Longest wait for Redis before ingest answers 503.")

    remember_s: float = Field(
        60,
        ge=0,
        description="How long a web process remembers what it answered 200 for, in case Redis loses it; 0: not.",
    )
    remember_bytes: int = Field(
        64_000_000, ge=0, description="Most memory for that in each web process; the oldest is forgotten first."
    )

    replicas_ack: int = Field(
        0, ge=0, le=100, description="How many replicas of Redis must confirm an event before its 200; 0: none."
    )
    replicas_ack_disk: bool = Field(
        False,
        description="They confirm what is on their disks (WAITAOF), rather than what is in their memory (WAIT); with "
        "appendfsync everysec a 200 can take a second.",
    )

    retention_s: int = Field(259_200, ge=0, description="How long settled events stay in the stream, seconds.")
    archive_url: str = Field(
        "",
        description="Folder or bucket that keeps what is trimmed (file, s3, gs, az); needs the extra archive.",
    )
    dedup_window_s: int = Field(1_814_400, ge=60, description="How long an event id is remembered, seconds.")
    person_ttl_s: int = Field(34_560_000, ge=3600, description="How long an idle person's state is kept, seconds.")

    clock_tolerance_s: float = Field(
        300,
        ge=0,
        description="How far ahead a sender's clock may be, seconds: a later event time counts as the time of receipt.",
    )

    batch_events: int = Field(500, ge=1, le=5000, description="Most events of one batch.")
    lease_s: float = Field(6, ge=1, le=60, description="Life of a shard's lease without a sign of its holder.")
    budget_s: float = Field(0.5, gt=0, le=60, description="How long one task serves a shard before it yields.")
    sweep_interval_s: float = Field(2, ge=0.2, le=60, description="How often forgotten backlogs are looked for.")
    watchdog_s: float = Field(5, gt=0, description="How often a worker looks whether it still receives messages.")
    trim_interval_s: float = Field(60, ge=1, description="How often settled events are trimmed.")

    request_timeout_s: float = Field(10, gt=0, le=120, description="Longest wait for one answer of Customer.io.")
    request_attempts: int = Field(4, ge=1, le=20, description="Most attempts of one request before the hold.")
    retry_max_s: float = Field(8, gt=0, le=60, description="Longest wait between two attempts, Retry-After included.")
    pool: Literal["threads", "prefork"] = Field(
        "threads",
        description="How a worker serves several lanes at once: in threads of one process, or in a process for each.",
    )
    concurrency: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Lanes that a worker serves at once; unset: 32 in threads, one a core in processes.",
    )
    requests_per_s: int = Field(1000, ge=1, description="Requests per second to Customer.io, per integration.")
    hold_first_s: float = Field(5, gt=0, description="Longest first wait of a held integration before its probe.")
    hold_longest_s: float = Field(300, gt=0, description="Longest wait between probes of a held integration.")
    probe_events: int = Field(3, ge=1, le=100, description="Events of one probe.")

    alert_urls: SecretStr = Field(
        SecretStr(""),
        description="Where alerts go, addresses of apprise separated by spaces; empty: none. Needs the extra alerts.",
    )
    alert_quiet: str = Field(
        "", description="Hours for urgent alerts alone, as in 22:00-07:00 Europe/Berlin; empty: none."
    )
    alert_silent_h: int = Field(
        6, ge=3, le=21, description="After so many hours without an event, where there usually is one, it is said."
    )
    alert_name: str = Field("relay", description="What an alert calls this relay, where there are several.")

    by: str = Field("", description="Who acts, for the record of `relay actions`; empty: the OS user.")
    dead_limit: int = Field(1_000_000, ge=1, description="Dead letters of one integration before it is held.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR: the least of the log."
    )
    traces: bool = Field(
        False, description="Whether requests to Customer.io become OpenTelemetry spans; needs the extra otel."
    )
    log_format: Literal["text", "json"] = Field("text", description="text or json: the form of a line of the log.")

    console_host: str = Field("127.0.0.1", description="Address the console listens on.")
    console_port: int = Field(8081, ge=0, le=65535, description="Port the console listens on.")
    console_url: str = Field(
        "",
        description="Address that people open the console at, https; empty: by local names alone, like 127.0.0.1.",
    )
    console_login: str = Field(
        "", description="Ways to log in to the console: link, proxy, oidc; several are separated by commas."
    )
    console_roles: str = Field(
        "",
        description="Who is what in the console: GROUP=ROLE or LOGIN=ROLE, separated by commas; `*` is everybody.",
    )
    console_editors_publish: bool = Field(False, description="Whether an editor of the console may publish.")
    console_proxy_secret: SecretStr = Field(
        SecretStr(""), description="Secret by which the console knows its proxy; 16 characters or more."
    )
    console_proxy_secret_header: str = Field("X-Relay-Proxy-Secret", description="Header that carries it.")
    console_proxy_login_header: str = Field("X-Forwarded-Email", description="Header of the proxy with the login.")
    console_proxy_groups_header: str = Field(
        "X-Forwarded-Groups", description="Header of the proxy with the groups, separated by commas."
    )
    console_oidc_issuer: str = Field("", description="OpenID provider: its issuer address; needs the extra oidc.")
    console_oidc_client_id: str = Field("", description="Client id of the console at the OpenID provider.")
    console_oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="Client secret there; empty: a public client, with PKCE alone."
    )
    console_oidc_scopes: str = Field("openid email profile", description="Scopes that are asked for.")
    console_oidc_login_claim: str = Field("email", description="Claim that is the login.")
    console_oidc_groups_claim: str = Field("groups", description="Claim that lists the groups.")

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("alert_quiet")
    @classmethod
    def _hours_are_readable(cls, text: str) -> str:
        read_quiet(text)
        return text

    @field_validator("console_login")
    @classmethod
    def _ways_are_known(cls, text: str) -> str:
        if unknown := {way.strip() for way in text.split(",") if way.strip()} - set(WAYS):
            raise ValueError(f'"{min(unknown)}" is no way to log in; there are: {", ".join(WAYS)}')
        return text

    @field_validator("console_roles")
    @classmethod
    def _roles_are_readable(cls, text: str) -> str:
        read_roles(text)
        return text

    @field_validator("console_url")
    @classmethod
    def _url_is_an_origin(cls, text: str) -> str:
        parts = urlsplit(text)
        bare = parts.path in {"", "/"} and not parts.query and not parts.fragment and not parts.username
        if text and not (parts.scheme in {"http", "https"} and parts.hostname and bare):
            raise ValueError("write the address without a path, as in https://console.example.com")
        return text.rstrip("/")

    @model_validator(mode="after")
    def _hold_bounds_are_ordered(self) -> "Settings":
        if self.hold_longest_s < self.hold_first_s:
            raise ValueError("RELAY_HOLD_LONGEST_S must not be below RELAY_HOLD_FIRST_S")
        return self


@cache
def settings() -> Settings:
    """The settings of this process.

    Raises:
        pydantic.ValidationError: a variable has an impossible value.
    """
    return Settings()
