"""The page on scaling: its formulas come to the figures that it prints."""

import math
import re

import pytest

from config.settings import Settings
from tests.support.pages import ROOT
from worker.machine.sizing import EVENT_BYTES, ID_BYTES, PERSON_BYTES

PAGE = (ROOT / "docs/scaling.md").read_text("utf-8")
GB = 1e9
DAYS_3, DAYS_21 = Settings.model_fields["retention_s"].default, Settings.model_fields["dedup_window_s"].default


def test_it_has_the_bytes_that_check_computes_with():
    """`relay check --rate` and the page say the same."""
    formula = PAGE.partition("## Memory of Redis")[2].partition("```")[2].partition("```")[0]
    found = [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) bytes", formula)]
    assert found == [EVENT_BYTES, ID_BYTES, PERSON_BYTES, EVENT_BYTES]


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


@pytest.mark.parametrize(
    ("what", "singles", "arrays"),
    [
        ("web processes", 2e6 / 23_900, 2e6 / 147_000),
        ("worker processes", 2e6 / 32_500, 2e6 / 32_500),
        ("Customer.io workspaces", 1e6 / 280_000, 1e6 / 280_000),
        ("requests/s, all workspaces", 1e6 / 280, 1e6 / 280),
        ("Redis primaries, by processor", 2 * 21.5, 2 * 12.5),
    ],
)
def test_a_million_events_a_second(what, singles, arrays):
    """The table on paper is what its formulas come to."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {what} |"))
    assert re.findall(r"\| ([\d,]+) \| ([\d,]+) \|$", row) == [(f"{math.ceil(singles):,}", f"{math.ceil(arrays):,}")]
