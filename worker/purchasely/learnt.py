"""Payloads with more than the documented fields, read in one pass as well, once such fields were met.

A process learns the names of further fields that have plain values (Google Play's `purchase_token` is one), and that
fields may be null. A secret is cut out of the bytes received; where there are nulls, what is not null is written again.
Whatever is beyond that, a value within a value or one of another type than documented, is read as a dictionary, with
the same meaning.
"""

import keyword
import re
import threading
from collections.abc import Callable, Mapping
from copy import copy
from typing import Annotated, Any, Final

import msgspec

from config.never_sent import is_never_sent
from worker.purchasely.documented import FIELDS, Documented

# Names are the senders' to choose: so many are learnt, none longer, and of a larger payload nothing is cut.
_MOST_NAMES: Final = 100
_LONGEST_NAME: Final = 64
_MOST_BYTES: Final = 16_000
_REVENUE: Final = "cumulated_revenues_in_"

_COMMA, _BACKSLASH, _QUOTE, _CLOSING = b","[0], b"\\"[0], b'"'[0], b",}"
# A plain value between its name and what follows; and a name that is spelt with escapes (or a text that looks so).
_VALUE: Final = re.compile(rb':(?:"[^"\\]*(?:\\.[^"\\]*)*"|[^" \t\r\n,}]+)(?=[,}])')
_ESCAPED_NAME: Final = re.compile(rb'\\u[^"]*"[ \t\r\n]*:')
_Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float
_Plain = str | bool | _Number
_HINTS: Final = [(field.name, field.type) for field in msgspec.structs.fields(Documented)]
_Read = Callable[[bytes], Documented]
_encode = msgspec.json.Encoder().encode


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
    secret = tuple((name, b'"%b"' % name.encode()) for name in names if is_never_sent(name))
    revenue = tuple(name for name in names if name.startswith(_REVENUE))
    for name in names:
        hint: Any = _Number if name in revenue else _Plain
        fields.append((name, hint | None if nulls else hint, None))
    fields.sort(key=lambda field: len(field[0]))
    made: Any = msgspec.defstruct(
        "Extended",
        fields,
        bases=(Documented,),
        namespace={"__secret__": secret, "__revenue__": revenue, "__nulls__": nulls},
        forbid_unknown_fields=True,
        omit_defaults=True,
        gc=False,
    )
    extended: type[Documented] = made
    return extended


def as_sent(raw: bytes, payload: Documented) -> bytes | None:
    """The JSON of what may be sent of a payload; None: its fields must be picked one by one."""
    if type(payload) is Documented:
        return raw
    if not payload.__nulls__:
        return _cut(raw, payload)
    if payload.__secret__:
        payload = copy(payload)
        for field, _ in payload.__secret__:
            setattr(payload, field, None)
    return _encode(payload)


def _cut(raw: bytes, payload: Documented) -> bytes | None:
    """The bytes received without secrets; None where it is not certain that nothing else goes with them."""
    # one character is found at once, two take a microsecond
    escaped = _BACKSLASH in raw
    if len(raw) > _MOST_BYTES or (escaped and _ESCAPED_NAME.search(raw)):
        return None
    for _, quoted in payload.__secret__:
        start = raw.find(quoted)
        if start < 0:
            continue
        end = _end_of_value(raw, start + len(quoted), escaped=escaped)
        if end < 0 or raw[start - 1] != _COMMA or raw.find(quoted, end) >= 0:
            return None  # a text that is spelt so, blanks, the first field, or twice the same
        raw = raw[: start - 1] + raw[end:]
    return raw


def _end_of_value(raw: bytes, start: int, *, escaped: bool) -> int:
    """Where the plain value ends that follows a name; -1: what is there is none. `escaped`: there are backslashes."""
    if not escaped and raw.startswith(b':"', start):  # such a text ends with its next quote
        end = raw.find(_QUOTE, start + 2) + 1
        return end if raw[end] in _CLOSING else -1
    value = _VALUE.match(raw, start)
    return value.end() if value else -1
