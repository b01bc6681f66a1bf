"""What a page is given, and what it answers: plain values, so that a page is a function that a test can call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.console.access.roles import Viewer


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: who asks, and what for. `form` and `query` hold every value of a name, in order."""

    viewer: Viewer
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, list[str]] = field(default_factory=dict)
    form: Mapping[str, list[str]] = field(default_factory=dict)

    def asked(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        return (self.query.get(name) or [default])[-1]

    def entered(self, name: str, default: str = "") -> str:
        """The last value of a form's field, without spaces around it."""
        return (self.form.get(name) or [default])[-1].strip()


@dataclass(frozen=True, slots=True)
class Screen:
    """A page: the template and what it shows."""

    template: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Redirect:
    """Another page instead, by GET; `notice` is said there once."""

    to: str
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Download:
    """A file to keep."""

    name: str
    body: bytes
    media_type: str = "application/x-ndjson"


Reply = Screen | Redirect | Download


class NoSuchPageError(Exception):
    """Nothing of that name is here; the message says what was looked for."""


class NotAllowedError(Exception):
    """The viewer's role may not do that; the message says who may."""
