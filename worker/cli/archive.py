"""`--archive`: the option of the commands that read on into the archive."""

from typing import TYPE_CHECKING

import click

from worker.errors import OperatorError

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.store.archive import Archive

ARCHIVE = click.option(
    "--archive", "with_archive", is_flag=True, help="Read on into the archive (RELAY_ARCHIVE_URL); slower."
)


def wanted(parts: "Relay", *, with_archive: bool) -> "Archive | None":
    """The archive, if it is asked for.

    Raises:
        OperatorError: there is none.
    """
    if not with_archive:
        return None
    if parts.archive is None:
        raise OperatorError("--archive: set RELAY_ARCHIVE_URL to where the archive is")
    return parts.archive
