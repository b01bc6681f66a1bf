"""One person of Customer.io under several identifiers: anonymous and logged in, by id or by e-mail, transferred."""

import random
from typing import Any

# Purchasely's own ids come and go: the upstream service's id, or else its address, names the person.
IDENTITY = '[sources.app.identity]\nid = ["customerio_user_id"]\n'

_NAMES = ("user_id", "anonymous_user_id", "customerio_user_id", "customerio_user_email")


def email_of(person: str) -> str:
    """The address of a person who is known by e-mail, as Customer.io keeps it."""
    return f"{person}@example.com"


def under_identities(
    payloads: list[dict[str, Any]], person: str, dice: random.Random
) -> tuple[str, list[dict[str, Any]]]:
    """A person's name in Customer.io, and their payloads under now one, now another identifier of Purchasely's.

    A transfer from the anonymous id to the user id comes after the first event: both sides at one moment.
    """
    by_email = dice.random() < 0.5
    lives = [payloads[0], *_transfer(payloads[0], person, dice), *payloads[1:]]
    shown = []
    for one in lives:
        kept = {name: value for name, value in one.items() if name not in _NAMES}
        side = one.get("_side") or dice.choice(("user", "anonymous", "both"))
        kept.pop("_side", None)
        if side != "anonymous":
            kept["user_id"] = person
        if side != "user":
            kept["anonymous_user_id"] = f"anonymous-{person}"
        if by_email:
            kept["customerio_user_email"] = dice.choice((str.lower, str.upper, str.title))(email_of(person))
        else:
            kept["customerio_user_id"] = f"person-{person}"
        shown.append(kept)
    return email_of(person) if by_email else f"person-{person}", shown


def _transfer(first: dict[str, Any], person: str, dice: random.Random) -> list[dict[str, Any]]:
    if "purchasely_subscription_id" not in first:
        return []
    received = {"event_name": "SUBSCRIPTION_RECEIVED", "transferred_from_anonymous_user_id": f"anonymous-{person}"}
    lost = {"event_name": "SUBSCRIPTION_TRANSFERRED", "transferred_to_user_id": person}
    sides = [{**lost, "_side": "anonymous"}, {**received, "_side": "user"}]
    dice.shuffle(sides)
    return [{**first, "event_id": f"{dice.getrandbits(128):032x}", **side} for side in sides]
