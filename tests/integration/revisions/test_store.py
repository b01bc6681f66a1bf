"""Revisions in Redis: numbered, immutable, one in force."""

import threading

import pytest

from tests.integration.revisions.conftest import revision
from worker.revisions.store import MovedError, SeenError, UnreadableError
from worker.store.keys import REVISIONS


def test_a_revision_is_numbered_and_in_force(revisions):
    """The first one is number 1, the next one 2; both stay as they were written."""
    assert revisions.head() == 0
    assert revisions.publish(revision("a = 1", note="why"), 0) == 1
    assert revisions.publish(revision("a = 2"), 1) == 2
    assert revisions.head() == 2
    assert revisions.get(1) == revision("a = 1", note="why", number=1)
    assert [one.text for one in revisions.all()] == ["a = 2", "a = 1"]


def test_a_pointer_that_moved_refuses(revisions):
    """Whoever planned against revision 1 cannot publish over 2, and nothing changes."""
    revisions.publish(revision("a = 1"), 0)
    revisions.publish(revision("a = 2"), 1)
    with pytest.raises(MovedError, match="revision 2 came into force meanwhile"):
        revisions.publish(revision("a = 3"), 1)
    assert revisions.head() == 2
    assert len(revisions.all()) == 2


def test_an_answer_that_was_lost_is_asked_for_again(revisions):
    """The same revision published again over the same one is the one that is in force already."""
    assert revisions.publish(revision("a = 1"), 0) == 1
    assert revisions.publish(revision("a = 1"), 0) == 1
    with pytest.raises(MovedError):
        revisions.publish(revision("a = 1", at_ms=2), 0)
    assert len(revisions.all()) == 1


def test_of_many_at_once_one_wins(revisions):
    """Ten who publish over the same revision: one number, nine refusals."""
    revisions.publish(revision("a = 0"), 0)
    results = []

    def publish(n):
        try:
            results.append(revisions.publish(revision(f"a = {n}"), 1))
        except MovedError:
            results.append(0)

    threads = [threading.Thread(target=publish, args=(n,)) for n in range(1, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0] * 9 + [2]


def test_a_file_seen_before_is_not_published_again(revisions):
    """With `once` a digest is published once, whatever came after it."""
    revisions.publish(revision("old"), 0, once=True)
    revisions.publish(revision("new"), 1, once=True)
    with pytest.raises(SeenError) as seen:
        revisions.publish(revision("old"), 2, once=True)
    assert seen.value.number == 1
    assert revisions.publish(revision("old"), 2) == 3, "a roll-back is a new revision with the old content"


@pytest.mark.parametrize("head", [b"\xff\xfe", b"-1", b"1e9", b"7" * 30])
def test_a_foreign_pointer_is_said_so(revisions, redis_client, head):
    """Bytes that are no number are an error that names the key, never a crash."""
    redis_client.hset(REVISIONS, "head", head)
    with pytest.raises(UnreadableError, match="relay:config:revisions"):
        revisions.head()
    with pytest.raises(MovedError):
        revisions.publish(revision("a = 1"), 0)


def test_a_foreign_key_is_said_so(revisions, redis_client):
    """Another type under the key: every way to it says so."""
    redis_client.set(REVISIONS, "mine")
    for act in (
        revisions.head,
        lambda: revisions.get(1),
        revisions.all,
        lambda: revisions.publish(revision("a = 1"), 0),
    ):
        with pytest.raises(UnreadableError, match="relay:config:revisions"):
            act()


def test_a_revision_that_cannot_be_read_is_left_out_of_the_log(revisions, redis_client):
    """Foreign bytes for one revision hide that one alone."""
    revisions.publish(revision("a = 1"), 0)
    redis_client.hset(REVISIONS, "2", b"\xff{")
    redis_client.hset(REVISIONS, b"\xff", b"")
    assert [one.number for one in revisions.all()] == [1]
    with pytest.raises(UnreadableError, match="revision 2"):
        revisions.get(2)
    assert revisions.publish(revision("a = 3"), 1) == 3, "its number is not given again"
