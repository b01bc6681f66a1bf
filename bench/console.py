"""How long the console's pages take at the server, beside many retained events and failures.

python -m bench.console [EVENTS] [FAILURES]      1,000,000 settled events of 300,000 people, 10,000 failures by default
"""

import os
import re
import statistics
import sys
import time

import orjson

from bench.delivery import join
from bench.history import PEOPLE, fill
from bench.setting import Setting, event, machine
from config.roles import Role
from config.settings import Settings
from tests.support.consoledoor import Browser, site
from tests.support.deadseed import seed
from worker.app import Relay
from worker.ledger.figures import Ledger
from worker.ledger.sampling import take_sample
from worker.mapping.operation import ulid
from worker.store.samples import Samples
from worker.upkeep.counting import count_codes

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
    "/people?id={person}&all=yes",
    "/people?id=nobody",
    "/people?id=nobody&all=yes",
    "/failures",
    "/failures/{group}",
    "/jobs",
    "/history",
    "/drafts",
    "/settings",
    "/find?q={person}",
    "/find?q={event}",
    "/find?q={ulid}",
)


def pages(events: int = 1_000_000, failures: int = 10_000) -> list[tuple[str, int, float, float, int]]:
    """Each page's address, status, median and longest time (ms) of some visits, and its size (bytes)."""
    with Setting(port=8495, own_sink=False, shards=16) as setting:
        parts = begin(setting, events, failures)
        with site(parts) as console:
            browser = console.browser(Role.ADMIN)
            words = things(browser, parts, events)
            return [timed(browser, page.format(**words), page) for page in PAGES]


def begin(setting: Setting, events: int, failures: int) -> Relay:
    """The parts of a console over events, failures, samples and counts as workers leave them."""
    for name, value in setting.env.items():
        if name.startswith(("RELAY_", "B_")):
            os.environ[name] = value
    join(setting)
    parts = Relay(Settings(console_login="link"), "console")
    parts.begin()
    name, one = next(iter(parts.integrations.integrations.items()))
    fill(setting.redis, events, setting.shards)
    seed(setting.redis, failures, setting.shards, source=one.source, integration=name)
    count_codes(setting.redis, parts.integrations.sources, setting.shards, 120)
    take_sample(Samples(parts.redis), Ledger(parts).accounts)
    return parts


def things(browser: Browser, parts: Relay, events: int) -> dict[str, str]:
    """What the addresses name: an integration, a group, and a person and an event that are neither old nor new."""
    payload = orjson.loads(event(events // 2, PEOPLE))
    group = re.search(r'href="/failures/(\d+)"', browser.get("/failures").text)
    return {
        "name": next(iter(parts.integrations.integrations)),
        "group": group[1] if group else "1",
        "person": payload["user_id"],
        "event": payload["event_id"],
        "ulid": ulid(payload["event_created_at_ms"], payload["event_id"]),
    }


def timed(browser: Browser, place: str, page: str) -> tuple[str, int, float, float, int]:
    """One page, visited some times; the first visit counts as the others do."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        answer = browser.get(place, timeout=60)
        took.append((time.perf_counter() - began) * 1000)
    return page, answer.status_code, statistics.median(took), max(took), len(answer.content)


if __name__ == "__main__":
    print(machine())
    for page, status, median_ms, longest_ms, size in pages(*[int(one) for one in sys.argv[1:]]):
        print(f"{status} {median_ms:8.0f} ms {longest_ms:8.0f} ms {size:8,} bytes  {page}")
