"""Claims on jobs: one chain of tasks at a time."""

import redis

from worker.replay.claims import Claims
from worker.store.keys import job_key

KEY = job_key("job-1", "lease")


class Late(redis.Connection):
    """A connection on which a claim ends, and another begins, right after it was read."""

    other: redis.Redis

    def read_response(self, *args, **options):
        answer = super().read_response(*args, **options)
        if answer == b"one":
            self.other.set(KEY, "two")
        return answer


def test_a_claim_is_given_back_by_its_own_chain_alone(redis_client, redis_url):
    """One that had ended in between was another's by then: two chains worked on one job."""
    Late.other = redis_client
    redis_client.set(KEY, "one")
    with redis.Redis(connection_pool=redis.ConnectionPool.from_url(redis_url, connection_class=Late)) as client:
        Claims(client).drop("job-1", "one")
    assert redis_client.get(KEY) == b"two"
    Claims(redis_client).drop("job-1", "one")
    assert redis_client.get(KEY) == b"two"
    Claims(redis_client).drop("job-1", "two")
    assert redis_client.get(KEY) is None
