"""docs/operations.md as a new operator follows it: Redis with TLS and a user, the wheel, a second host, an upgrade.

In other folders and on other ports. What belongs to the machine (packages, users, the service manager) is left out, and
a unit is its own command line with its own variables. What pip installs is in test_installing.py.
"""

import configparser
import getpass
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest
import requests

from tests.support.pages import ROOT, blocks
from tests.support.payloads import payload
from tests.support.servers import free_port
from tests.support.stack import Stack
from tests.support.waiting import elapse, until
from tests.support.wheels import build, install, version

PAGE = "docs/operations.md"
SECRET = "WEBHOOK-SECRET"
# the release that is upgraded: this code under the number of the one before
(BACK, FORMER) = re.findall(r"`(sudo ln -sfn /opt/relay-([\d.]+) /opt/relay)`", (ROOT / PAGE).read_text("utf-8"))[0]
FOLDERS = ("/etc/redis", "/etc/relay", "/opt/relay", "/var/lib/relay", "/usr/local/bin")
# what is the machine's, not the relay's
LEFT_OUT = re.compile(r"sudo (apt-get|useradd|chown|systemctl|cp) |pip install|-m venv ")

pytestmark = pytest.mark.skipif(
    not (shutil.which("redis-server") and shutil.which("openssl")),
    reason="the page is about Debian's Redis and openssl",
)


class Machine:
    """One machine's folders below another one, and the processes that its units start."""

    def __init__(self, folder, name, ports):
        self.root = folder / name
        self.ports = ports
        self.running = {}
        for path in FOLDERS:
            self.here(path).parent.mkdir(parents=True, exist_ok=True)
            if path != "/opt/relay":  # a link to the environment of a release
                self.here(path).mkdir()

    def here(self, path):
        return self.root / path.lstrip("/")

    def moved(self, text):
        """A text of the page with this machine's folders and ports."""
        for path in FOLDERS:
            text = text.replace(path, str(self.here(path)))
        for port, mine in self.ports.items():
            text = re.sub(rf"(?<![\w.]){port}(?!\w)", str(mine), text)
        return text.replace("!= relay", f"!= {getpass.getuser()}").replace("bind * -::*", "bind 127.0.0.1")

    def type(self, block, cwd):
        """What a block of the page prints, line by line without what is the machine's."""
        script = self.root / "relay.script"
        script.write_text(self.moved((ROOT / "deploy/systemd/relay").read_text()))
        block = re.sub(r"\S*deploy/systemd/relay ", f"{script} ", block)
        kept = "\n".join(line for line in block.splitlines() if not LEFT_OUT.search(line))
        kept = re.sub(r"-o \w+ -g \w+ ", "", kept).replace("&& sudo", "&&").replace("sudo ", "")
        env = {"PATH": f"{self.here('/usr/local/bin')}:{os.environ['PATH']}", "HOME": str(self.root), "NO_PROXY": "*"}
        done = subprocess.run(
            ["/bin/bash", "-euc", self.moved(kept)],
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, kept + done.stdout + done.stderr
        return done.stdout

    def relay(self, command):
        return self.type(f"relay {command}", self.root)

    def start(self, *names):
        """Start units by their own command lines."""
        for name in names:
            unit = configparser.ConfigParser(strict=False, interpolation=None)
            unit.optionxform = str
            unit.read_string(self.moved((ROOT / f"deploy/systemd/relay-{name}.service").read_text()))
            service = unit["Service"]
            variables = " ".join(f"{pair}" for pair in service["Environment"].split())
            line = f"set -a; . {service['EnvironmentFile']}; {variables}; exec {service['ExecStart']}"
            with (self.root / f"{name}.log").open("ab") as log:
                env = {"PATH": os.environ["PATH"], "RELAY_CONCURRENCY": "1", "NO_PROXY": "*"}
                self.running[name] = subprocess.Popen(
                    ["/bin/bash", "-c", line], cwd="/", env=env, stdout=log, stderr=log, start_new_session=True
                )

    def stop(self, *names):
        """As `systemctl stop` does: SIGTERM to the head, and it must end by itself."""
        for name in names or list(self.running):
            process = self.running.pop(name)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=40) in {0, -signal.SIGTERM}, (self.root / f"{name}.log").read_text()[-2000:]

    def kill(self):
        for process in self.running.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def machines(tmp_path):
    """Makes machines; their processes end with the test."""
    ports, made = {"6379": free_port(), "8080": free_port()}, []

    def make(name):
        made.append(Machine(tmp_path, name, ports))
        return made[-1]

    yield make
    for machine in made:
        machine.kill()


def post(machine, user, event_id):
    """A signed webhook, repeated as Purchasely does until it is answered 200; how often it took."""
    body = json.dumps(payload("SUBSCRIPTION_RENEWED", user_id=user, event_id=event_id)).encode()
    for attempt in range(1, 200):
        at = str(int(time.time()))
        signature = hmac.new(SECRET.encode(), at.encode() + body, hashlib.sha256).hexdigest()
        headers = {"X-PURCHASELY-REQUEST-SIGNATURE": signature, "X-PURCHASELY-TIMESTAMP": at}
        try:
            url = f"http://127.0.0.1:{machine.ports['8080']}/webhooks/purchasely/my-app"
            if requests.post(url, data=body, headers=headers, timeout=10, proxies={"http": ""}).status_code == 200:
                return attempt
        except requests.RequestException:
            pass
        elapse(0.1)
    raise AssertionError("never answered 200")


def configure(machine, simulator, folder):
    """The two files that the page asks to write: one where one is, the other in its place."""
    (ini,) = blocks(PAGE, "ini")
    (folder / "relay.env").write_text(machine.moved(ini))
    path = machine.here("/etc/relay/integrations.toml")
    # a Customer.io of this machine, in place of the real one
    path.write_text(path.read_text().replace('region = "eu"', f'region = "eu"\nbase_url = "{simulator}"', 1))


def flows(tries):
    """That fifty more events are answered."""
    before = len(tries)
    until(lambda: len(tries) > before + 50, "events flow")


@pytest.mark.timeout(300)  # two environments, a dozen processes
def test_the_page_is_true(machines, tmp_path):
    """From nothing to two hosts, and an upgrade under load: every event arrives once."""
    first = machines("first")
    (redis_sh, restart_sh, relay_sh, extras_sh, check_sh, units_sh, example_sh, console_sh, upgrade_sh, web_sh) = (
        blocks(PAGE, "sh")
    )
    first.type(redis_sh, tmp_path)
    (conf,) = blocks(PAGE, "conf")
    data = tmp_path / "redis"
    data.mkdir()
    first.here("/etc/redis/redis.conf").write_text(f"dir {data}\n" + first.moved(conf))
    assert "systemctl restart redis-server" in restart_sh
    with (tmp_path / "redis.log").open("wb") as log:
        server = subprocess.Popen(["redis-server", first.here("/etc/redis/redis.conf")], stdout=log, stderr=log)
    simulator = Stack(tmp_path / "simulator", "redis://127.0.0.1:1/0")
    simulator.spawn("simulator", f"relay simulate --port {simulator.simulator_port} --workspace SITE-ID:API-KEY:eu")
    wheel, former = build(tmp_path), build(tmp_path, FORMER)
    try:
        simulator.until_up("simulator")
        install(former, first.here(f"/opt/relay-{FORMER}"))
        first.type(relay_sh.replace(f"RELEASE={version()}", f"RELEASE={FORMER}"), tmp_path)
        shutil.copy(ROOT / "requirements.lock", tmp_path)
        first.type(extras_sh, tmp_path)
        assert {"celery", "redis"} <= {
            line.partition("==")[0] for line in (tmp_path / "constraints.txt").read_text().splitlines()
        }
        configure(first, simulator.simulator, tmp_path)
        checked = first.type(check_sh.replace("deploy/", f"{ROOT}/deploy/"), tmp_path)
        assert not (tmp_path / "relay.env").exists()
        assert first.here("/etc/relay/relay.env").stat().st_mode & 0o777 == 0o640
        assert "0 wrong" in checked or "nothing wrong" in checked
        first.type(units_sh.replace("relay status", ":"), ROOT)
        first.start("worker", "beat", "web")
        post(first, "user-0", "first")
        until(lambda: len(simulator.arrived()) == 1, "the first event arrives")
        assert "production" in first.relay("status")
        assert "sent as SUBSCRIPTION_RENEWED" in first.relay("trace first")
        sent = first.type(example_sh, tmp_path)
        assert "1 accepted" in sent
        until(lambda: len(simulator.arrived()) == 2, "the example arrives")
        traced = first.relay(sent.rpartition("relay ")[2])
        assert "sent as SUBSCRIPTION_STARTED" in traced
        with first.here("/etc/relay/relay.env").open("a") as env:
            env.write("RELAY_CONSOLE_LOGIN='link'\n")
        assert "/login/link/" in first.type(console_sh, tmp_path)

        second = machines("second")
        shutil.copytree(first.here("/etc/relay"), second.here("/etc/relay"), dirs_exist_ok=True)
        (second.here("/etc/relay/relay.env")).write_text(
            first.here("/etc/relay/relay.env").read_text().replace(str(first.root), str(second.root))
        )
        install(former, second.here("/opt/relay"))  # the folder itself, as an installation of one release has it
        second.type("sudo install -m 0755 deploy/systemd/relay /usr/local/bin/relay", ROOT)
        second.start("worker")
        until(lambda: roles(second)["worker"] == 2, "two workers are alive")

        tries, ended = [], threading.Event()

        def load():
            while not ended.is_set():
                tries.append(post(first, f"user-{len(tries) % 7}", f"load-{len(tries)}"))

        loading = threading.Thread(target=load)
        loading.start()
        install(wheel, first.here(f"/opt/relay-{version()}"))
        for block, names in ((upgrade_sh, ["worker", "beat"]), (web_sh, ["web"])):
            (restart,) = (line for line in block.splitlines() if "systemctl restart" in line)
            assert re.findall(r"relay-(\w+)", restart) == names
            flows(tries)
            first.type(block, tmp_path)
            first.stop(*names)
            first.start(*names)
        assert first.here("/opt/relay").resolve().name == f"relay-{version()}"
        assert releases(first) == {version(), FORMER}
        flows(tries)
        ended.set()
        loading.join()
        until(lambda: len(simulator.arrived()) >= 2 + len(tries), "everything arrives")
        arrived = sorted(event["attributes"]["event_id"] for event in simulator.arrived())
        example_id = sent.split()[-1]
        assert arrived == sorted(["first", example_id, *(f"load-{n}" for n in range(len(tries)))])
        assert "the books balance" in first.relay("audit")
        first.type(BACK, tmp_path)
        for names in (["web"], ["worker", "beat"]):
            first.stop(*names)
            first.start(*names)
        post(first, "user-0", "back")
        until(lambda: simulator.arrived()[-1]["attributes"]["event_id"] == "back", "the former release delivers")
        assert releases(first) == {FORMER}
        assert max(tries) > 1, "the load did not notice the restart of web"
        first.stop()
        second.stop()
    finally:
        simulator.stop()
        server.kill()
        server.wait()


def releases(machine):
    """The releases that are alive."""
    return {one["version"] for one in json.loads(machine.relay("status --json"))["processes"] if one["alive"]}


def roles(machine):
    """How many processes of each role are alive."""
    found = {"worker": 0}
    for one in json.loads(machine.relay("status --json"))["processes"]:
        if one["alive"]:
            found[one["role"]] = found.get(one["role"], 0) + 1
    return found
