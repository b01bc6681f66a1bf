"""Values of an integrations file: what a single one may be, and the message when it is not."""

import re
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from config.secrets import REFERENCE
from config.trimmed import trimmed

# Limits of the Track API (reference: Customer.io, section 3).
EVENT_NAME_LIMIT_BYTES = 100
# What a sender calls an event is as long as they like; a shorter name is what it needs.
EVENT_CODE_LIMIT_BYTES = 1000
ATTRIBUTE_NAME_LIMIT_BYTES = 150


def wrong(text: str) -> PydanticCustomError:
    """A value that breaks a rule; `text` says which, and what to write, and reaches the reader."""
    return PydanticCustomError("rule", "{text}", {"text": text})


def _name(name: str) -> str:
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", name):
        return name
    raise wrong("not a usable name; write 1 to 63 of a-z, 0-9, - and _, a letter or digit first")


def _secret(value: object) -> str:
    # whatever is written instead of a reference is never repeated: it may be the secret, also behind
    # "env:", which is why NAME must be in capitals
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return value
    raise wrong(
        'holds no "env:NAME"; write the name, in capitals, of a variable with it, or "file:/path", "sealed:..."'
    )


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _label(limit_bytes: int) -> Callable[[str], str]:
    """A check of a name that Customer.io will know something by."""

    def check(text: str) -> str:
        if not trimmed(text):
            raise wrong("the name is blank; write one, or true to keep the original")
        if text != trimmed(text):
            raise wrong("the name begins or ends with a space, or a character that is not seen; write it without")
        if len(text.encode()) > limit_bytes:
            raise wrong(f"the name is longer than {limit_bytes} bytes; shorten it")
        return text

    return check


def _switch(limit_bytes: int) -> Callable[[object], bool | str]:
    label = _label(limit_bytes)

    def check(value: object) -> bool | str:
        if isinstance(value, bool):
            return value
        if isinstance(value, str):
            return label(value)
        raise wrong("neither a switch nor a name; write true, false, or another name in quotes")

    return check


def _url(url: str) -> str:
    # never repeated in the message: it could carry credentials
    if re.fullmatch(r"https?://([\w.-]+|\[[\da-fA-F:.]+\])(:\d{1,5})?", url, re.ASCII):
        with suppress(ValueError):
            if urlsplit(url).port != 0:
                return url
    raise wrong("must be a scheme, host and port alone; write it as https://track-eu.customer.io")


def is_loopback(url: str) -> bool:
    """Whether the host of a URL is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _duration(text: str) -> str:
    if re.fullmatch(r"P[1-9][0-9]{0,3}[DWMY]", text):
        return text
    raise wrong('not a period; write one of ISO 8601, as "P1W", "P1M", "P3M" or "P1Y"')


Name = Annotated[str, AfterValidator(_name)]
Secret = Annotated[str, BeforeValidator(_secret)]
Secrets = Annotated[list[Secret], BeforeValidator(_as_list)]
EventCode = Annotated[str, AfterValidator(_label(EVENT_CODE_LIMIT_BYTES))]
EventSwitch = Annotated[bool | str, BeforeValidator(_switch(EVENT_NAME_LIMIT_BYTES))]
AttributeName = Annotated[str, AfterValidator(_label(ATTRIBUTE_NAME_LIMIT_BYTES))]
AttributeSwitch = Annotated[bool | str, BeforeValidator(_switch(ATTRIBUTE_NAME_LIMIT_BYTES))]
Url = Annotated[str, AfterValidator(_url)]
Duration = Annotated[str, AfterValidator(_duration)]
