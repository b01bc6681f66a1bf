"""Brokers that are no Redis carry the wake-ups: RabbitMQ, and a server that speaks SQS; by real processes."""

import pytest

from config.settings import Settings
from tests.support.certificates import Authority
from tests.support.payloads import payload
from tests.support.rabbit import Rabbit
from tests.support.stack import Stack
from tests.support.waiting import elapse, until
from worker.machine.servers import look_at_servers, open_broker
from worker.process.foreign import QUEUE
from worker.store.broker import BrokerAwayError, connect_broker, count_messages, find_broker


@pytest.fixture
def make_rabbit(tmp_path):
    """Starts RabbitMQ."""
    started = []

    def make(tls=None):
        started.append(Rabbit(tmp_path / f"rabbit-{len(started)}", tls))
        started[-1].start()
        return started[-1]

    yield make
    for rabbit in started:
        rabbit.stop()


@pytest.fixture
def make_stack(tmp_path, own_redis):
    made = []

    def make(broker_url, **env):
        chosen = {"RELAY_SWEEP_INTERVAL_S": "60", "RELAY_LEASE_S": "2", **env}
        made.append(Stack(tmp_path / "stack", own_redis().url, RELAY_BROKER_URL=broker_url, **chosen))
        return made[-1]

    yield make
    for stack in made:
        stack.stop()


def wakes_carry_events(stack):
    """With a sweep once a minute, each event arrives at once: what wakes the worker is a message."""
    stack.webhook(payload("ACTIVATE", user_id="first"))
    until(stack.arrived, "the worker is up", within_s=90)
    for number in range(10):
        assert stack.webhook(payload("SUBSCRIPTION_STARTED", user_id=f"user-{number}")).status_code == 200
    until(lambda: len(stack.arrived()) == 11, "all arrive, before the next sweep", within_s=45)


def settings(url, **more):
    return Settings(redis_url="redis://127.0.0.1", broker_url=url, **more)


def broker_fact(stack, url):
    facts = look_at_servers(Settings(redis_url=stack.env["RELAY_REDIS_URL"], broker_url=url, shards=4))
    (fact,) = [fact for fact in facts if fact.area == "broker"]
    return fact


def test_rabbitmq_carries_the_wake_ups_and_may_die(make_rabbit, make_stack):
    """Events arrive at once; without it they are accepted all the same, and arrive once it is back."""
    rabbit = make_rabbit()
    stack = make_stack(rabbit.url, RELAY_SWEEP_INTERVAL_S="2").start()
    wakes_carry_events(stack)
    assert broker_fact(stack, rabbit.url).level == "ok"
    assert stack.relay("check").returncode == 0
    assert stack.relay("status").returncode == 0
    rabbit.kill()
    assert stack.webhook(payload("SUBSCRIPTION_RENEWED", user_id="meanwhile")).status_code == 200
    fact = broker_fact(stack, rabbit.url)
    assert (fact.level, "nothing is delivered" in fact.text, "guest" in fact.text) == ("wrong", True, False)
    rabbit.start()
    until(lambda: len(stack.arrived()) == 12, "it arrives", within_s=90)
    assert stack.relay("audit").returncode == 0
    for name in ("web", "worker", "beat"):
        assert stack.processes[name].poll() is None


def test_a_rabbitmq_that_refuses_is_named_by_check(make_rabbit):
    """A wrong password, no rights, no such virtual host: the first two were ok to `check`, as an empty queue."""
    rabbit = make_rabbit()
    assert rabbit.control("add_user", "nobody", "pass").returncode == 0
    assert rabbit.control("set_permissions", "nobody", "^$", "^$", "^$").returncode == 0
    for url, fault in (
        (rabbit.url.replace(":guest@", ":wrong@"), "AccessRefused"),
        (rabbit.url.replace("guest:guest@", "nobody:pass@"), "AccessRefused"),
        (f"{rabbit.url[:-1]}nowhere", "NotAllowed"),
    ):
        with pytest.raises(BrokerAwayError, match=fault):
            open_broker(find_broker(settings(url)), 5)
    open_broker(find_broker(settings(rabbit.url)), 5)


def test_a_rabbitmq_without_the_virtual_host_is_waited_for(make_rabbit, make_stack):
    """Beat ended with a traceback; a worker connected five times a second and said nothing of why."""
    rabbit = make_rabbit()
    stack = make_stack(f"{rabbit.url[:-1]}later").start()
    for name in ("worker", "beat"):
        until(lambda name=name: "broker_away" in stack.log(name), "it says so")
        assert "fault=NotAllowed" in stack.log(name)
    elapse(6)
    for name in ("worker", "beat"):
        assert (stack.processes[name].poll(), "Traceback" in stack.log(name)) == (None, False)
        assert "Frequent restarts" not in stack.log(name)
    assert rabbit.control("add_vhost", "later").returncode == 0
    assert rabbit.control("set_permissions", "--vhost", "later", "guest", ".*", ".*", ".*").returncode == 0
    wakes_carry_events(stack)


def test_a_worker_that_hears_nothing_of_rabbitmq_is_found(make_rabbit):
    """The watchdog counts what waits in any broker that kombu knows; a queue that nobody declared is empty."""
    rabbit = make_rabbit()
    broker = find_broker(settings(rabbit.url))
    assert count_messages(broker, QUEUE, 5) == 0
    with connect_broker(broker, 5) as connection, connection.SimpleQueue(QUEUE) as queue:
        for _ in range(3):
            queue.put({"nobody": "reads it"})
        until(lambda: count_messages(broker, QUEUE, 5) == 3, "three wait")
    rabbit.kill()
    with pytest.raises(BrokerAwayError):
        count_messages(broker, QUEUE, 2)


def test_rabbitmq_is_verified(make_rabbit, make_stack, tmp_path):
    """`amqps://` by the authority of RELAY_REDIS_CA, and its host; a stranger is not given the password."""
    ours = Authority(tmp_path, "ours")
    ours.context("127.0.0.1")
    rabbit = make_rabbit(tmp_path)
    url = f"amqps://guest:guest@127.0.0.1:{rabbit.tls_port}//"
    assert count_messages(find_broker(settings(url, redis_ca=ours.pem)), QUEUE, 5) == 0
    for wrong in (settings(url), settings(url, redis_ca=Authority(tmp_path, "another").pem)):
        with pytest.raises(BrokerAwayError, match="SSLCertVerificationError"):
            count_messages(find_broker(wrong), QUEUE, 5)
    stack = make_stack(url, RELAY_REDIS_CA=str(ours.pem)).start()
    wakes_carry_events(stack)


def test_a_rabbitmq_of_another_name_is_refused(make_rabbit, tmp_path):
    """The certificate must be of the host in the address."""
    ours = Authority(tmp_path, "ours")
    ours.context("rabbit.example")
    rabbit = make_rabbit(tmp_path)
    url = f"amqps://guest:guest@127.0.0.1:{rabbit.tls_port}//"
    with pytest.raises(BrokerAwayError, match="SSLCertVerificationError"):
        count_messages(find_broker(settings(url, redis_ca=ours.pem)), QUEUE, 5)


@pytest.fixture
def sqs():
    """A server that speaks SQS."""
    pytest.importorskip("pycurl")
    pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"sqs://test:test@{host}:{port}//?is_secure=false&region=us-east-1&wait_time_seconds=1&polling_interval=0.1"
    server.stop()


def test_sqs_carries_the_wake_ups(sqs, make_stack):
    """Events arrive at once; `check` and the watchdog ask it too."""
    stack = make_stack(sqs).start()
    wakes_carry_events(stack)
    assert broker_fact(stack, sqs).level == "ok"
    assert count_messages(find_broker(settings(sqs)), QUEUE, 5) == 0
    assert stack.relay("check").returncode == 0
