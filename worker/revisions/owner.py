"""The integrations file that owns the configuration: read, checked, and published where it is new."""

import time
from pathlib import Path

from config import document
from config.integrations import ConfigError, Integrations, parse
from config.secrets import Secrets
from worker.errors import OperatorError
from worker.process.eventlog import EventLog
from worker.revisions.store import MovedError, Revision, Revisions, SeenError, digest_of

log = EventLog(__name__)


def read_file(path: Path) -> str:
    """The text of an integrations file.

    Raises:
        OperatorError: it cannot be read.
    """
    try:
        return document.read(path)
    except ConfigError as error:
        raise OperatorError(*error.problems) from None


def check(text: str, path: str, secrets: Secrets) -> Integrations:
    """The configuration of a text; a secret that is missing here is no error of the text.

    Raises:
        OperatorError: it has errors, a line each.
    """
    try:
        return parse(text, path, secrets, lenient=True)
    except ConfigError as error:
        raise OperatorError(*error.problems) from None


def publish_file(revisions: Revisions, file: Path, text: str, by: str) -> None:
    """Publish the text of the file, unless it was in force before.

    Raises:
        UnreadableError: what is in force was written by a newer release.
        redis.RedisError: no answer.
    """
    digest = digest_of(text)
    new = Revision(text, digest, by, time.time_ns() // 1_000_000, note=str(file), origin="file")
    while True:
        head = revisions.head()
        try:
            number = revisions.publish(new, head, once=True)
        except MovedError:
            continue  # another process published first, perhaps the same file
        except SeenError as seen:
            _compare(revisions, file, digest, seen.number, head)
            return
        log.info("config_published", revision=number, file=str(file))
        return


def _compare(revisions: Revisions, file: Path, digest: str, number: int, head: int) -> None:
    if head and number != head and revisions.get(head).digest != digest:
        log.warning(
            "config_file_older",
            file=str(file),
            was_revision=number,
            running=head,
            message="this file was in force before and is not published again; deploy the present one, or to put "
            f"this one in force change a comment in it, or `relay config rollback {number}`",
        )
