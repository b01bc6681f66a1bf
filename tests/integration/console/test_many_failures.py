"""Ten thousand failures: what the pages ask of Redis does not grow with them."""

from pathlib import Path

import pytest

from config.roles import Role
from tests.support.consoledoor import text_of
from tests.support.deadseed import seed
from tests.support.deadstack import SHARDS, opened

# What a page may ask: commands, and bytes of the answers. Tried are 500 letters of some 1,200 bytes each.
BOUNDS = {"/failures": (800, 30_000), "/failures/{number}": (800, 1_500_000)}


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio):
    """A relay with 1,000 failures of six causes."""
    with opened(tmp_path, redis_url, customerio, console_login="link") as stack:
        stack.parts.role = "console"
        stack.parts.begin()
        seed(stack.parts.redis, 1_000, SHARDS, people=500)
        yield stack


def asked(stack, browser, place):
    """How many commands and bytes of answers a page costs Redis, and its text.

    The least of three times: what the console asks by itself meanwhile, each second, counts with them.
    """
    redis, costs = stack.parts.redis, []
    for _ in range(3):
        redis.config_resetstat()
        page = browser.get(place)
        assert page.status_code == 200
        commands = sum(one["calls"] for name, one in redis.info("commandstats").items() if "config" not in name)
        costs.append((commands, redis.info("stats")["total_net_output_bytes"]))
    return *min(costs), text_of(page.text)


@pytest.mark.parametrize("place", BOUNDS)
def test_a_page_asks_as_much_for_ten_thousand_as_for_one_thousand(console, stack, place):
    """The list counts and reads no letter; a failure's page reads those that it tries, and says how many."""
    browser = console.browser(Role.OPERATOR)
    browser.get("/failures")
    (one,) = [one for one in stack.parts.dead_groups.numbered().values() if one.field == "attributes"]
    place_of = place.format(number=one.number)
    few = asked(stack, browser, place_of)
    seed(stack.parts.redis, 10_000, SHARDS, people=500)
    many = asked(stack, browser, place_of)
    print(few[:2], many[:2])
    assert len(stack.letters()) >= 10_000
    most_commands, most_bytes = BOUNDS[place]
    assert many[0] <= min(few[0] * 1.1, most_commands)
    assert many[1] <= min(few[1] * 1.5, most_bytes)
    said = "failed events, grouped by" if place == "/failures" else "Tried on the newest 500 of 5,"
    assert said in many[2]


def test_states_are_read_once_for_all_ways(console, stack):
    """As many reads of them as there are shards, with three ways that are tried."""
    browser = console.browser(Role.OPERATOR)
    browser.get("/failures")
    (one,) = [one for one in stack.parts.dead_groups.numbered().values() if one.status == 400]
    stack.parts.redis.config_resetstat()
    assert "name=" in browser.get(f"/failures/{one.number}").text
    assert 0 < stack.parts.redis.info("commandstats")["cmdstat_mget"]["calls"] <= SHARDS
