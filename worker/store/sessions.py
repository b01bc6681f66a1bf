"""Sessions of the console: who is logged in, until when; found by the digest of a cookie's token."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import redis

from config.roles import Role
from worker.store.keys import SESSIONS, session_key
from worker.store.tokens import digest_of, new_token

IDLE_MS = 30 * 60_000
LONGEST_MS = 8 * 3_600_000
_PRUNED_FROM = 100
_BEGINNING_MS = 60_000  # its id may be in the list before it is there itself


class Session(msgspec.Struct, frozen=True):
    """One log-in: `via` is how (link, proxy or oidc)."""

    login: str
    role: Role
    via: str
    made_ms: int
    ends_ms: int


class Open(msgspec.Struct, frozen=True):
    """A session that is open, as a list shows it."""

    session_id: str
    session: Session
    seen_ms: int


_DECODER = msgspec.json.Decoder(Session)


class Sessions:
    """The sessions in Redis. Each is a key of its own that expires when idle; what is not there is not logged in."""

    def __init__(self, client: redis.Redis, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = client
        self._clock = clock

    def begin(self, login: str, role: Role, via: str) -> tuple[str, str]:
        """A new session: its token, for the cookie alone, and its id."""
        now_ms = self._now_ms()
        token = new_token()
        session_id = digest_of(token)
        session = Session(login, role, via, now_ms, now_ms + LONGEST_MS)
        self._redis.zadd(SESSIONS, {session_id: now_ms})  # first: what is open is in the list
        self._redis.set(session_key(session_id), msgspec.json.encode(session), px=IDLE_MS)
        if self._redis.zcard(SESSIONS) > _PRUNED_FROM:
            self.list()
        return token, session_id

    def find(self, session_id: str, *, seen: bool = True) -> Session | None:
        """The session, if it is open; `seen` says that its person is there, so that it stays open."""
        key = session_key(session_id)
        raw = self._redis.getex(key, px=IDLE_MS) if seen else self._redis.get(key)
        session = _read(raw)
        return session if session and session.ends_ms > self._now_ms() else None

    def list(self) -> list[Open]:
        """All that are open, newest first; forgets the ids of those that expired."""
        found = []
        now_ms = self._now_ms()
        for raw, made_ms in self._redis.zrevrange(SESSIONS, 0, -1, withscores=True):
            session_id = raw.decode()
            key = session_key(session_id)
            session = _read(self._redis.get(key))
            if session and session.ends_ms > now_ms:
                idle_ms = IDLE_MS - self._redis.pttl(key)
                found.append(Open(session_id, session, now_ms - min(max(0, idle_ms), IDLE_MS)))
            elif made_ms < now_ms - _BEGINNING_MS:
                self._redis.zrem(SESSIONS, session_id)
        return found

    def end(self, session_id: str) -> bool:
        """End a session at once; False when it was not open."""
        known = self._redis.delete(session_key(session_id))
        self._redis.zrem(SESSIONS, session_id)
        return bool(known)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _read(raw: Any) -> Session | None:
    try:
        return _DECODER.decode(raw) if raw else None
    except msgspec.DecodeError:
        return None
