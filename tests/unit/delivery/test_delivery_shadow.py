"""Delivery in shadow: everything but the request."""

import msgspec

from config.integrations import parse
from tests.support.fakes import Bench, integration, raw_event
from worker.mapping.mapper import Mapper

RAWS = [raw_event("OFF" if n % 5 == 4 else f"E{n}", n, person=f"user-{n % 3}") for n in range(20)]
FILE = """
[sources.app]
tokens = ["env:S"]
[integrations.production]
source = "app"
region = "eu"
site_id = "env:MISSING"
api_key = "env:MISSING"
"""


def shadowed():
    """A mapping that sends nothing."""
    return Mapper(msgspec.structs.replace(integration(), send=False))


def test_what_would_be_sent_is_counted_apart_and_nothing_is_sent():
    """Filtered events keep their reason, a broken one is a dead letter, people's states are those of live traffic."""
    raws = [*RAWS, raw_event("", 99)]
    live, shadow = Bench(raws), Bench(raws, mapper=shadowed())
    assert (live.run(), shadow.run()) == ("empty", "empty")
    assert shadow.api.requests == []
    delivered = live.shelf.books()["delivered"]
    books = {
        name: number for name, number in live.shelf.books().items() if name != "delivered" and "late_ms" not in name
    }
    assert shadow.shelf.books() == books | {"filtered:shadow": delivered}
    assert shadow.shelf.people == live.shelf.people


def test_a_hold_that_a_failing_destination_left_ends_in_shadow():
    """Nobody is asked any more, so nothing holds it up."""
    bench = Bench(RAWS, mapper=shadowed())
    bench.shelf.held = True
    assert bench.run(probe=True) == "empty"
    assert (bench.resumed, bench.api.requests) == (1, [])


def test_no_credentials_are_needed_in_shadow():
    """They are missed at once where it sends."""
    secrets = {"S": "token"}
    config = parse(FILE + "send = false\n", "file", secrets)
    assert not config.integrations["production"].send
    assert config.unresolved == ()
    live = parse(FILE, "file", secrets, lenient=True)
    assert len(live.unresolved) == 2
    assert live.integrations["production"].digest != config.integrations["production"].digest
