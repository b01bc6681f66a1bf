"""Payloads with more than the documented fields, read in one pass as well, once such fields were met.

A process learns the names of further fields that have plain values (Google Play's `purchase_token` is one), and that
fields may be null. What is never sent, a secret or a null, is cut out of the bytes received. Whatever is beyond that, a
value within a value or one of another type than documented, is read as a dictionary, with the same meaning.
"""

import keyword
import re
import threading
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec

from config.never_sent import is_never_sent
from worker.purchasely.documented import FIELDS, Documented

# Names are the senders' to choose: so many are learnt, none longer, and of a larger payload nothing is cut.
_MOST_NAMES: Final = 100
_LONGEST_NAME: Final = 64
_MOST_BYTES: Final = 16_000
_REVENUE: Final = "cumulated_revenues_in_"

_COMMA, _BACKSLASH, _CLOSING = b","[0], b"\\"[0], b",}"
# A plain value between its name and what follows; and a name that is spelt with escapes (or a text that looks so).
_VALUE: Final = re.compile(rb':(?:"[^"\\]*(?:\\.[^"\\]*)*"|[^" \t\r\n,}]+)(?=[,}])')
_ESCAPED_NAME: Final = re.compile(rb'\\u[^"]*"[ \t\r\n]*:')
_Plain = str | bool | Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float
_HINTS: Final = [(field.name, field.type) for field in msgspec.structs.fields(Documented)]
_Read = Callable[[bytes], Documented]


class Learner:
    """Reads payloads, and learns from those that it could not read in one pass; for any number of threads."""

    def __init__(self) -> None:
        self._learning = threading.Lock()
        self._names: tuple[str, ...] = ()
        self._decode: _Read = msgspec.json.Decoder(Documented).decode
        self._nulls = False

    def read(self, raw: bytes) -> Documented | None:
        """The payload, or None when it must be read as a dictionary."""
        try:
            return self._decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def learn(self, payload: Mapping[str, Any]) -> None:
        """Take in which fields a payload has that could not be read in one pass."""
        names = [name for name, value in payload.items() if name not in FIELDS and _is_learnable(name, value)]
        with self._learning:
            new = tuple(name for name in names if name not in self._names)
            nulls = self._nulls or None in payload.values()
            if (not new and nulls == self._nulls) or len(self._names) + len(new) > _MOST_NAMES:
                return
            self._names, self._nulls = (*self._names, *new), nulls
            self._decode = msgspec.json.Decoder(_extended(self._names, nulls=nulls)).decode


def _is_learnable(name: str, value: object) -> bool:
    # a name like `__bool__` would become a method of every payload
    if not name.isascii() or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        return False
    if len(name) > _LONGEST_NAME or hasattr(Documented, name):
        return False
    return value is None or isinstance(value, str | int | float)


def _extended(names: tuple[str, ...], *, nulls: bool) -> type[Documented]:
    """The documented payload with further fields, each where decoding looks first: by the length of its name."""
    fields: list[tuple[str, Any, Any]] = [(name, hint | None if nulls else hint, None) for name, hint in _HINTS]
    secret = tuple(b'"%b"' % name.encode() for name in names if is_never_sent(name))
    revenue = tuple(name for name in names if name.startswith(_REVENUE))
    fields += [(name, _hint(name, nulls=nulls), None) for name in names]
    fields.sort(key=lambda field: len(field[0]))
    made: Any = msgspec.defstruct(
        "Extended",
        fields,
        bases=(Documented,),
        namespace={"__secret__": secret, "__revenue__": revenue, "__nulls__": nulls},
        forbid_unknown_fields=True,
        gc=False,
    )
    extended: type[Documented] = made
    return extended


def _hint(name: str, *, nulls: bool) -> Any:
    hint: Any = float if name.startswith(_REVENUE) else _Plain
    return hint | None if nulls else hint


def cut(raw: bytes, payload: Documented) -> bytes | None:
    """The bytes received without what is never sent; None: they must be written again."""
    if type(payload) is Documented:
        return raw
    # one character is found at once, two take a microsecond
    if len(raw) > _MOST_BYTES or (_BACKSLASH in raw and _ESCAPED_NAME.search(raw)):
        return None
    for quoted in payload.__secret__:
        start = raw.find(quoted)
        if start < 0:
            continue
        value = _VALUE.match(raw, start + len(quoted))
        if value is None or raw[start - 1] != _COMMA or raw.find(quoted, value.end()) >= 0:
            return None  # a text that is spelt so, blanks, the first field, or twice the same
        raw = raw[: start - 1] + raw[value.end() :]
    return _without_nulls(raw) if payload.__nulls__ else raw


def _without_nulls(raw: bytes) -> bytes | None:
    """Without fields that are null; within a string each quote has a backslash before it, so these are fields."""
    end = raw.find(b"null")
    while end >= 0:
        start = raw.rfind(b',"', 0, end - 2)
        if start < 0 or raw[end - 2 : end] != b'":' or b'"' in raw[start + 2 : end - 2] or raw[end + 4] not in _CLOSING:
            return None
        if raw.count(raw[start + 1 : end - 1]) > 1:
            return None  # the field is there twice, and the other one may have a value
        raw = raw[:start] + raw[end + 4 :]
        end = raw.find(b"null", start)
    return raw
