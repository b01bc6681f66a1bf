"""How long the console's pages take at the server, beside many retained events and failures.

python -m bench.console [EVENTS] [FAILURES]      1,000,000 events of 40,000 people and 10,000 failures by default
"""

import os
import re
import statistics
import sys
import time

from bench.delivery import fill, join
from bench.setting import Setting, machine
from config.roles import Role
from config.settings import Settings
from tests.support.consoledoor import Browser, site
from tests.support.deadseed import seed
from worker.app import Relay
from worker.ledger.sampling import take_sample
from worker.upkeep.counting import count_codes

PEOPLE = 40_000
TIMES = 5
PAGES = (
    "/",
    "/?span=7d",
    "/integrations",
    "/integrations/{name}",
    "/integrations/{name}?tab=events",
    "/integrations/{name}?tab=properties",
    "/integrations/{name}/events/ACTIVATE",
    "/activity",
    "/activity?outcome=dead",
    "/people?id={person}",
    "/failures",
    "/failures/{group}",
    "/jobs",
    "/history",
    "/drafts",
    "/settings",
    "/find?q={person}",
    "/find?q={event}",
)


def pages(events: int = 1_000_000, failures: int = 10_000) -> list[tuple[str, int, float, float, int]]:
    """Each page's address, status, median and longest time (ms) of some visits, and its size (bytes)."""
    with Setting(port=8495, own_sink=False, shards=16) as setting:
        for name, value in setting.env.items():
            if name.startswith(("RELAY_", "B_")):
                os.environ[name] = value
        join(setting)
        fill(setting.redis, events, PEOPLE, setting.shards)
        parts = Relay(Settings(console_login="link"), "console")
        parts.begin()
        name, one = next(iter(parts.integrations.integrations.items()))
        seed(setting.redis, failures, setting.shards, source=one.source, integration=name)
        count_codes(setting.redis, parts.integrations.sources, setting.shards, 120)
        take_sample(_samples(parts), _accounts(parts))
        with site(parts) as console:
            browser = console.browser(Role.ADMIN)
            group = re.search(r'href="/failures/(\d+)"', browser.get("/failures").text)
            raw = setting.redis.xrevrange(f"relay:{{3}}:events:{one.source}", count=1)[0][1][b"b"]
            words = {
                "name": name,
                "group": group[1] if group else "1",
                "person": re.search(rb'"user_id": ?"([^"]+)"', raw)[1].decode(),  # type: ignore[index]
                "event": re.search(rb'"event_id": ?"([^"]+)"', raw)[1].decode(),  # type: ignore[index]
            }
            return [timed(browser, page.format(**words), page) for page in PAGES]


def timed(browser: Browser, place: str, page: str) -> tuple[str, int, float, float, int]:
    """One page, visited some times; the first visit counts as the others do."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        answer = browser.get(place)
        took.append((time.perf_counter() - began) * 1000)
    return page, answer.status_code, statistics.median(took), max(took), len(answer.content)


def _samples(parts: Relay):
    from worker.store.samples import Samples

    return Samples(parts.redis)


def _accounts(parts: Relay):
    from worker.ledger.figures import Ledger

    return Ledger(parts).accounts


if __name__ == "__main__":
    print(machine())
    for page, status, median_ms, longest_ms, size in pages(*[int(one) for one in sys.argv[1:]]):
        print(f"{status} {median_ms:8.0f} ms {longest_ms:8.0f} ms {size:8,} bytes  {page}")
