"""A need: something that does not heal by itself, what happened and what to do."""

from typing import Literal

import msgspec

Kind = Literal[
    "held", "late", "failing", "silent", "refused", "bound", "absent", "lost", "books", "expiring", "archive", "config"
]


class Need(msgspec.Struct, frozen=True):
    """Something that needs somebody: what happened (`message`) and what to do (`advice`), a line each.

    `key` names it for as long as it lasts ("held:production"); `integration` is empty where it concerns none alone;
    `since_ms` is when it began (Unix ms; 0: unknown). `urgent`: something is lost, or nothing is sent, until then.
    """

    key: str
    kind: Kind
    message: str
    advice: str
    integration: str = ""
    since_ms: int = 0
    urgent: bool = False
