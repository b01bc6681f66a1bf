"""The catalogue of Purchasely's event codes and user properties, for look-ups and suggestions."""

import difflib
import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

# A person's typing error is short; difflib's cost grows with the square of the length.
_COMPARED_LENGTH = 80


class EventCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One code that Purchasely sends; `description` is a sentence for a marketer."""

    category: str
    kind: Literal["entitlement", "transactional", "lifecycle", "offer"]
    description: str


class RetiredCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name of older documentation; `successor` is the code that is sent today."""

    successor: str
    note: str


class UserProperty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One user property; `derived`: worked out by the relay, not a payload field of that name."""

    type: Literal["string", "boolean", "date", "number"]
    derived: bool
    description: str


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in `purchasely.toml`, by name."""

    events: dict[str, EventCode]
    retired: dict[str, RetiredCode]
    user_properties: dict[str, UserProperty]

    def successor(self, code: str) -> str | None:
        """The code that replaced a retired one; None when `code` is not retired."""
        retired = self.retired.get(code)
        return retired.successor if retired else None

    def predecessors(self, code: str) -> tuple[str, ...]:
        """The retired names of a live code."""
        return tuple(name for name, old in self.retired.items() if old.successor == code)

    def user_property(self, name: str) -> UserProperty | None:
        """The property of that name, or the family it belongs to.

        >>> catalogue().user_property("cumulated_revenue_in_eur").type
        'number'
        """
        return self.user_properties.get(name) or self.user_properties.get(family_of(name))

    def nearest(self, name: str, kind: Literal["event", "property"]) -> str | None:
        """The name to write instead of an unknown one, or None; never a retired code.

        >>> catalogue().nearest("Subscription Startd", "event")
        'SUBSCRIPTION_STARTED'
        """
        if kind == "property":
            return nearest(name, self.user_properties)
        code = nearest(name, (*self.events, *self.retired))
        return self.successor(code) or code if code else None


def family_of(name: str) -> str:
    """The wildcard name that stands for a per-currency property; without a currency, `name` itself.

    >>> family_of("cumulated_revenue_in_eur")
    'cumulated_revenue_in_*'
    """
    return re.sub(r"_in_[a-z]{3}\Z", "_in_*", name)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, in any case and with any separators; None: none is near."""
    by_shape = {_shape(candidate): candidate for candidate in known}
    found = difflib.get_close_matches(_shape(name), by_shape, n=1)
    return by_shape[found[0]] if found else None


def _shape(name: str) -> str:
    return re.sub(r"[\s.-]+", "_", name[:_COMPARED_LENGTH].strip().lower())


@cache
def catalogue() -> Catalogue:
    """The catalogue that ships with the relay; read once."""
    text = resources.files("config").joinpath("purchasely.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Catalogue)
