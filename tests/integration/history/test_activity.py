"""Activity: the newest events of all shards in one list, page by page, and what is looked for in it."""

from pathlib import Path

import pytest

from tests.support.deadstack import event, opened
from worker.history.activity import Wanted
from worker.history.cursor import cursor_of
from worker.history.room import open_history


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio):
    """A relay with thirty events over its shards, some of them filtered."""
    with opened(tmp_path, redis_url, customerio) as stack:
        stack.restart(('"*" = true', '"*" = true\nACTIVATE = false'))
        names = ["SUBSCRIPTION_RENEWED", "ACTIVATE", "RENEWAL_DISABLED"]
        stack.deliver(*[event(n, names[n % 3], event_id=f"e{n}") for n in range(30)])
        yield stack


def pages(stack, wanted: Wanted, limit: int, budget_s: float = 10.0) -> list[list[str]]:
    """All pages, as ids of events."""
    found, cursor = [], None
    while True:
        page = open_history(stack.parts).activity(wanted, limit, cursor, budget_s)
        found.append([one.event.event_id for one in page.items])
        if not page.more:
            return found
        cursor = cursor_of(page.last)


def test_pages_hold_every_event_once_newest_first(stack):
    """Whatever the size of a page, and however many streams they come from."""
    whole = open_history(stack.parts).activity(Wanted(), 1000).items
    places = [(one.event.received_ms, one.event.entry) for one in whole]
    assert sorted((ms for ms, _ in places), reverse=True) == [ms for ms, _ in places]
    ids = [one.event.event_id for one in whole]
    assert sorted(ids) == sorted(f"e{n}" for n in range(30))
    assert [ident for page in pages(stack, Wanted(), 7) for ident in page] == ids


def test_it_is_searched_by_code_and_outcome(stack):
    """Only what was asked for is in the list, and the rest was looked at."""
    filtered = open_history(stack.parts).activity(Wanted(outcome="filtered"), 100)
    assert {one.event.event_name for one in filtered.items} == {"ACTIVATE"}
    assert (len(filtered.items), filtered.looked_at, filtered.more) == (10, 30, False)
    renewed = open_history(stack.parts).activity(Wanted("SUBSCRIPTION_RENEWED", "filtered", "production"), 100)
    assert renewed.items == []


def test_a_search_ends_when_its_time_is_up_and_goes_on_from_there(stack):
    """It says how far it came; the next page begins there."""
    first = open_history(stack.parts).activity(Wanted("ACTIVATE"), 5, None, budget_s=0.0)
    assert first.more
    assert first.looked_at < 30
    found = [ident for page in pages(stack, Wanted("ACTIVATE"), 5, budget_s=0.0) for ident in page]
    assert len(found) == len(set(found)) == 10
