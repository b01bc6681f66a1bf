"""Integrations that somebody named: found in the configuration in force, or refused with those that there are."""

import difflib
from collections.abc import Collection

from config.integrations import Integration
from worker.app import Relay
from worker.errors import OperatorError


def named_integration(parts: Relay, name: str) -> Integration:
    """The integration of this name.

    Raises:
        OperatorError: there is none.
    """
    known = parts.integrations.integrations
    if name not in known:
        raise OperatorError(unknown_integration(name, known))
    return known[name]


def unknown_integration(name: str, known: Collection[str]) -> str:
    """What is said of a name that no integration has.

    >>> unknown_integration("prodution", ["production", "sandbox"])
    'no integration is called prodution; there are: production, sandbox; did you mean production?'
    >>> unknown_integration("x", []), unknown_integration("x", ["production"])
    ('no integration is called x; there are: none', 'no integration is called x; there are: production')
    """
    near = difflib.get_close_matches(name, known, 1)
    meant = f"; did you mean {near[0]}?" if near and len(known) > 1 else ""
    return f"no integration is called {name}; there are: {', '.join(known) or 'none'}{meant}"
