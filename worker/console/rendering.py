"""Templates: Jinja2 with everything escaped and nothing undefined, and the filters that put figures into words."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup, escape

from worker.process.plain import plain
from worker.process.wording import count, per_s, several, span

# Longer names of events are cut on a page; the whole one is their title.
_NAME_CHARS = 60


class Templates:
    """The templates of the package."""

    def __init__(self, **always: Any) -> None:
        self._env = jinja2.Environment(
            loader=jinja2.PackageLoader("worker.console"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._env.filters |= {
            "count": count,
            "span": span,
            "moment": moment,
            "day": day,
            "plain": plain,
            "code": code,
            "prose": prose,
            "minute": minute,
            "per_second": per_s,
        }
        self._env.globals |= {"several": several, "asset": asset_path, **always}

    def render(self, template: str, facts: Mapping[str, Any]) -> bytes:
        """A page as UTF-8."""
        return self._env.get_template(template).render(facts).encode("utf-8", "replace")


def moment(at_ms: int | None) -> Markup:
    """A time for people: UTC here, and in the reader's own zone once the page's script has run.

    >>> moment(0)
    Markup('<time datetime="1970-01-01T00:00:00Z" title="1970-01-01 00:00:00 UTC">1 Jan 1970, 00:00 UTC</time>')
    """
    return _time(at_ms, "%-d %b %Y, %H:%M UTC", "")


def day(at_ms: int | None) -> Markup:
    """The same as a day alone."""
    return _time(at_ms, "%-d %b %Y", "day")


def minute(at_ms: int) -> str:
    """A time as the value of a field of a form, in UTC; the page's script shows it in the reader's own zone.

    >>> minute(1_764_115_200_000)
    '2025-11-26T00:00'
    """
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M")
    except (ValueError, OverflowError, OSError):
        return ""


def _time(at_ms: int | None, shape: str, kind: str) -> Markup:
    if at_ms is None:
        return Markup('<span class="soft">no time</span>')
    try:
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return Markup('<span class="soft">{}</span>').format(f"{at_ms} ms, no date")
    shown = Markup(' data-shows="{}"').format(kind) if kind else Markup("")
    return Markup('<time datetime="{:%Y-%m-%dT%H:%M:%SZ}" title="{:%Y-%m-%d %H:%M:%S} UTC"{}>{}</time>').format(
        at, at, shown, at.strftime(shape)
    )


def code(name: str) -> Markup:
    """The name of an event, which a narrow column may break after each underscore.

    >>> code("TRIAL_STARTED")
    Markup('TRIAL_<wbr>STARTED')
    """
    shown = plain(name)
    short = shown if len(shown) <= _NAME_CHARS else f"{shown[: _NAME_CHARS - 1]}…"
    broken = Markup("_<wbr>").join(short.split("_"))
    return broken if short is shown else Markup('<span title="{}">{}</span>').format(shown, broken)


def prose(text: str) -> Markup:
    """A sentence that commands print too: what it has in backticks is shown as code.

    >>> prose("`relay dead` lists them")
    Markup('<code>relay dead</code> lists them')
    """
    parts = plain(text).split("`")
    if len(parts) % 2 == 0:  # one that has no other is a sign like any
        return escape("`".join(parts))
    shown = [Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts)]
    return Markup("").join(shown)


@cache
def asset_path(name: str) -> str:
    """The address of a static file; it changes with the file's content, so that a browser may keep it for ever."""
    digest = hashlib.sha256(files("worker.console").joinpath("static", name).read_bytes()).hexdigest()
    return f"/static/{digest[:12]}/{name}"
