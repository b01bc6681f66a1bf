"""Alerts of a real relay to a real receiver: sent once, whoever looks; a target that hangs costs nothing."""

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from pydantic import SecretStr

from tests.support.certificates import Authority
from tests.support.deadstack import event, opened
from worker.alerts.certificates import read_certificates
from worker.alerts.record import AlertRecord
from worker.alerts.targets import Message, Target, read_targets, send
from worker.alerts.watchman import Watchman
from worker.ledger.figures import Ledger
from worker.ledger.needs import Need

MINUTE = 60_000
T0 = 1_760_000_000_000
HELD = Need("held:production", "held", "production is held", "relay status", urgent=True)


class Receiver:
    """Takes what apprise posts, or refuses it."""

    def __init__(self):
        self.got, self.status = [], 200
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if outer.status == 200:
                    outer.got.append((body["type"], body["title"], body["message"]))
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver():
    """A place that alerts are sent to."""
    one = Receiver()
    yield one
    one.server.shutdown()
    one.server.server_close()


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
    other.server.shutdown()
    other.server.server_close()
    assert 'alert_not_sent target="1 (json)"' in caplog.text
    assert "T0KEN" not in caplog.text


def test_a_target_that_hangs_is_given_up(receiver):
    """After the patience, with its process; the others were sent meanwhile."""
    message = Message("t", "b", "info")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = Target(1, f"json://127.0.0.1:{silent.getsockname()[1]}/?rto=60&cto=60")
        began_s = time.monotonic()
        outcomes = send([(hanging, message), (Target(2, receiver.url), message)], patience_s=6)
        assert time.monotonic() - began_s < 12
    assert outcomes == ["too slow", "sent"]
    assert send([(Target(3, "nonsense://x"), message)]) == ["not understood"]


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
