"""More shards while the relay runs: nothing is lost, doubled or out of order, whoever is killed in the middle."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.payloads import payload
from tests.support.servers import free_port
from tests.support.stack import TOKEN, procfile
from tests.support.waiting import elapse, until

PEOPLE, SENDERS, A_SECOND = 200, 8, 200
START_MS = 1_760_000_000_000


class Traffic:
    """Events of 200 people through two doors, each person's one behind the 200 for the last; `sent` has their ids."""

    def __init__(self, doors):
        self._doors = doors
        self.sent = {f"user-{number}": [] for number in range(PEOPLE)}
        self.answers = []
        self._ended = threading.Event()
        self._senders = ThreadPoolExecutor(SENDERS)
        self._running = [self._senders.submit(self._run, first) for first in range(SENDERS)]

    @property
    def count(self):
        return sum(map(len, self.sent.values()))

    def end(self):
        self._ended.set()
        for one in self._running:
            one.result()
        self._senders.shutdown()

    def _run(self, first):
        turn = 0
        with requests.Session() as http:
            http.trust_env = False
            while not self._ended.is_set():
                for number in range(first, PEOPLE, SENDERS):
                    self._send(http, f"user-{number}", turn, self._doors[(turn + number) % len(self._doors)])
                    self._ended.wait(SENDERS / A_SECOND)
                turn += 1

    def _send(self, http, person, turn, door):
        facts = {"plan": f"plan-{turn}", "purchasely_subscription_id": f"sub-{person}"}
        event = payload("SUBSCRIPTION_RENEWED", user_id=person, event_created_at_ms=START_MS + turn * 60_000, **facts)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        while True:
            answer = http.post(f"{door}/v1/events/app", json=event, headers=headers, timeout=30)
            self.answers.append(answer.status_code)
            if answer.status_code == 200:
                self.sent[person].append(event["event_id"])
                return
            elapse(0.2)


@pytest.fixture
def stack(make_stack):
    """Two doors and two workers of four shards; `second` is the other door."""
    stack = make_stack(RELAY_CONCURRENCY="4").start("simulator", "web", "beat")
    port = free_port()
    stack.second = f"http://127.0.0.1:{port}"
    stack.spawn("web-2", procfile()["web"].replace("${PORT:-${RELAY_PORT:-8080}}", str(port)))
    for name in ("worker", "worker-2"):
        stack.start_as(name, "worker", concurrency=4)
    until(lambda: answers(f"{stack.second}/readyz"), "the second door answers")
    return stack


def answers(url):
    try:
        return requests.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        return False


def arrived(stack):
    """The ids of each person's events, in order of arrival."""
    found = {}
    for event in stack.arrived():
        found.setdefault(event["person"]["id"], []).append(event["attributes"]["event_id"])
    return found


def reshard(stack, shards):
    """The command, in the background."""
    return stack.spawn("reshard", f"relay reshard {shards} --yes -m drill")


@pytest.mark.parametrize("moment", ["relay:layout", "relay:{15}:layout"])
def test_the_shards_grow_under_load_whoever_is_killed(stack, moment):
    """Kill -9 of the command, before or behind the change-over, and of a worker; then the command again."""
    traffic = Traffic([stack.web, stack.second])
    until(lambda: traffic.count > 400, "some came", within_s=60)
    stack.faults(arm={"slow": {"next": 3}}, slow_s=2)  # so that something waits on the former shards
    reshard(stack, 16)
    until(lambda: stack.parts.redis.exists(moment), "it has begun", every_s=0.005)
    for name in ("reshard", "worker"):
        stack.kill(name)
    stack.start_as("worker", "worker", concurrency=4)
    until(lambda: traffic.count > 800, "more came", within_s=60)
    assert json.loads(stack.parts.redis.get("relay:layout"))["moving"]
    until(lambda: "run `relay reshard 16` again" in wrong(stack), "status says so", every_s=1)
    assert reshard(stack, 16).wait(60) == 0, stack.log("reshard")
    assert "moved in this run, which went on where the last one ended" in stack.log("reshard")
    until(lambda: traffic.count > 1600, "more came on all shards", within_s=60)
    traffic.end()
    stack.parts.look_at_layout()
    until(lambda: stack.account.waiting == 0, "all is delivered")
    assert set(traffic.answers) == {200}
    assert arrived(stack) == traffic.sent
    plans = {person["attributes"]["plan"] for person in people(stack)}
    assert plans <= {f"plan-{len(ids) - 1}" for ids in traffic.sent.values()}
    assert (stack.account.accepted, stack.account.delivered) == (traffic.count, traffic.count)
    assert stack.relay("audit").returncode == 0
    assert all(stack.parts.redis.exists(f"relay:{{{shard}}}:events:app") for shard in range(16))


def wrong(stack):
    """What status says is wrong."""
    return " ".join(json.loads(stack.relay("status", "--json").stdout)["wrong"])


def people(stack):
    """What Customer.io knows of each person."""
    return [stack.inspect(f"people/id/user-{number}") for number in range(PEOPLE)]


def test_who_starts_with_another_number_afterwards(stack):
    """With the former one: says so, and serves all shards; with one that never was: one line, and exit 2."""
    assert reshard(stack, 8).wait(60) == 0, stack.log("reshard")
    stack.kill("worker")
    stack.kill("worker-2")
    stack.start_as("worker", "worker", concurrency=4)
    events = [payload("ACTIVATE", user_id=f"user-{number}") for number in range(PEOPLE)]
    assert stack.post(events).json() == {"accepted": PEOPLE, "duplicates": 0}
    stack.parts.look_at_layout()
    until(lambda: stack.account.delivered == PEOPLE, "all are delivered")
    assert "RELAY_SHARDS is 4; set it to 8" in stack.log("worker")
    assert "reshard" in stack.relay("actions").stdout
    stack.env["RELAY_SHARDS"] = "6"
    for command in ("status", "audit", "dead", "hold production", "person user-1", "resync --integration production"):
        ran = stack.relay(*command.split())
        assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1), ran.stderr
        assert "RELAY_SHARDS is 6, but this Redis holds events spread over 8 shards" in ran.stderr
    stack.start_as("worker-3", "worker")
    assert stack.processes["worker-3"].wait(30) == 2
