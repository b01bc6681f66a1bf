"""Environment variables that look like settings and are none."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

from config.settings import Settings


def unknown_variables(env: Mapping[str, str]) -> Iterator[str]:
    """What to say of each `RELAY_` variable that nothing reads, with the nearest one that is read."""
    known = {f"RELAY_{name.upper()}" for name in Settings.model_fields}
    found = sorted(name for name in env if name.startswith("RELAY_") and name.upper() not in known)
    text = _file(env.get("RELAY_INTEGRATIONS", "")) if found else ""
    for name in found:
        if name.startswith("RELAY_TEST_") or f"env:{name}" in text:
            continue  # the tests' own; a secret of the integrations file
        close = difflib.get_close_matches(name, sorted(known), 1, 0.75)
        yield f"{name[:80]} is not a setting" + (f"; did you mean {close[0]}?" if close else "")


def _file(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
