"""Charts: valid SVG without styles of its own, that shows every number it stands for."""

import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from worker.console.charts import bars, days, sparkline
from worker.store.samples import Point, Series

START_MS = 1_764_115_200_000
SVG = "{http://www.w3.org/2000/svg}"


def series(*points, step_ms=60_000):
    return Series("15m", step_ms, tuple(Point(START_MS + n * step_ms, **point) for n, point in enumerate(points)))


def read(chart):
    """The drawing as a browser reads it: well-formed, without what the content security policy forbids."""
    assert not re.search(r"\sstyle=|<style|<script|\son\w+=|href", chart.svg)
    assert chart.__html__() == chart.svg
    return ET.fromstring(chart.svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def rects(tree):
    return [(one.get("class"), float(one.get("height"))) for one in tree.iter(f"{SVG}rect")]


def test_bars_are_as_high_as_their_numbers():
    """Parts on top of each other; the highest fills the drawing; the table has the same numbers."""
    chart = bars(series({"sent": 30, "failed": 30}, {"sent": 15}, {}), "production", "c1")
    assert rects(read(chart)) == [("sent", 30), ("failed", 30), ("sent", 15)]
    assert (chart.columns, chart.most) == (("received", "filtered", "sent", "failed"), 60)
    assert [row.values for row in chart.rows] == [(0, 0, 30, 30), (0, 0, 15, 0), (0, 0, 0, 0)]


def test_one_failed_event_among_thousands_is_seen():
    """It has a height, and stays within the drawing."""
    drawn = rects(read(bars(series({"sent": 1_000_000, "failed": 1}), "t", "c")))
    assert [kind for kind, _ in drawn] == ["sent", "failed"]
    assert drawn[1][1] >= 1


def test_what_nobody_counted_is_drawn_as_unknown():
    """And said, so that a gap is not taken for silence."""
    chart = bars(series({"sent": 1}, {"known": False}), "t", "c")
    assert [kind for kind, _ in rects(read(chart))] == ["sent", "unknown"]
    assert "1 sent, 0 failed; 1 step not counted" in chart.svg
    assert [row.known for row in chart.rows] == [True, False]


def test_a_held_step_has_a_mark():
    """With how many events wait."""
    chart = bars(series({"held": True, "waiting": 1200}), "t", "c")
    assert [kind for kind, _ in rects(read(chart))] == ["held"]
    assert "held, 1,200 events waiting" in chart.svg


def test_a_title_and_a_description_for_who_does_not_see_it():
    """Named by ids of this chart alone; what strangers wrote is text."""
    chart = bars(series({"sent": 1}), "<b>crm & co</b>", "a b")
    tree = read(chart)
    assert tree.get("aria-labelledby") == "a-b-title a-b-desc"
    assert tree.find(f"{SVG}title").text == "<b>crm & co</b>"
    assert tree.find(f"{SVG}desc").text == "1 sent, 0 failed"


def test_a_sparkline_has_gaps():
    """A line for each run of steps that were counted; the step that is not over is none."""
    chart = sparkline(series({"sent": 2}, {"sent": 4}, {"known": False}, {"sent": 1}, {"sent": 9}), "t", "c")
    lines = [one.get("points") for one in read(chart).iter(f"{SVG}polyline")]
    assert lines == ["5,30 15,0", "35,45 35,45"]


def test_days():
    """A bar a day, and the sum in words."""
    chart = days((0, 3, 6), "ACTIVATE", "c")
    assert rects(read(chart)) == [("sent", 0), ("sent", 30), ("sent", 60)]
    assert "9 events in 3 days" in chart.svg


COUNTS = st.integers(0, 10**9)
POINTS = st.lists(
    st.fixed_dictionaries(
        {"sent": COUNTS, "failed": COUNTS, "filtered": COUNTS, "held": st.booleans(), "known": st.booleans()}
    ),
    max_size=20,
)


@given(POINTS, st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_whatever_the_numbers_the_drawing_is_whole(points, title):
    """Well-formed, and no bar leaves the drawing."""
    for chart in (
        bars(series(*points), title, title, ("sent", "failed", "filtered")),
        sparkline(series(*points), title, "x"),
    ):
        for one in read(chart).iter(f"{SVG}rect"):
            y, height = float(one.get("y")), float(one.get("height"))
            assert -0.01 <= y <= y + height <= 60.01
