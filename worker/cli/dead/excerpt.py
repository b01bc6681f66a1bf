"""Excerpt of a JSON document for the eye: what is long is cut, and says how much is not shown."""

from typing import Any

import orjson

from worker.cli.printing import count
from worker.process.plain import plain_json

_TEXT = 200
_ITEMS = 50
_RAW = 2_000
_MORE = "--full shows all"


def pretty(raw: bytes, *, full: bool = False) -> str:
    """Bytes as they are shown: JSON by fields, anything else as it came."""
    try:
        whole = orjson.loads(raw)
        text = orjson.dumps(whole, option=orjson.OPT_INDENT_2)
        if not full:
            text = orjson.dumps(_cut(whole), option=orjson.OPT_INDENT_2)
        return plain_json(text.decode())
    except (ValueError, TypeError):  # no JSON, or nested deeper than orjson writes
        return cut_text(raw.decode("utf-8", "backslashreplace"), _RAW, full=full)


def cut_text(text: str, most: int = _TEXT, *, full: bool = False) -> str:
    """A text, or its beginning and how long it is.

    >>> cut_text("abcdefgh", 5)
    'abcde… (8 characters; --full shows all)'
    """
    return text if full or len(text) <= most else f"{text[:most]}… ({count(len(text))} characters; {_MORE})"


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return cut_text(value)
    if isinstance(value, list):
        some = [_cut(one) for one in value[:_ITEMS]]
        return [*some, f"… ({count(len(value))} items; {_MORE})"] if len(value) > _ITEMS else some
    if isinstance(value, dict):
        fields = {name: _cut(one) for name, one in list(value.items())[:_ITEMS]}
        return fields | ({"…": f"{count(len(value))} fields; {_MORE}"} if len(value) > _ITEMS else {})
    return value
