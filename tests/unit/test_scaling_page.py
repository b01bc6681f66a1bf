"""The page on scaling: its formulas come to the figures that it prints."""

import math
import re
from collections import Counter

import pytest

from config.settings import Settings
from tests.support.pages import ROOT
from worker.machine.sizing import EVENT_BYTES, ID_BYTES, PERSON_BYTES
from worker.store.topology import SLOTS, slot_of

PAGE = (ROOT / "docs/scaling.md").read_text("utf-8")
GB = 1e9
DAYS_3, DAYS_21 = Settings.model_fields["retention_s"].default, Settings.model_fields["dedup_window_s"].default
DAY, HOUR = 86_400, 3_600


def measured(start):
    """The first figure of a row of 'What one of each does'."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {start}"))
    return float(re.search(r"[\d,.]*\d", row.split("|")[2])[0].replace(",", ""))


SINGLES, ARRAYS = measured("web process, signed singles"), measured("web process, arrays of 100")
WORKER, WORKER_300 = (
    measured("worker process, Customer.io's answer after 100 ms"),
    measured("the same, an answer after"),
)
IN, IN_ARRAYS, OUT = (
    measured(f"Redis, an event {what}")
    for what in ("accepted in singles", "accepted in arrays of 100", "delivered, for each")
)


def servers_gb(rate, retention_s, dedup_s, people=0):
    """What a primary and a replica need, each with room for a rewrite."""
    return 4 * (rate * (retention_s * EVENT_BYTES + dedup_s * ID_BYTES) + people * PERSON_BYTES) / 0.81 / GB


def test_it_has_the_bytes_that_check_computes_with():
    """`relay check --rate` and the page say the same."""
    formula = PAGE.partition("## Memory of Redis")[2].partition("```")[2].partition("```")[0]
    found = [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) bytes", formula)]
    assert found == [EVENT_BYTES, ID_BYTES, PERSON_BYTES, EVENT_BYTES]


def test_the_formulas_have_what_was_measured():
    """The figures of the table of single parts are those of the formulas, and of the example."""
    plain = " ".join(PAGE.replace("\N{MULTIPLICATION SIGN}", "*").split())
    assert f"web processes = 2 * rate / {SINGLES:,.0f} singles; / {ARRAYS:,.0f} for arrays" in plain
    assert f"2 * rate * integrations / {WORKER:,.0f} {WORKER_300:,.0f} at 300 ms" in plain
    rule = f"2 * rate * ({IN:g} + {OUT:g} * integrations) / 1,000,000 {IN_ARRAYS:g} in place of {IN:g} for arrays"
    assert rule in plain
    for example in (f"2 * 87 / {SINGLES:,.0f}", f"2 * 87 / {WORKER:,.0f}", f"2 * 87 * {IN + OUT:g} / 1,000,000"):
        assert example in plain


@pytest.mark.parametrize(("rate", "answer_s"), [(100, 0.1), (5_000, 0.1), (5_000, 0.3), (20_000, 0.1), (20_000, 0.3)])
def test_the_first_table_has_enough(rate, answer_s):
    """Two of each, and the shards of the row, are what the formulas ask for."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| up to {rate:,}"))
    shards = [int(number) for number in re.findall(r"\d+", row.split("|")[-2].replace("300 ms", ""))]
    asked = 2 ** math.ceil(math.log2(4 * rate * answer_s / 280))
    assert shards[-1 if answer_s == 0.3 else 0] == max(16, asked)
    assert 2 * rate / SINGLES <= 2 >= 2 * rate / (WORKER_300 if answer_s == 0.3 else WORKER)


@pytest.mark.parametrize("rate", [10, 100, 1000])
def test_memory_by_rate(rate):
    """The table of events and ids is what the formula gives."""
    events, ids = rate * DAYS_3 * EVENT_BYTES / GB, rate * DAYS_21 * ID_BYTES / GB
    digits = 1 if rate == 10 else 0
    assert f"| {rate:,}/s | {events:.{digits}f} GB | {ids:.{digits}f} GB | {events + ids:.{digits}f} GB |" in PAGE


def test_five_million_subscribers():
    """The worked example."""
    month = 5_000_000 * 1.5 * 3
    rate = month / 30 / 86_400
    parts = [rate * DAYS_3 * EVENT_BYTES, rate * DAYS_21 * ID_BYTES, 5_000_000 * PERSON_BYTES]
    assert f"{month:,.0f} a month = {rate:.1f}/s on average" in PAGE
    assert [f"{part / GB:.1f}" for part in parts] == ["3.1", "1.2", "3.1"]
    assert f"maxmemory  = {sum(parts) / GB:.1f} GB / 0.81                 = {sum(parts) / 0.81 / GB:.1f} GB" in PAGE


def test_an_outage_and_a_first_import():
    """What waits and drains, and what an import needs."""
    events = 22_500_000
    assert f"{events:,} events at 5,000/s takes {events / 5_000 / 60:.0f} minutes" in PAGE
    needs = {seconds: (min(events, 5_000 * seconds) * EVENT_BYTES + events * ID_BYTES) / GB for seconds in (600, HOUR)}
    whole = events * (EVENT_BYTES + ID_BYTES) / GB
    assert f"their ids: {whole:.0f} GB" in PAGE
    assert f"it is {needs[600]:.1f} GB (with an hour still {needs[HOUR]:.0f} GB)" in PAGE
    waiting = 8.7 * 6 * HOUR
    assert f"{round(waiting, -3):,.0f} events wait, {round(waiting, -3) / 280:.0f} requests" in PAGE
    assert f"drain {WORKER:,.0f} events/s with one worker" in PAGE
    assert f"an hour of 100 events/s is gone in {100 * HOUR / (WORKER - 100):.0f} s" in " ".join(PAGE.split())


@pytest.mark.parametrize(
    ("what", "singles", "arrays"),
    [
        ("web processes", 2e6 / SINGLES, 2e6 / ARRAYS),
        ("worker processes", 2e6 / WORKER, 2e6 / WORKER),
        ("Customer.io workspaces", 1e6 / 280_000, 1e6 / 280_000),
        ("requests/s, all workspaces", 1e6 / 280, 1e6 / 280),
        ("lanes busy at the same time", 1e5 / 280, 1e5 / 280),
        ("Redis primaries, by processor", 2 * (IN + OUT), 2 * (IN_ARRAYS + OUT)),
        ("memory, events of 10 minutes", 1e6 * 600 * EVENT_BYTES // GB, 1e6 * 600 * EVENT_BYTES // GB),
        ("memory, ids of an hour", 1e6 * HOUR * ID_BYTES // GB, 1e6 * HOUR * ID_BYTES // GB),
    ],
)
def test_a_million_events_a_second(what, singles, arrays):
    """The table on paper is what its formulas come to."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {what} |"))
    assert re.findall(r"\| ([\d,]+)(?: GB|) \| ([\d,]+)(?: GB|) \|$", row) == [
        (f"{math.ceil(singles):,}", f"{math.ceil(arrays):,}")
    ]


def test_a_million_events_a_second_on_that_many_primaries():
    """Shards of all sources, and how evenly their hash deals them out."""
    shards, primaries = 2 ** math.ceil(math.log2(4 * 250_000 * 0.1 / 280)), math.ceil(2 * (IN + OUT))
    assert f"share the {shards} shards" in PAGE
    text = " ".join(PAGE.split())
    assert f"{4 * shards:,} lanes, of which {primaries} primaries have {4 * shards / primaries:.0f} each" in text
    found = on_primaries(shards, primaries)
    assert f"here {min(found)} to {max(found)} to each" in PAGE
    assert f"the fullest has {max(found) / shards * primaries:.1f} times the average" in PAGE
    assert f"`RELAY_SHARDS=2048` {max(on_primaries(2048, primaries)) / 2048 * primaries:.1f} times" in PAGE
    held = 1e6 * (600 * EVENT_BYTES + HOUR * ID_BYTES) / GB
    assert f"{held:,.0f} GB / 0.81 on {primaries} primaries: `maxmemory` {held / 0.81 / primaries:.0f} GB each" in PAGE


def on_primaries(shards, primaries):
    """How many of the shards each of so many equal primaries has."""
    dealt = Counter(slot_of(f"relay:{{{shard}}}:layout") * primaries // SLOTS for shard in range(shards))
    return [dealt[primary] for primary in range(primaries)]


def test_the_cost_of_servers():
    """The rows of the table of costs."""
    assert f"| 5 million subscribers, as above | 4; 4 | 8 GB; {servers_gb(8.68, DAYS_3, DAYS_21, 5e6):.0f} GB |" in PAGE
    row = "| 1,000 events/s, 6 hours retained, ids of"
    ids = servers_gb(1000, 0, DAYS_21)
    assert (
        f"{row} 21 days | 4; 4 | 8 GB; {servers_gb(1000, 6 * HOUR, DAYS_21):.0f} GB, of which ids are {ids:.0f} GB |"
        in PAGE
    )
    assert f"{row} a day | 4; 4 | 8 GB; {servers_gb(1000, 6 * HOUR, DAY):.0f} GB |" in PAGE
