"""The relay's parts for a command: only of a Redis that holds what this release and these settings speak of."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.app import Relay


def open_parts() -> "Relay":
    """The relay's parts, once Redis is known to hold what these settings speak of.

    Raises:
        OperatorError: it does not.
    """
    from worker.app import relay

    parts = relay()
    parts.check_store()
    return parts
