"""A condition on a payload, as on-call types it: 'path op value'."""

import re
from typing import Any, Literal, cast, get_args

import msgspec
import orjson

Operator = Literal["=", "!=", ">", ">=", "<", "<=", "~", "exists"]

_CONDITION = re.compile(
    r"\s*(?P<path>[^\s=!<>~]+)(?:\s*(?P<op>[=!<>~]+)\s*(?P<value>.*?)|\s+(?P<is>exists))\s*", re.DOTALL
)
_OPERATORS = frozenset(get_args(Operator)) - {"exists"}
# as other languages write them
_MEANT = {"==": "=", "===": "=", "=>": ">=", "=<": "<=", "<>": "!=", "!==": "!=", "=~": "~", "~=": "~"}
_MISSING: Any = object()


class Condition(msgspec.Struct, frozen=True):
    """One `--where`: a dotted path into the payload (`a.b.0` for lists), an operator, a value as it was written."""

    path: str
    op: Operator
    value: str = ""

    def holds(self, payload: Any) -> bool:
        """Whether the payload meets it. A missing field meets only `!=`."""
        found = look_up(payload, self.path)
        if self.op == "exists":
            return found is not _MISSING
        if found is _MISSING:
            return self.op == "!="
        if self.op == "~":
            return re.search(self.value, found if isinstance(found, str) else orjson.dumps(found).decode()) is not None
        if self.op in {"=", "!="}:
            return _equal(found, self.value) is (self.op == "=")
        return _compare(found, self.op, self.value)


def read_condition(text: str) -> Condition:
    """A `--where` as it was typed.

    Raises:
        ValueError: it cannot be read; the message says how it is written.
    """
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is no condition; write 'path op value', op one of = != > >= < <= ~, or 'path exists'"
        )
    if found["is"]:
        return Condition(found["path"], "exists")
    if found["op"] not in _OPERATORS:
        meant = _MEANT.get(found["op"])
        hint = f"did you mean '{found['path']} {meant} {found['value']}'?" if meant else "op is one of = != > >= < <= ~"
        raise ValueError(f"{text!r} is no condition: unknown operator {found['op']}; {hint}")
    if found["op"] == "~":
        try:
            re.compile(found["value"])
        except re.error as error:
            raise ValueError(f"{found['value']!r} is no regular expression: {error}") from None
    return Condition(found["path"], cast("Operator", found["op"]), found["value"])


def look_up(payload: Any, path: str) -> Any:
    """The value at a dotted path; a value of its own when there is none."""
    found = payload
    for part in path.split("."):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isascii() and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return _MISSING
    return found


def _equal(found: Any, value: str) -> bool:
    if isinstance(found, str) and found == value:
        return True
    try:
        meant = orjson.loads(value)
    except ValueError:
        return False
    # 1 == True in Python, not in JSON
    return isinstance(found, bool) is isinstance(meant, bool) and bool(found == meant)


def _compare(found: Any, op: str, value: str) -> bool:
    left: Any = _number(found)
    right: Any = _number(value)
    if left is None or right is None:
        if not isinstance(found, str):
            return False
        left, right = found, value  # ISO dates compare as text
    if op == ">":
        return bool(left > right)
    if op == ">=":
        return bool(left >= right)
    return bool(left < right) if op == "<" else bool(left <= right)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except ValueError:
        return None
