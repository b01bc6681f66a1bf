"""Alerts of a real relay to a real receiver: sent once, whoever looks; a target that hangs costs nothing."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from pydantic import SecretStr

from tests.support.certificates import Authority
from tests.support.deadstack import event, opened
from tests.support.receivers import HangingReceiver, Receiver
from tests.support.waiting import until
from worker.alerts.certificates import read_certificates
from worker.alerts.record import AlertRecord
from worker.alerts.staging import Sent
from worker.alerts.targets import Message, read_targets, send
from worker.alerts.watchman import Watch, Watchman
from worker.ledger.figures import Ledger
from worker.ledger.need import Need

MINUTE = 60_000
T0 = 1_760_000_000_000
FULL = Need("bound:memory", "bound", "Redis fills", "give it memory")
HELD = Need("held:production", "held", "production is held", "relay status", urgent=True)


@pytest.fixture
def receiver():
    """A place that alerts are sent to."""
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def stack(tmp_path, redis_url, customerio):
    """A relay by hand: none of its processes runs."""
    with opened(tmp_path, redis_url, customerio) as stack:
        yield stack


def test_a_need_is_sent_once_and_its_end_once(stack, receiver):
    """Through apprise, with what to do; whichever process looks."""
    for at in range(4):
        Watchman(stack.parts, read_targets(receiver.url)).tell([HELD], T0 + at * MINUTE)
    for at in range(4, 8):
        Watchman(stack.parts, read_targets(receiver.url)).tell([], T0 + at * MINUTE)
    assert receiver.got == [
        ("failure", "relay: production is held", "production is held\n→ relay status"),
        ("success", "relay: over: production is held", "over after 4 min: production is held"),
    ]
    assert AlertRecord(stack.parts.redis).known(read_targets(receiver.url)[0].digest) == {}


def test_a_target_that_refuses_keeps_nobody_from_the_others(stack, receiver, caplog):
    """It gets it when it takes it again; no address is in the log."""
    other = Receiver()
    other.status = 500
    targets = read_targets(f"{other.url}T0KEN {receiver.url}")
    for at in range(3):
        Watchman(stack.parts, targets).tell([HELD], T0 + at * MINUTE)
    assert (len(receiver.got), len(other.got)) == (1, 0)
    other.status = 200
    Watchman(stack.parts, targets).tell([HELD], T0 + 3 * MINUTE)
    assert (len(receiver.got), len(other.got)) == (1, 1)
    other.close()
    assert 'alert_not_sent target="1 (json)"' in caplog.text
    assert "T0KEN" not in caplog.text


@pytest.mark.parametrize("refused", ["failure", "success"])
def test_what_a_target_took_is_not_sent_again_when_it_refuses_another(stack, receiver, refused):
    """A need and the end of another one are two messages, and each is tried until it is taken."""
    for at in range(3):
        Watchman(stack.parts, read_targets(receiver.url)).tell([FULL], T0 + at * MINUTE)
    receiver.refuses = (refused,)
    for at in range(3, 7):
        Watchman(stack.parts, read_targets(receiver.url)).tell([HELD], T0 + at * MINUTE)
    receiver.refuses = ()
    for at in range(7, 9):
        Watchman(stack.parts, read_targets(receiver.url)).tell([HELD], T0 + at * MINUTE)
    kinds = [kind for kind, _, _ in receiver.asked]
    assert [kind for kind, _, _ in receiver.got if kind == refused] == [refused]
    assert kinds.count(refused) > 2
    assert sorted(kind for kind in kinds if kind != refused) == sorted({"warning", "failure", "success"} - {refused})


MESSAGE = Message("t", "b", "info")


def posts(*urls):
    """A message to each of these."""
    return [(target, MESSAGE) for target in read_targets(" ".join(urls))]


def test_targets_that_hang_are_given_up_together():
    """After one patience for all of them: one that answers when another is given up answers too late."""
    first = HangingReceiver()
    second = HangingReceiver(first.gone, 200)
    with closing(first), closing(second):
        assert send(posts(first.url, second.url), patience_s=2) == ["too slow", "too slow"]


def test_a_target_that_hangs_is_not_said_to_refuse():
    """The library that sends gives up earlier by itself, and then it would be the same as a refusal."""
    with closing(HangingReceiver()) as hanging:
        assert send(posts(f"{hanging.url}?rto=0.2&cto=0.2"), patience_s=3) == ["too slow"]


def test_a_target_that_hangs_keeps_nobody_from_the_others(receiver):
    """They are sent meanwhile: the one that hangs goes on only once the other one has its message."""
    with closing(HangingReceiver(receiver.taken)) as hanging:
        assert send(posts(hanging.url, receiver.url, "nonsense://x"), 600) == ["refused", "sent", "not understood"]


def test_a_process_that_ends_waits_only_a_moment_for_targets(monkeypatch):
    """And leaves no process behind."""
    monkeypatch.setattr("worker.alerts.targets.LEAVING_S", 0.1)
    with closing(HangingReceiver()) as hanging:
        assert send(posts(hanging.url), 600, hanging.asked.is_set) == ["too slow"]
        assert hanging.gone.wait(30)


def test_a_process_that_ends_lets_another_one_look_once_it_knows_what_was_sent(stack, monkeypatch):
    """With a message still under way another process would send it again."""
    monkeypatch.setattr("worker.alerts.targets.LEAVING_S", 600)
    with closing(HangingReceiver()) as hanging:
        (target,) = read_targets(hanging.url)
        record = AlertRecord(stack.parts.redis)
        record.keep(target.digest, {"absent:web": Sent(time.time_ns() // 1_000_000 - 2 * MINUTE)}, {})
        watching = Watch(Watchman(stack.parts, [target]), 600)
        watching.start()
        assert hanging.asked.wait(30)
        monkeypatch.setattr("worker.alerts.watchman.LEAVING_S", -0.9)
        watching.stop()
        assert not record.claim("another", MINUTE)
        monkeypatch.setattr("worker.alerts.watchman.LEAVING_S", 30)
        hanging.answers.set()
        watching.stop()
        assert record.claim("another", MINUTE)


def test_what_a_target_took_is_noted_while_another_one_hangs(stack, receiver):
    """A process that is killed meanwhile (`kill -9`) leaves nothing to the next one that was sent before."""
    with closing(HangingReceiver()) as hanging:
        took, hangs = targets = read_targets(f"{receiver.url} {hanging.url}")
        record, watchman = AlertRecord(stack.parts.redis), Watchman(stack.parts, targets)
        watchman.tell([HELD], T0)
        looking = threading.Thread(target=watchman.tell, args=([HELD], T0 + MINUTE))
        looking.start()
        until(lambda: record.known(took.digest)["held:production"].stages == 1, "it is noted")
        assert looking.is_alive()
        assert record.known(hangs.digest)["held:production"].stages == 0
        assert receiver.got == [("failure", "relay: production is held", "production is held\n→ relay status")]
        watchman.hasten()
        looking.join()
        assert record.known(hangs.digest)["held:production"].stages == 0


def test_one_process_looks(stack, receiver):
    """The others leave it to the one that has the lease; when it leaves, another does it at once."""
    stack.parts.settings = stack.parts.settings.model_copy(update={"alert_urls": SecretStr(receiver.url)})
    first, second = (Watchman(stack.parts, read_targets(receiver.url)) for _ in range(2))
    first.look()
    known = AlertRecord(stack.parts.redis).known(read_targets(receiver.url)[0].digest)
    assert set(known) == {"absent:web", "absent:worker", "absent:beat"}
    stack.parts.redis.delete("relay:alerts")
    second.look()
    assert not stack.parts.redis.exists("relay:alerts")
    first.leave()
    second.look()
    assert stack.parts.redis.exists("relay:alerts")


def test_a_target_that_goes_on_refusing_is_tried_less_and_less_often(stack):
    """A wrong key of Slack is no process every 15 s, for days; when it takes messages again it gets what is due."""
    tries, outcome = [], "refused"

    def send_to(posts, _is_leaving, ended):
        tries.append(at)
        for position in range(len(posts)):
            ended(position, outcome)

    watchman = Watchman(stack.parts, read_targets("json://127.0.0.1:1/"), send_to)
    for at in range(0, 30 * 60, 15):
        watchman.tell([HELD], T0 + at * 1000)
    assert tries == [60, 75, 105, 165, 285, 525, 825, 1125, 1425, 1725]
    outcome = "sent"
    for at in range(30 * 60, 50 * 60, 15):
        watchman.tell([HELD], T0 + at * 1000)
    assert tries[10:] == [2025]


def test_a_clock_that_is_set_back_does_not_keep_a_target_from_its_messages(stack):
    """One that refused was to be tried again a quarter of a minute later, which is two hours later now."""
    tries = []

    def refuse(posts, _is_leaving, ended):
        tries.append(at_ms)
        for position in range(len(posts)):
            ended(position, "refused")

    watchman = Watchman(stack.parts, read_targets("json://127.0.0.1:1/"), refuse)
    back_ms = T0 - 120 * MINUTE
    for at_ms in (T0, T0 + MINUTE, back_ms, back_ms + MINUTE):
        watchman.tell([HELD], at_ms)
    assert tries == [T0 + MINUTE, back_ms + MINUTE]


def test_targets_that_are_no_longer_set_are_forgotten(stack, receiver):
    """Nothing is kept for ever."""
    Watchman(stack.parts, read_targets("json://127.0.0.1:1/")).tell([HELD], T0)
    Watchman(stack.parts, read_targets(receiver.url)).tell([HELD], T0)
    assert len(stack.parts.redis.hkeys("relay:alerts")) == 1


def test_a_certificate_that_ends_is_a_need(stack, tmp_path):
    """Read hourly by who looks, from the file of the authority."""
    authority = Authority(tmp_path, "ours")
    chosen = stack.parts.settings.model_copy(update={"redis_ca": authority.pem})
    ((name, until_ms),) = read_certificates(chosen).items()
    assert name == "the authority in ours.pem (RELAY_REDIS_CA)"
    assert until_ms > time.time() * 1000
    AlertRecord(stack.parts.redis).note_certificates({name: int(time.time() * 1000) + 86_400_000})
    need = next(need for need in Ledger(stack.parts).needs() if need.kind == "expiring")
    assert (need.urgent, "ends in" in need.message) == (True, True)


def relay(*arguments, **env):
    command = [sys.executable, "-c", "from worker.cli import main; main()", *arguments]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_tries_the_targets(receiver):
    """Exit 1 when one does not take it; no address is shown."""
    done = relay(
        "alerts", "test", RELAY_ALERT_URLS=f"{receiver.url}\njson://127.0.0.1:1/T0KEN", RELAY_ALERT_NAME="shop"
    )
    assert (done.returncode, done.stdout.splitlines()) == (1, ["1 (json): sent", "2 (json): refused"])
    assert receiver.got == [("info", "shop: a test", "This is a test of the relay's alerts. Nothing is wrong.")]
    assert "T0KEN" not in done.stdout + done.stderr
    unset = relay("alerts", "test", RELAY_ALERT_URLS="")
    assert unset.returncode == 2
    assert "RELAY_ALERT_URLS is not set" in unset.stderr


def test_the_command_shows_the_needs(stack):
    """Exit 1 while anything needs somebody."""
    stack.deliver(event(1))
    env = {
        "RELAY_REDIS_URL": stack.parts.redis_url,
        "RELAY_SHARDS": str(stack.parts.settings.shards),
        "RELAY_INTEGRATIONS": str(stack.parts.settings.integrations),
    }
    done = relay("alerts", **env)
    assert done.returncode == 1, done.stderr
    assert "no worker process is alive" in done.stdout
    keys = [item["key"] for item in json.loads(relay("alerts", "--json", **env).stdout)["items"]]
    assert keys == ["absent:web", "absent:worker", "absent:beat"]
