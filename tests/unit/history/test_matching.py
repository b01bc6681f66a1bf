"""Match of what was sent with what Customer.io has."""

from hypothesis import given
from hypothesis import strategies as st

from worker.history.exported import There
from worker.history.hints import Hint, hints
from worker.history.matching import match
from worker.history.shadowed import Here

HOUR_MS = 3_600_000
T = 1_764_115_200_000


def here(name="E", person="u", at_ms=T, event_id="", entry="0/1-0"):
    return Here(name, person, at_ms, event_id, entry)


def there(name="E", *people, at_ms=T, event_id=""):
    return There(name, people or ("u",), at_ms, event_id)


def test_the_same_id_is_the_same_event_whatever_the_time():
    """And another id at the same time is matched by time all the same: most exports have none."""
    found = match(
        [here(event_id="1"), here(event_id="2")], [there(event_id="1", at_ms=T + 99 * HOUR_MS), there()], HOUR_MS
    )
    assert (found.both, found.is_alike) == (2, True)


def test_one_person_under_an_id_and_an_address_is_one():
    """Where one row has both, rows and events with either are of the same person."""
    rows = [there("A", "u", "ann@example.com"), there("B", "ann@example.com")]
    found = match([here("A", "u"), here("B", "u")], rows, HOUR_MS)
    assert found.is_alike
    assert match([here("A", "ann@example.com"), here("B", "u")], rows, HOUR_MS).is_alike


def test_events_of_one_name_and_person_are_paired_in_the_order_of_time():
    """What is too far apart is on either side alone; people with no difference are not listed."""
    mine = [here(at_ms=T), here(at_ms=T + 5 * HOUR_MS), here("E", "alike")]
    theirs = [there(at_ms=T + HOUR_MS // 2), there(at_ms=T + 9 * HOUR_MS), there("E", "alike")]
    found = match(mine, theirs, HOUR_MS)
    row = found.rows["E"]
    assert (row.both, row.only_here, row.only_there) == (2, 1, 1)
    assert (list(found.people), found.people_alike) == (["u"], 1)


def test_a_row_without_a_time_goes_with_any():
    """Once."""
    found = match(
        [here(), here(at_ms=T + 99 * HOUR_MS), here(at_ms=T - 99 * HOUR_MS)], [There("E", ("u",))] * 2, HOUR_MS
    )
    assert (found.both, len(found.only_here), found.only_there) == (2, 1, [])


def test_beyond_the_edges_what_one_side_has_alone_is_nothing():
    """A pair over the edge is one."""
    found = match([here(at_ms=T - 1), here(at_ms=T - HOUR_MS)], [there(at_ms=T + 1)], HOUR_MS, lambda ms: ms >= T)
    assert (found.both, found.is_alike) == (1, True)


events = st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from("xy"), st.integers(0, 9)), max_size=12)


@given(events, events, st.integers(0, 5))
def test_every_event_is_counted_once(mine, theirs, within):
    """Both sides add up, nothing within reach is left on both sides, and the same lists have no difference."""
    ours = [here(name, person, at) for name, person, at in mine]
    rows = [there(name, person, at_ms=at) for name, person, at in theirs]
    found = match(ours, rows, within)
    assert found.both + len(found.only_here) == len(ours)
    assert found.both + len(found.only_there) == len(rows)
    assert sum(row.only_here + row.only_there for row in found.rows.values()) == len(found.only_here) + len(
        found.only_there
    )
    assert not any(
        (one.name, one.person) == (other.name, other.people[0]) and abs(one.time_ms - other.time_ms) <= within
        for one in found.only_here
        for other in found.only_there
    )
    assert match(ours, [there(*one[:2], at_ms=one[2]) for one in mine], within).is_alike


def test_one_cause_of_many_differences_is_said():
    """Another name, other people, a shifted clock; a coincidence is not."""
    mine = [here("RENEWED", f"u-{n}", T + n * 60_000, entry=f"0/{n}-0") for n in range(5)]
    renamed = [there("sub_renewed", f"u-{n}", at_ms=T + n * 60_000) for n in range(5)]
    assert hints(mine, renamed, HOUR_MS) == [Hint("other_name", "RENEWED", "sub_renewed", 5)]
    others = [there("RENEWED", f"cio-{n}", at_ms=T + n * 60_000) for n in range(5)]
    assert hints(mine, others, HOUR_MS) == [Hint("other_person", "u-0", "cio-0", 5)]
    shifted = [there("RENEWED", f"u-{n}", at_ms=T + n * 60_000 + 2 * HOUR_MS) for n in range(5)]
    assert hints(mine, shifted, HOUR_MS) == [Hint("other_time", "0 h", "+2 h", 5)]
    assert hints(mine[:2], renamed[:2], HOUR_MS) == []
