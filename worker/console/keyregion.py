"""Region of a key: Customer.io knows which of its two a Site ID and key belong to, and is asked where they may go."""

import tomllib
from typing import Any, Final

from msgspec.structs import replace

from config.effective import Integration
from config.errors import ConfigError
from config.rewrite import Rewrite, UneditableError
from config.shape import REGION_URLS
from worker.app import Relay
from worker.console.drafting import read_draft
from worker.console.editing import Edited
from worker.customerio.track_api import TrackApi

_WAIT_S: Final = 5
_KEYS: Final = ("site_id", "api_key", "region")
REFUSED: Final = "Customer.io refuses this Site ID and key; copy both again from Tracking API keys"


def region_of(one: Integration) -> tuple[str, dict[str, str]]:
    """The region of an integration's key, as Customer.io has it; or what is wrong, by the form's field."""
    for url in REGION_URLS.values():
        answer = TrackApi(replace(one, base_url=url) if _is_customerio(one) else one, _WAIT_S).region()
        if answer.status == 200 and answer.region in REGION_URLS:
            return answer.region, {}
        if answer.status in {401, 403}:
            return "", {"api_key": REFUSED}
    return "", {"region": "Customer.io does not answer: choose the region yourself, or try again"}


def may_receive(one: Integration, running: Integration | None, *, is_trusted: bool, is_typed: bool = False) -> bool:
    """Whether a draft's key may be sent to the draft's address by who looks at it.

    Who chooses an address is given the key. So beside Customer.io's own it goes to the one in force, if it is the key
    in force or was just typed by somebody who may set it; elsewhere only if `is_trusted`: the draft is by such a one.
    """
    if is_trusted or _is_customerio(one):
        return True
    if running is None or one.base_url != running.base_url:
        return False
    return is_typed or one.fingerprint == running.fingerprint


def with_region(parts: Relay, before: str, edited: Edited, name: str, *, is_trusted: bool) -> tuple[Edited, str]:
    """An edited text with the region that its new key belongs to, and what to say of it (empty: nothing was asked)."""
    was, now = _keys(before, name), _keys(edited.text, name)
    if edited.errors or was == now:
        return edited, ""
    try:
        one = read_draft(parts, edited.text).integrations[name]
    except (ConfigError, KeyError):
        return edited, ""
    running = parts.integrations.integrations.get(name)
    is_typed = was["api_key"] != now["api_key"]
    at_hand = one.site_id and one.api_key and not one.unresolved
    if not at_hand or not may_receive(one, running, is_trusted=is_trusted, is_typed=is_typed):
        return edited, ""
    region, wrong = region_of(one)
    if wrong:
        return edited, _WRONG.get(next(iter(wrong)), "")
    if region == one.region:
        return edited, f"The key works, in region {region.upper()}."
    rewrite = Rewrite(edited.text)
    try:
        rewrite.change(("integrations", name), {"region": region})
    except UneditableError:
        return (
            edited,
            f"This key belongs to the region {region.upper()}, which your draft does not say: write it there.",
        )
    return Edited(rewrite.text, {}, rewrite.text != before), (
        f"This key belongs to the region {region.upper()}: that is the region in your draft now."
    )


def _keys(text: str, name: str) -> dict[str, Any]:
    table = tomllib.loads(text).get("integrations", {}).get(name, {})
    return {key: table.get(key) for key in _KEYS}


def _is_customerio(one: Integration) -> bool:
    return one.base_url in REGION_URLS.values()


_WRONG: Final = {
    "api_key": f"{REFUSED}.",
    "region": "Customer.io does not answer, so the region is as you chose it; the review tries the key again.",
}
