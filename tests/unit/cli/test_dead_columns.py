"""Rows and bars as they are printed."""

from hypothesis import given
from hypothesis import strategies as st

from worker.cli.columns import columns, sparkline


def test_columns_are_as_wide_as_their_widest_cell():
    """Numbers are aligned right where that is asked for, and no line ends in blanks."""
    assert columns([["a", "1", ""], ["bcd", "22", "x"]], right=[1]) == ["a     1", "bcd  22  x"]
    assert columns([]) == []


@given(st.lists(st.integers(0, 10_000), max_size=24))
def test_a_bar_for_each_count(counts):
    """Nothing is a dot, anything a bar, the most the tallest one."""
    line = sparkline(counts)
    assert len(line) == len(counts)
    assert [mark == "·" for mark in line] == [count == 0 for count in counts]
    if any(counts):
        assert line[counts.index(max(counts))] == "█"
