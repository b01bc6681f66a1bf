"""One configuration for all hosts: live, with a history, and never going back by itself."""

import json
import threading
import time

import pytest
import requests

from tests.support.payloads import payload
from tests.support.servers import free_port
from tests.support.stack import DEFAULT_INTEGRATION, TOKEN
from tests.support.waiting import elapse, until
from worker.revisions.store import Revision, digest_of
from worker.store.entries import read_range
from worker.store.entry_id import order
from worker.store.keys import shard_key
from worker.store.trail import decode_run, trail_key

RENAME = '"*" = true\nACTIVATE = "Access Granted"'


@pytest.fixture
def stack(make_stack):
    return make_stack(RELAY_INTEGRATIONS="")


def text(stack, events='"*" = true'):
    return DEFAULT_INTEGRATION.replace("{simulator}", stack.simulator).replace('"*" = true', events)


def publish(stack, content):
    revisions = stack.parts.revisions
    head = revisions.head()
    return revisions.publish(Revision(content, digest_of(content), "a test", 1), head)


def running(stack):
    return {(one.role, one.revision) for one in stack.parts.processes.all() if one.alive}


def test_every_process_takes_up_a_revision(make_stack):
    """The web door, the worker, its children and beat start without one, wait, and take up each by themselves."""
    stack = make_stack(RELAY_INTEGRATIONS="", RELAY_POOL="prefork").start()
    until(lambda: {role for role, _ in running(stack)} == {"web", "worker", "child", "beat"}, "all are alive")
    assert stack.webhook(payload("ACTIVATE")).status_code == 503
    for number, events in ((1, '"*" = true'), (2, RENAME)):
        assert publish(stack, text(stack, events)) == number
        until(lambda n=number: {revision for _, revision in running(stack)} == {n}, "all run it", within_s=20)
        assert stack.webhook(payload("ACTIVATE", event_id=f"e{number}")).status_code == 200
        until(lambda n=number: len(stack.arrived()) == n, "it arrives")
    assert [event["name"] for event in stack.arrived()] == ["ACTIVATE", "Access Granted"]


def test_an_older_file_changes_nothing(make_stack):
    """A deploy that is rolled back on one host: the newer configuration goes on, and what waits for it is kept."""
    stack = make_stack(RELAY_RETENTION_S="0", RELAY_TRIM_INTERVAL_S="1", RELAY_LOG_LEVEL="debug").start(
        "simulator", "web"
    )
    old = stack.path.read_text()
    second = old[old.index("[integrations.production]") :].replace("integrations.production", "integrations.second")
    stack.path.write_text(old + second)
    stack.start_as("newer", "web")  # its port is taken: it publishes, and goes
    until(lambda: stack.parts.revisions.head() == 2, "the newer file is published")
    stack.relay("hold", "second")
    stack.path.write_text(old)
    stack.start("worker", "beat")
    for n in range(20):
        assert stack.webhook(payload("ACTIVATE", event_id=f"e{n}")).status_code == 200
    until(lambda: len(stack.arrived()) == 20, "one integration delivers")
    until(lambda: "trimmed entries=" in stack.log("worker"), "the trim was there")
    assert stack.parts.revisions.head() == 2
    assert stack.relay("resume", "second").returncode == 0
    until(lambda: stack.books["second"].delivered == 20, "what waited is delivered")
    assert stack.findings == []
    assert "was_revision=1 running=2" in stack.log("worker")


class Senders:
    """Posts events at a steady rate to several web doors, until asked to stop; what is not accepted is sent again."""

    def __init__(self, urls, per_s, people=200):
        self._urls = urls
        self._per_s = per_s
        self._people = people
        self._ended = threading.Event()
        self.sent = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self):
        http = requests.Session()
        http.trust_env = False
        step = max(1, self._per_s // 20)
        due_s = time.monotonic()
        while not self._ended.is_set():
            events = [
                payload("ACTIVATE", event_id=f"e{n}", user_id=f"user-{n % self._people}")
                for n in range(self.sent, self.sent + step)
            ]
            attempt = 0
            while True:
                url = self._urls[(self.sent // step + attempt) % len(self._urls)]
                attempt += 1
                try:
                    headers = {"Authorization": f"Bearer {TOKEN}"}
                    if http.post(f"{url}/v1/events/app", json=events, headers=headers, timeout=10).status_code == 200:
                        break
                except requests.RequestException:
                    pass
                elapse(0.05)
            self.sent += step
            due_s += step / self._per_s
            elapse(due_s - time.monotonic())
        http.close()


def three_hosts(stack):
    """Three hosts, each a web door, a worker and beat; the URLs of the doors."""
    stack.start("simulator")
    env, urls = stack.env, []
    for host in range(3):
        port = free_port()
        urls.append(f"http://127.0.0.1:{port}")
        stack.env = env | {"PORT": str(port), "RELAY_DATA_DIR": str(stack.folder / f"host-{host}")}
        stack.start_as(f"web-{host}", "web")
        stack.start_as(f"worker-{host}", "worker")
        stack.start_as(f"beat-{host}", "beat")
    stack.env = env
    return urls


def apply(stack, content, *arguments):
    """The number of the revision, and how long until every live process ran it, seconds."""
    path = stack.folder / "new.toml"
    path.write_text(content)
    done = stack.relay("config", "apply", str(path), "--yes", "--json", "--since", "10s", *arguments)
    assert done.returncode == 0, done.stderr
    number = json.loads(done.stdout)["revision"]
    processes = [one for one in stack.parts.processes.all() if one.alive]
    assert {one.revision for one in processes} == {number}
    return number, max(one.since_ms for one in processes) - stack.parts.revisions.get(number).at_ms


def revisions_by_event(stack):
    """The number of the revision that the trail names, by event id."""
    found = {}
    for shard in range(stack.parts.settings.shards):
        entries = read_range(stack.parts.redis, shard_key(shard, "events", "app"))
        for _, blob in read_range(stack.parts.redis, trail_key(shard, "production")):
            run = decode_run(blob)
            for entry_id, raw in entries:
                if run.first <= order(entry_id) <= run.last:
                    found[json.loads(raw)["event_id"]] = run.revision
    return found


def test_a_rename_is_live_everywhere(stack):
    """Three hosts under 300 events a second: applied, rolled back, and each event under its revision's name."""
    urls = three_hosts(stack)
    until(lambda: len([one for one in stack.parts.processes.all() if one.alive]) == 9, "three hosts are alive")
    first, _ = apply(stack, text(stack))
    with Senders(urls, 300) as senders:
        until(lambda: senders.sent > 600, "events flow")
        second, took_ms = apply(stack, text(stack, RENAME))
        until(lambda: senders.sent > 1500, "events flow under the second name")
        done = stack.relay("config", "rollback", "1", "--yes", "--json", "--since", "10s")
        third = json.loads(done.stdout)["revision"]
        until(lambda: senders.sent > 2400, "events flow under the first name again")
    expected = {first: "ACTIVATE", second: "Access Granted", third: "ACTIVATE"}
    until(lambda: stack.books["production"].delivered == senders.sent, "all is delivered")
    assert took_ms < 2000
    named = revisions_by_event(stack)
    arrived = {event["attributes"]["event_id"]: event["name"] for event in stack.arrived()}
    assert len(arrived) == senders.sent
    assert {one: expected[number] for one, number in named.items()} == arrived
    assert set(named.values()) == expected.keys()
    stats = stack.inspect("stats")
    assert (stats["defects"], stats["duplicates"], stack.findings) == (0, 0, [])


def test_kills_leave_one_valid_revision(stack):
    """Everything is killed during twenty applies: one revision in force, all run it, and the books balance."""
    stack.start()
    apply(stack, text(stack))
    with Senders([stack.web], 100) as senders:
        for n in range(20):
            path = stack.folder / f"new-{n}.toml"
            path.write_text(text(stack, f'"*" = true\nACTIVATE = "Name {n}"'))
            command = f"relay config apply {path} --yes --json --since 2s"
            applying = stack.spawn("apply", command)
            if n % 2:
                elapse(0.15 * (n % 7))
                for name in ("apply", "web", "worker", "beat"):
                    stack.kill(name)
                stack.start("web", "worker", "beat")
            else:
                applying.wait(60)
    head = stack.parts.revisions.head()
    assert head >= 11
    assert stack.parts.revisions.get(head).number == head
    until(lambda: stack.books["production"].delivered == senders.sent, "all is delivered", within_s=60)
    until(lambda: {revision for _, revision in running(stack)} == {head}, "all run it")
    assert stack.findings == []
    assert len({event["attributes"]["event_id"] for event in stack.arrived()}) == senders.sent
