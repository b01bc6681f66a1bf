"""Replay jobs: their states, their claims, their history."""

import pytest

from tests.support.deadletter import letter
from worker.errors import OperatorError
from worker.replay.claims import Claims
from worker.replay.job import Job
from worker.replay.jobs import HISTORY, PREPARED_S, Jobs
from worker.store.layout import Layout, write_layout

SHARDS = 4


@pytest.fixture
def jobs(redis_client):
    """The jobs of an empty database."""
    return Jobs(redis_client, SHARDS)


def job(name="replay-1", created_ms=1, matched=0):
    """A job to start."""
    return Job(name, "me", "--all", ["production"], created_ms, 100, matched)


def ids(number):
    """Ids of letters over all shards."""
    return [letter().id.replace(".2.", f".{n % SHARDS}.").replace("500-0", f"500-{n}") for n in range(number)]


def test_a_job_remembers_what_was_asked(jobs):
    """Who, which filter, how many, at which rate: as it was started."""
    jobs.start(job(matched=10), ids(10))
    found = jobs.get("replay-1")
    assert (found.by, found.filter, found.rate, found.matched, found.left) == ("me", "--all", 100, 10, 10)
    assert (found.state, found.counts, found.closed) == ("running", {}, False)
    assert jobs.lanes(found) == [("production", 0, 3), ("production", 1, 3), ("production", 2, 2), ("production", 3, 2)]


def test_a_start_that_is_repeated_adds_nothing(jobs):
    """A command that lost its answer writes the same list again."""
    for _ in range(2):
        jobs.start(job(matched=5), ids(5))
    assert jobs.get("replay-1").left == 5


def test_what_a_job_is_to_do_does_not_expire(jobs, redis_client):
    """The list is bounded in time only until the job runs."""
    jobs.start(job(matched=8), ids(8))
    assert [redis_client.ttl(key) for key in redis_client.keys("*:replay:*")] == [-1] * 4


def test_a_job_is_not_started_on_lanes_of_before_a_growth(jobs, redis_client):
    """What it was to send is of people who are elsewhere now, with their states; nothing is kept of it."""
    moving = Layout(SHARDS).grown(2 * SHARDS, 5)
    for layout, said in (
        (moving, "is growing to 8"),
        (Layout(2 * SHARDS, 2, moving.former), "8 shards by now, and were 4"),
    ):
        write_layout(redis_client, layout)
        with pytest.raises(OperatorError, match=said):
            jobs.start(job(matched=8), ids(8), dict.fromkeys(ids(8), b"{}"))
        assert redis_client.keys("*:replay:*") == redis_client.keys("*:carried:*") == []
        assert jobs.open() == []


def test_a_growth_that_begins_while_a_job_is_started_ends_it(jobs, redis_client):
    """It waits for the jobs that it sees, and need not have seen this one."""

    class Growing:
        """The client of the job, while somebody else has the shards grow."""

        def __getattr__(self, name):
            return getattr(redis_client, name)

        def zadd(self, *args):
            write_layout(redis_client, Layout(SHARDS).grown(2 * SHARDS, 5))
            return redis_client.zadd(*args)

    with pytest.raises(OperatorError, match="is growing to 8"):
        Jobs(Growing(), SHARDS).start(job(matched=8), ids(8), dict.fromkeys(ids(8), b"{}"))
    assert (jobs.get("replay-1").state, jobs.open()) == ("aborted", [])
    assert redis_client.keys("*:replay:*") == redis_client.keys("*:carried:*") == []


def test_what_was_prepared_for_a_job_that_never_started_is_not_kept(jobs, redis_client):
    """A command that is killed leaves events of people behind, where no `relay forget` looks for them: for an hour."""

    class Ending:
        """The client of a command that ends before the job is there."""

        def __getattr__(self, name):
            return getattr(redis_client, name)

        def zadd(self, *_):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Jobs(Ending(), SHARDS).start(job(matched=8), ids(8), dict.fromkeys(ids(8), b"{}"))
    assert {0 < redis_client.ttl(key) <= PREPARED_S for key in redis_client.keys("*:carried:*")} == {True}


@pytest.mark.parametrize(
    ("moves", "state"),
    [
        (["paused"], "paused"),
        (["paused", "running"], "running"),
        (["paused", "paused"], "paused"),
        (["aborted", "running"], "aborted"),
        (["paused", "aborted"], "aborted"),
        (["done", "aborted"], "done"),
        (["paused", "done"], "paused"),
    ],
)
def test_a_job_moves_between_its_states(jobs, moves, state):
    """What has ended does not run again; what is paused cannot be done."""
    jobs.start(job(matched=1), ids(1))
    for move in moves:
        now = jobs.move("replay-1", move)
    assert (now, jobs.get("replay-1").state) == (state, state)
    assert (jobs.get("replay-1").ended_ms > 0) is (state in {"aborted", "done"})
    assert jobs.move("none", "paused") is None


def test_an_aborted_job_is_closed_with_what_was_left(jobs, redis_client):
    """Its counts and what it had not tried yet are kept, its lists are not; closing twice changes nothing."""
    jobs.start(job(matched=6), ids(6))
    redis_client.hset("relay:{1}:replayed:production:replay-1", mapping={"delivered": 2, "dead": 1, "most": 7})
    jobs.move("replay-1", "aborted")
    for _ in range(2):
        jobs.close(jobs.peek("replay-1"))
        found = jobs.get("replay-1")
        assert (found.state, found.counts, found.left, found.closed) == (
            "aborted",
            {"delivered": 2, "dead": 1},
            6,
            True,
        )
    assert not redis_client.keys("*replay:production*")
    assert jobs.open() == []


def test_the_newest_jobs_are_listed_first(jobs):
    """Page by page."""
    for n in range(5):
        jobs.start(job(f"replay-{n}", created_ms=n + 1), [])
    first = jobs.page(3)
    assert [one.id for one in first] == ["replay-4", "replay-3", "replay-2"]
    assert [one.id for one in jobs.page(3, first[-1].created_ms)] == ["replay-1", "replay-0"]


def test_the_history_is_bounded(jobs, redis_client):
    """The oldest jobs that have ended are forgotten, never one that is still open."""
    jobs.start(job("open", created_ms=1), ids(1))
    for n in range(HISTORY + 10):
        jobs.start(job(f"replay-{n}", created_ms=n + 2), [])
        jobs.move(f"replay-{n}", "done")
        jobs.close(jobs.peek(f"replay-{n}"))
    assert jobs.get("open").left == 1
    assert len(redis_client.keys("relay:{jobs}:job:*")) <= HISTORY + 1
    assert jobs.get("replay-0") is None


def test_a_forgotten_persons_name_leaves_the_history(jobs):
    """What somebody typed to find their letters goes with them."""
    jobs.start(Job("mine", "me", "--person Ada@Example.com", ["production"], 1, 0, 0), [])
    jobs.start(job("other", created_ms=2), [])
    jobs.forget("ada@example.com")
    assert [one.filter for one in jobs.page(2)] == ["--all", "(forgotten)"]


def test_one_chain_of_tasks_works_on_a_job(redis_client):
    """Each task hands the claim to its successor; a message that comes twice, or from a broken chain, does nothing."""
    claims = Claims(redis_client)
    assert claims.take("j", "a", "b", 5000)
    assert not claims.take("j", "x", "y", 5000), "another chain"
    assert claims.take("j", "b", "c", 5000), "the successor"
    assert not claims.take("j", "b", "d", 5000), "the same message again"
    claims.drop("j", "b")
    assert claims.claimed(["j", "k"]) == {"j"}
    claims.drop("j", "c")
    assert claims.claimed(["j", "k"]) == set()
    assert claims.take("j", "old", "e", 5000), "nobody is at work"


def test_a_claim_expires(redis_client):
    """A chain that broke is nobody's for long."""
    claims = Claims(redis_client)
    claims.take("j", "a", "b", 5000)
    assert 0 < redis_client.pttl("relay:{jobs}:lease:j") <= 5000
    claims.renew("j", 9000)
    assert redis_client.pttl("relay:{jobs}:lease:j") > 5000
