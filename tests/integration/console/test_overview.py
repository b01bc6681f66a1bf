"""What needs somebody, whatever found it out, with the page where it is looked into; and since when all is well."""

import re
import time
from datetime import datetime

import msgspec
import pytest

from tests.support.consoledoor import site
from tests.support.deadstack import event, opened
from worker.ledger.figures import Ledger
from worker.ledger.sampling import take_sample
from worker.store.keys import CERTIFICATES, SAMPLES
from worker.store.samples import MINUTE_MS, Sample, Samples

HOUR_MS = 60 * MINUTE_MS


@pytest.fixture
def stack(tmp_path, redis_url, customerio):
    """A relay that sent an event."""
    with opened(tmp_path, redis_url, customerio, console_login="link") as stack:
        stack.parts.role = "console"
        stack.parts.begin()
        stack.deliver(event(1))
        yield stack


def sampled(stack, at_ms, **counts):
    """As beat notes the books once a minute."""
    kept = msgspec.json.encode({"production": Sample(**counts)})
    stack.parts.redis.xadd(SAMPLES, {"b": kept}, id=f"{at_ms}-1")


@pytest.fixture
def past(stack):
    """It runs for long: the sample of its beginning is none of these days."""
    stack.parts.redis.delete(SAMPLES)


def test_what_came_before_the_first_sample_of_beat_is_counted(stack):
    """Up to a minute of it was in no difference between two samples: the figures said 0 for good."""
    stack.deliver(event(2), event(3))
    for _ in range(2):
        with site(stack.parts) as console:
            page = console.browser("viewer").get("/?span=15m").text
        assert re.findall(r"<dt>(?:Received|Sent)</dt><dd>(\d+)</dd>", page) == ["3", "3"]
        take_sample(Samples(stack.parts.redis), Ledger(stack.parts).accounts)


@pytest.mark.usefixtures("past")
def test_growing_failures_and_an_ending_certificate_are_needs(stack):
    """Both are alerted of; the console says the same, and leads to the failures."""
    now_ms = time.time_ns() // 1_000_000 // MINUTE_MS * MINUTE_MS
    sampled(stack, now_ms - 20 * HOUR_MS, received=1000, sent=1000)
    sampled(stack, now_ms - 2 * HOUR_MS, received=9000, sent=9000)
    sampled(stack, now_ms, received=10_000, sent=9400, failed=600)
    stack.deliver(event(2, None, event_id="nameless"))  # of the 600 one is not solved yet
    stack.parts.redis.hset(CERTIFICATES, "Redis", now_ms + 120 * HOUR_MS)
    with site(stack.parts) as console:
        page = console.browser("viewer").get("/").text
    assert '<a href="/failures">600 events of production failed within the hour' in page
    assert "the certificate of Redis ends in " in page
    listed = re.findall(r'<div><a href="([^"]+)">', page)
    assert re.findall(r'href="([^"]+)">Open the worst', page) == listed[:1] == ["/settings"]  # nobody works


@pytest.mark.usefixtures("past")
def test_no_failures_say_since_when(stack):
    """The counts of a week know the last one; what was replayed or discarded since has failed all the same."""
    day_ms = 24 * HOUR_MS
    now_ms = time.time_ns() // 1_000_000 // MINUTE_MS * MINUTE_MS
    sampled(stack, now_ms - 6 * day_ms, received=10, sent=10)
    sampled(stack, now_ms - 3 * day_ms, received=20, sent=17, failed=3)
    sampled(stack, now_ms, received=30, sent=30)
    with site(stack.parts) as console:
        page = console.browser("viewer").get("/failures").text
    said = re.search(r"Nothing failed since <time datetime=\"([^\"]+)Z\"", page)[1]
    failed_ms = datetime.fromisoformat(f"{said}+00:00").timestamp() * 1000
    assert now_ms - 3 * day_ms - 3 * HOUR_MS <= failed_ms <= now_ms - 3 * day_ms
