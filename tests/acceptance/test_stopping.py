"""A worker that is stopped: what it was asked for and has not begun is there for others at once."""

import signal

import pytest

from config.settings import Settings
from tests.support.payloads import payload
from tests.support.rabbit import Rabbit
from tests.support.waiting import until
from worker.process.foreign import QUEUE
from worker.store.broker import count_messages, find_broker

PEOPLE = 60


@pytest.fixture
def rabbit(tmp_path):
    """A broker that is no Redis."""
    made = Rabbit(tmp_path / "rabbit")
    made.start()
    yield made.url
    made.stop()


def with_workers(make_stack, *more, **env):
    """A relay that sweeps once a minute, with workers of two lanes each."""
    chosen = {"RELAY_SHARDS": "16", "RELAY_SWEEP_INTERVAL_S": "60", "RELAY_REQUEST_TIMEOUT_S": "120", **env}
    stack = make_stack(**chosen).start("simulator", "web", "worker")
    for name in more:
        stack.start_as(name, "worker", concurrency=2)
    for name in ("worker", *more):
        until(lambda name=name: "worker_ready" in stack.log(name), f"{name} is ready", within_s=60)
    return stack


def ask_for_many_lanes(stack, slow_s):
    """More than the workers have in hand, whose answers take their time."""
    stack.faults(arm={"slow": {"probability": 1}}, slow_s=slow_s)
    events = [payload("ACTIVATE", user_id=f"user-{number}") for number in range(PEOPLE)]
    assert stack.post(events).status_code == 200
    until(stack.arrived, "requests are under way", every_s=0.01)


def test_the_other_worker_goes_on_with_the_lanes(make_stack):
    """What the stopped one had taken from the broker, and began and gave up, waited for the sweep."""
    stack = with_workers(make_stack, "other")
    ask_for_many_lanes(stack, slow_s=1)
    stack.processes["worker"].send_signal(signal.SIGTERM)
    stack.faults()
    until(lambda: stack.account.delivered == PEOPLE, "all is delivered, before the next sweep", within_s=45)
    assert stack.processes["worker"].wait(timeout=60) == 0
    assert stack.inspect("stats")["duplicates"] == 0


def not_begun_is_back(stack):
    """While the batches in hand go on, all other lanes are in the broker's queue; it was so once they had ended."""
    broker = find_broker(
        Settings(redis_url=stack.env["RELAY_REDIS_URL"], broker_url=stack.env.get("RELAY_BROKER_URL", ""))
    )
    ask_for_many_lanes(stack, slow_s=120)
    lanes = len(stack.parts.redis.keys("relay:{*}:events:app"))
    until(lambda: len(stack.parts.redis.keys("relay:{*}:lease:*")) == 2, "two are in hand")
    until(lambda: count_messages(broker, QUEUE, 5) < lanes - 2, "more are taken")
    stack.processes["worker"].send_signal(signal.SIGTERM)
    until(lambda: count_messages(broker, QUEUE, 5) == lanes - 2, "the others are back")
    assert stack.processes["worker"].poll() is None


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_what_is_not_begun_is_back_at_once(make_stack, pool):
    """Not when the slowest answer has come."""
    not_begun_is_back(with_workers(make_stack, RELAY_POOL=pool))


def test_so_it_is_over_rabbitmq(make_stack, rabbit):
    """Which gives back by itself what was not begun, but only then."""
    not_begun_is_back(with_workers(make_stack, RELAY_BROKER_URL=rabbit))
