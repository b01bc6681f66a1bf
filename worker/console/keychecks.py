"""Key checks: what Customer.io says of a draft's keys, asked only where the key goes already, or may go."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from msgspec.structs import replace

from config.effective import Integration
from config.integrations import Integrations
from worker.console.fresh import Fresh
from worker.console.keyregion import may_receive
from worker.machine.inspection import look_at_keys
from worker.machine.serverfacts import Fact

_FRESH_S: Final = 20.0


class KeyChecks:
    """Asks once, and again after some seconds: a reload of a page costs nobody anything."""

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s = timeout_s
        self._known: Fresh[str, Fact] = Fresh(_FRESH_S, clock)

    def facts(
        self, draft: Integrations, running: Integrations, names: Iterable[str], *, is_trusted: bool
    ) -> list[Fact]:
        """A fact for each of these integrations that is enabled and whose secrets are at hand.

        `is_trusted`: the draft is by somebody who may see to secrets (`may_receive`).
        """
        found = [one for name in names if (one := draft.integrations.get(name)) and one.enabled and not one.unresolved]
        asked = {
            one.name: one
            for one in found
            if may_receive(one, running.integrations.get(one.name), is_trusted=is_trusted)
        }
        known = {name: fact for name, one in asked.items() if (fact := self._known.get(_mark(one)))}
        new = {name: one for name, one in asked.items() if name not in known}
        for fact in look_at_keys(replace(draft, integrations=new), self._timeout_s) if new else []:
            self._known.keep(_mark(new[fact.subject]), fact)
            known[fact.subject] = fact
        return [
            *(known[name] for name in asked if name in known),
            *(_untried(one) for one in found if one.name not in asked),
        ]


def _mark(one: Integration) -> str:
    return f"{one.name}/{one.region}/{one.fingerprint}"


def _untried(one: Integration) -> Fact:
    text = "the key is not tried at an address that is not in force"
    return Fact("customer.io", one.name, "warning", text, "an admin who publishes it sends the key there")
