"""Masks of personal data: the same value has the same mask, different ones differ, none leads back."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any

import redis

from config.catalogue import catalogue, family_of
from worker.purchasely.documented import FIELDS
from worker.store.tokens import console_key

_TAG_CHARS = 6  # 30 bits: of 60,000 people two share a mask, by chance
_SHOWN_FROM = 6
_FILLS = "••••", "****"

# Fields of a payload whose values name no person: what was bought, where, when, for how much.
PLAIN_FIELDS = frozenset(
    name
    for name in FIELDS
    if not re.search(r"user|device_id|transaction|token|subscription_id|one_time_purchase_id|email|event_id", name)
) | {"relay_test"}
_EMAIL = re.compile(r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)*")
_IDENTIFIER = re.compile(
    _EMAIL.pattern + r"|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|\b[0-9A-HJKMNP-TV-Z]{26}\b"  # a ULID
    r"|\b[0-9a-fA-F]{16,}\b|\b\d{7,}\b",
    re.IGNORECASE,
)


class Mask:
    """Masks under one key. The key is a secret: with it, who guesses a value could see whether it is right."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of(cls, client: redis.Redis) -> "Mask":
        """Masks under the key of this relay: all processes mask alike."""
        return cls(hmac.digest(console_key(client), b"mask", hashlib.sha256))

    def value(self, text: str) -> str:
        """A mask for one value: its first letter where it is long enough not to be given away by it, and a tag.

        >>> Mask(b"key").value("customer-0101")
        'c••••·q6nvcj'
        """
        if not text:
            return ""
        first = text[0] if len(text) >= _SHOWN_FROM and text[0].isalnum() and text[0].isascii() else ""
        lower = text.casefold()
        same = lower if "@" in text else text  # as e-mail addresses are compared everywhere
        for turn in range(64):  # until nothing of the value is in it by chance, which short ones can be
            mask = f"{first}{_FILLS[turn % len(_FILLS)]}·{self._tag(same, turn)}"
            if lower not in mask.casefold():
                return mask
            first = ""
        return "hidden" if lower not in "hidden" else "masked"

    def payload(self, value: Any, field: str = "") -> Any:
        """A decoded JSON value with all that may name a person masked: every field that is not known to be plain.

        Names of fields that Purchasely does not document are masked too: they may be a person's as well.
        """
        if isinstance(value, Mapping):
            return {self._field(str(name)): self.payload(one, str(name)) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.payload(one, field) for one in value]
        if value is None or isinstance(value, bool):
            return value
        if not _is_plain(field):
            return self.value(str(value))
        return _EMAIL.sub(self._found, value) if isinstance(value, str) else value

    def text(self, text: str, known: Iterable[str] = ()) -> str:
        """A free text (a message of Customer.io's, an error) with the values of `known` masked, and what looks like an
        identifier.
        """
        values = sorted({one for one in known if one}, key=len, reverse=True)
        either = [re.escape(one) if len(one) >= _SHOWN_FROM else rf"(?<!\w){re.escape(one)}(?!\w)" for one in values]
        found = [one.span() for one in _IDENTIFIER.finditer(text)]
        if either:
            found += [one.span() for one in re.finditer("|".join(either), text, re.IGNORECASE)]
        shown: list[str] = []
        end = 0
        for start, stop in _joined(found):
            shown += text[end:start], self.value(text[start:stop])
            end = stop
        return "".join([*shown, text[end:]])

    def _found(self, found: re.Match[str]) -> str:
        return self.value(found[0])

    def _field(self, name: str) -> str:
        return name if name in FIELDS or catalogue().user_property(name) else self.value(name)

    def _tag(self, text: str, turn: int) -> str:
        digest = hmac.digest(self._key, f"{turn}:{text}".encode("utf-8", "surrogatepass"), hashlib.sha256)
        return base64.b32encode(digest).decode().lower()[:_TAG_CHARS]


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same places in order, those that overlap as one: what looks like an identifier may end within a known one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((start, stop))
    return joined


def _is_plain(field: str) -> bool:
    if field in PLAIN_FIELDS:
        return True
    known = catalogue().user_property(field)
    return known is not None and (known.derived or family_of(field) != field) and field not in FIELDS
