"""Fields of a payload by dotted path: found, set, removed, seconds made milliseconds."""

from typing import Any, Final

from worker.purchasely.moment import number_ms

# Seconds until the year 5138, milliseconds since 1973: between them no moment can be both.
_SECONDS_MOST: Final = 100_000_000_000


def put(payload: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path; objects on the way are created.

    Raises:
        ValueError: something on the way is neither an object nor a list with such a place.
    """
    *way, last = path.split(".")
    place: Any = payload
    for part in way:
        place = place.setdefault(part, {}) if isinstance(place, dict) else place[_index(place, part, path)]
    if isinstance(place, dict):
        place[last] = value
    else:
        place[_index(place, last, path)] = value


def take_out(payload: dict[str, Any], path: str) -> None:
    """Remove the value at a dotted path.

    Raises:
        ValueError: there is none.
    """
    *way, last = path.split(".")
    place: Any = payload
    for part in way:
        place = place.get(part) if isinstance(place, dict) else place[_index(place, part, path)]
    if isinstance(place, dict):
        if last not in place:
            raise ValueError(f"{path}: there is no such field")
        del place[last]
    else:
        del place[_index(place, last, path)]


def found(payload: dict[str, Any], path: str) -> Any:
    """The value at a dotted path.

    Raises:
        ValueError: there is none.
    """
    place: Any = payload
    for part in path.split("."):
        if isinstance(place, dict):
            if part not in place:
                raise ValueError(f"{path}: there is no such field")
            place = place[part]
        else:
            place = place[_index(place, part, path)]
    return place


def put_ms(payload: dict[str, Any], path: str) -> None:
    """Make the seconds at a dotted path milliseconds; what is milliseconds already stays.

    Raises:
        ValueError: there is no number.
    """
    value = found(payload, path)
    whole = number_ms(value)
    if whole is None:
        raise ValueError(f"{path}: no number of seconds")
    if abs(whole) < _SECONDS_MOST:
        put(payload, path, round(value * 1000) if isinstance(value, float) else whole * 1000)


def _index(place: Any, part: str, path: str) -> int:
    if not (isinstance(place, list) and part.isascii() and part.isdigit() and int(part) < len(place)):
        raise ValueError(f"{path}: there is no {part}")
    return int(part)
