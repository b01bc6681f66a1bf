"""Drafts in Redis: one a login, no lost update, and none that stays for ever."""

import pytest

from worker.console.drafts import DraftMovedError, Drafts
from worker.store.keys import DRAFTS

DAY_S = 86_400


class Clock:
    now_s = 1_764_115_200.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def drafts(redis_client, clock):
    return Drafts(redis_client, clock)


def test_a_draft_is_kept_changed_and_dropped(drafts, clock):
    """It says who, of which revision, since when; a former text is found by its version."""
    assert drafts.get("anna") is None
    first = drafts.save("anna", 41, "a = 1\n", "")
    clock.now_s += 60
    second = drafts.save("anna", 41, "a = 2\n", first.version)
    assert drafts.get("anna") == second
    assert (second.login, second.base, second.text) == ("anna", 41, "a = 2\n")
    assert second.at_ms - second.since_ms == 60_000
    assert second.text_at(first.version) == "a = 1\n"
    assert second.text_at("older") is None
    drafts.drop("anna", second.version)
    assert drafts.all() == []


def test_a_second_tab_loses_nothing(drafts):
    """What was made of an older version is refused, and comes with what is there now."""
    first = drafts.save("anna", 41, "a = 1\n", "")
    drafts.save("anna", 41, "a = 2\n", first.version)
    for was in (first.version, ""):
        with pytest.raises(DraftMovedError) as moved:
            drafts.save("anna", 41, "a = 3\n", was)
        assert moved.value.now.text == "a = 2\n"
        with pytest.raises(DraftMovedError):
            drafts.drop("anna", was)
    assert drafts.get("anna").text == "a = 2\n"


def test_a_published_draft_is_not_saved_again(drafts):
    """A tab that still shows it learns that there is none any more."""
    draft = drafts.save("anna", 41, "a = 1\n", "")
    drafts.drop("anna", draft.version)
    with pytest.raises(DraftMovedError) as moved:
        drafts.save("anna", 41, "a = 2\n", draft.version)
    assert moved.value.now is None


def test_everybodys_drafts(drafts, clock):
    """Saved last first; each login has its own."""
    drafts.save("anna", 41, "a = 1\n", "")
    clock.now_s += 1
    drafts.save("bob@example.com", 42, "a = 2\n", "")
    assert [(one.login, one.base) for one in drafts.all()] == [("bob@example.com", 42), ("anna", 41)]


def test_a_draft_goes_after_thirty_days(drafts, clock, redis_client):
    """When somebody saves another one; the last ones with the whole key."""
    drafts.save("anna", 41, "a = 1\n", "")
    clock.now_s += 31 * DAY_S
    drafts.save("bob", 42, "a = 2\n", "")
    assert [one.login for one in drafts.all()] == ["bob"]
    assert 0 < redis_client.ttl(DRAFTS) <= 30 * DAY_S


def test_only_a_few_former_texts_are_kept(drafts):
    """So that a form of some minutes ago can be merged, and the record stays small."""
    draft = drafts.save("anna", 41, "0", "")
    first = draft.version
    for n in range(1, 20):
        draft = drafts.save("anna", 41, str(n), draft.version)
    assert len(draft.former) == 5
    assert draft.text_at(first) is None


def test_a_foreign_record_is_no_draft(drafts, redis_client):
    """What another release wrote is not shown, and not overwritten in silence."""
    redis_client.hset(DRAFTS, "anna", b"\xff")
    assert drafts.get("anna") is None
    assert drafts.all() == []
    with pytest.raises(DraftMovedError):
        drafts.save("anna", 41, "a", "")
