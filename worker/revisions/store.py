"""Revisions of the integrations file in Redis: numbered, immutable, one of them in force.

All of them are in one hash (`relay:config:revisions`): number -> revision, `digest:<d>` -> its number, `head` -> the
number in force. Publishing is one script that compares the head first, so it happens at once or not at all.
"""

import hashlib
from typing import Any, Literal

import msgspec
import redis

from worker.errors import OperatorError
from worker.store.keys import REVISIONS
from worker.store.scripts import script

# A revision is as large as the file; all digests are kept, so that an old file is always recognised.
KEPT = 1000

Origin = Literal["file", "command", "console", "rollback", "restored"]


class Revision(msgspec.Struct, frozen=True):
    """One revision: the file's text, who made it, when (Unix ms), why, out of what.

    `removed` names the integrations whose waiting events and dead letters were given up with it, by name.
    """

    text: str
    digest: str
    by: str
    at_ms: int
    note: str = ""
    origin: Origin = "command"
    removed: tuple[str, ...] = ()
    number: int = 0


class UnreadableError(OperatorError):
    """What Redis holds as the configuration is not what this release writes."""


class MovedError(OperatorError):
    """Another revision came into force meanwhile; `head` is its number as Redis has it."""

    def __init__(self, head: str) -> None:
        super().__init__(f"revision {head or 'none'} came into force meanwhile; look at the plan again")
        self.head = head


class SeenError(OperatorError):
    """A file that was published before is not published again; `number` is the revision it was."""

    def __init__(self, number: int) -> None:
        super().__init__(f"the same file was revision {number} before")
        self.number = number


_DECODER = msgspec.json.Decoder(Revision)


def digest_of(text: str) -> str:
    """A digest that tells one text from another."""
    return hashlib.sha256(text.encode()).hexdigest()


class Revisions:
    """The revisions in Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._publish = client.register_script(script("config_publish"))

    def head(self) -> int:
        """The number of the revision in force; 0: there is none yet.

        Raises:
            UnreadableError: something else is there.
        """
        return _number(self._raw_head())

    def in_force(self, known: Revision) -> tuple[int, bool]:
        """The number in force, and whether a known revision is what has it.

        A number may be given twice: a fail-over loses the revision that had it, and the next one gets it.

        Raises:
            UnreadableError: something else is there.
        """
        head, of_text = self._ask("HMGET", "head", f"digest:{known.digest}")
        number = _number(head)
        return number, number == known.number and (not number or of_text == head)

    def get(self, number: int) -> Revision:
        """A revision.

        Raises:
            UnreadableError: it is not there, or is not what this release writes.
        """
        raw = self._ask("HGET", number)
        if raw is None:
            raise UnreadableError(f"revision {number} is not kept; `relay config log` lists those that are")
        return _read(raw, number)

    def number_of(self, text: str) -> int:
        """The revision that had this text, kept or not; 0: it never ran, so a file that has it would be published."""
        return int(self._ask("HGET", f"digest:{digest_of(text)}") or 0)

    def all(self) -> list[Revision]:
        """All revisions kept, newest first; what cannot be read is left out."""
        found = []
        for field, raw in self._pairs():
            if field.isdigit():
                try:
                    found.append(_read(raw, int(field)))
                except UnreadableError:
                    continue
        return sorted(found, key=lambda one: -one.number)

    def publish(self, revision: Revision, expected: int, *, once: bool = False, least: int = 1) -> int:
        """Put a revision in force, if `expected` still is (0: none); its number, `least` at least.

        Raises:
            MovedError: another one is in force.
            SeenError: with `once`, the same text was published before.
        """
        head = str(expected) if expected else ""
        record = msgspec.json.encode(msgspec.structs.replace(revision, number=0))
        args: list[Any] = [head, revision.digest, record, "once" if once else "anyway", least, KEPT]
        try:
            word, number = self._publish(keys=[REVISIONS], args=args)
        except redis.exceptions.ResponseError as fault:
            raise UnreadableError(_foreign()) if "WRONGTYPE" in str(fault) else fault from None
        if word == b"moved":
            if self._is_ours(number, record):
                return int(number)  # its answer was lost, and the client asked again
            raise MovedError(number.decode("utf-8", "replace")[:20])
        if word == b"seen":
            raise SeenError(_number(number))
        return int(number)

    def _is_ours(self, head: bytes, record: bytes) -> bool:
        return head.isdigit() and self._ask("HGET", head) == record

    def _raw_head(self) -> bytes | None:
        raw: bytes | None = self._ask("HGET", "head")
        return raw

    def _pairs(self) -> list[tuple[str, bytes]]:
        reply = self._ask("HGETALL")
        pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
        return [(field.decode("utf-8", "replace"), raw) for field, raw in pairs]

    def _ask(self, command: str, *args: Any) -> Any:
        try:
            return self._redis.execute_command(command, REVISIONS, *args)
        except redis.exceptions.ResponseError as fault:
            if "WRONGTYPE" in str(fault):
                raise UnreadableError(_foreign()) from None
            raise


def _number(raw: bytes | None) -> int:
    if raw is None:
        return 0
    if raw.isdigit() and 0 < len(raw) < 10:
        return int(raw)
    raise UnreadableError(_foreign())


def _foreign() -> str:
    remedy = "remove that key, then restart a process or apply a file"
    return f"{REVISIONS} in Redis holds something other than revisions; {remedy}"


def _read(raw: bytes, number: int) -> Revision:
    try:
        revision = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UnreadableError(f"revision {number} in Redis is not one that this release can read") from None
    return msgspec.structs.replace(revision, number=number)
