"""Drafts of the configuration: one a login, kept for thirty days, never overwritten by somebody who has not seen it."""

import hashlib
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import redis

from worker.errors import OperatorError
from worker.store.keys import DRAFTS
from worker.store.scripts import script

_LIFE_S: Final = 30 * 86_400
# Former texts, so that what was typed into an older form can still be merged.
_FORMER: Final = 5


class Draft(msgspec.Struct, frozen=True):
    """A text that is not in force yet: whose, made of which revision (0: of none), begun and saved when (Unix ms).

    `former` are its last texts by version, the newest first. `of` is who it was taken over from, empty: nobody.
    """

    login: str
    base: int
    text: str
    since_ms: int
    at_ms: int
    former: tuple[tuple[str, str], ...] = ()
    of: str = ""

    @property
    def version(self) -> str:
        """What a form of it carries."""
        return version_of(self.base, self.text)

    def text_at(self, version: str) -> str | None:
        """The text that a form of this version was made of; None: it is too old."""
        return self.text if version == self.version else dict(self.former).get(version)


class DraftMovedError(OperatorError):
    """The draft was changed meanwhile, in another tab perhaps; `now` is what it is (None: there is none any more)."""

    def __init__(self, now: Draft | None) -> None:
        super().__init__("your draft was changed meanwhile, in another tab perhaps; look at it again")
        self.now = now


_DECODER: Final = msgspec.json.Decoder(Draft)


def version_of(base: int, text: str) -> str:
    """The version of a text that was made of a revision."""
    return hashlib.sha256(f"{base}\0{text}".encode()).hexdigest()[:16]


class Drafts:
    """The drafts in Redis: one hash, a field a login."""

    def __init__(self, client: redis.Redis, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._save = client.register_script(script("draft_save"))
        self._clock = clock

    def get(self, login: str) -> Draft | None:
        """The draft of a login, if there is one."""
        return _read(self._redis.hget(DRAFTS, login))

    def all(self) -> list[Draft]:
        """Everybody's drafts, saved last first."""
        found = (_read(raw) for raw in self._redis.hvals(DRAFTS))
        return sorted((draft for draft in found if draft is not None), key=lambda draft: -draft.at_ms)

    def save(self, login: str, base: int, text: str, was: str, of: str | None = None) -> Draft:
        """Keep a text as the draft; `was` is the version that it was made of, empty where there was none.

        `of` is who the text is taken over from; None: as before.

        Raises:
            DraftMovedError: the draft is another one by now; nothing was changed.
        """
        now_ms, known = int(self._clock() * 1000), self.get(login)
        former = ((known.version, known.text), *known.former)[:_FORMER] if known else ()
        since_ms = known.since_ms if known else now_ms
        author = of if of is not None else known.of if known else ""
        draft = Draft(login, base, text, since_ms, now_ms, former, author)
        self._put(login, was, f"{draft.version} {now_ms} ".encode() + msgspec.json.encode(draft), now_ms)
        return draft

    def drop(self, login: str, was: str) -> None:
        """Drop the draft: it was published, or nobody wants it any more.

        Raises:
            DraftMovedError: the draft is another one by now; nothing was changed.
        """
        self._put(login, was, b"", int(self._clock() * 1000))

    def _put(self, login: str, was: str, record: bytes, now_ms: int) -> None:
        reply = self._save(keys=[DRAFTS], args=[login, was, record, now_ms - _LIFE_S * 1000, _LIFE_S])
        if reply != 1:
            raise DraftMovedError(_read(reply))


def _read(raw: bytes | None) -> Draft | None:
    """A stored draft; None where there is none, or none that this release can read."""
    if not raw:
        return None
    try:
        return _DECODER.decode(raw.split(b" ", 2)[2])
    except (msgspec.DecodeError, IndexError):
        return None
