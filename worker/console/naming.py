"""Warnings about event codes and their names in Customer.io: each says what will happen, at the row it is about."""

from collections.abc import Mapping

from config.catalogue import catalogue
from config.values import EVENT_NAME_LIMIT_BYTES
from worker.process.wording import several

OTHER_CODES = "other codes"


def code_warnings(code: str) -> tuple[str, ...]:
    """What is to be said of a code itself.

    >>> code_warnings("RENEWAL_DISABLED"), code_warnings("RENEWAL_DISABELD")
    ((), ('not in the catalogue: a new code, or a misspelt one; did you mean RENEWAL_DISABLED?',))
    """
    known = catalogue()
    if code in known.events:
        return ()
    similar = known.nearest(code, "event")
    hint = f"; did you mean {similar}?" if similar else ""
    return (f"not in the catalogue: a new code, or a misspelt one{hint}",)


def name_warnings(sent: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """What is to be said of names; `sent` is the name of each code that is sent.

    >>> name_warnings({"RENEWAL_DISABLED": "Off", "DEACTIVATE": "Off", "RENEWAL_ENABLED": "ACTIVATE"})["DEACTIVATE"]
    ('the name of RENEWAL_DISABLED too: Customer.io cannot tell them apart',)
    """
    by_name: dict[str, list[str]] = {}
    for code, name in sent.items():
        by_name.setdefault(name, []).append(code)
    found = {}
    for code, name in sent.items():
        said = []
        size = len(name.encode("utf-8", "replace"))
        if size > EVENT_NAME_LIMIT_BYTES:
            said.append(f"{size} bytes; Customer.io takes {EVENT_NAME_LIMIT_BYTES} at most")
        others = [one for one in by_name[name] if one != code]
        if others:
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            said.append(f"the name of {others[0]}{more} too: Customer.io cannot tell them apart")
        if name != code and name in catalogue().events and name not in others:
            said.append(f"{name} is the code of another event: campaigns on it start at this one")
        if said:
            found[code] = tuple(said)
    return found


def renamed_warnings(
    before: Mapping[str, str], after: Mapping[str, str], week: Mapping[str, int]
) -> dict[str, tuple[str, ...]]:
    """What a change does to events that came this week: the names sent before and after, and how often each code came.

    >>> renamed_warnings({"ACTIVATE": "ACTIVATE"}, {"ACTIVATE": "Access"}, {"ACTIVATE": 12})
    {'ACTIVATE': ('sent as ACTIVATE until now, 12 times in the last 7 days: campaigns that start on that will stop',)}
    """
    found: dict[str, tuple[str, ...]] = {}
    for code, name in before.items():
        times = week.get(code, 0)
        if times and after.get(code) != name:
            how_often = "once" if times == 1 else several(times, "time")
            found[code] = (
                f"sent as {name} until now, {how_often} in the last 7 days: campaigns that start on that will stop",
            )
    return found
