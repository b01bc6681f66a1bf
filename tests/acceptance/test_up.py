"""`relay up` as an operator runs it: a foreground command, signals, and its output."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
import requests

from tests.support.processes import started
from tests.support.servers import free_port
from tests.support.waiting import until
from worker.simulator.accounts import Account
from worker.simulator.app import Options
from worker.simulator.serve import running

FILE = """
[sources.app]
tokens = ["env:T_TOKEN"]

[integrations.production]
source = "app"
region = "eu"
site_id = "env:T_SITE"
api_key = "env:T_KEY"
base_url = "{url}"

[integrations.production.events]
"*" = true
"""


class Up:
    """One `relay up`, with what it says and what it started."""

    def __init__(self, env, *arguments):
        command = [sys.executable, "-c", "from worker.cli import main; main()", "up", "--json", *arguments]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.news = []
        self.errors = ""
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        for thread in self._threads:
            thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.news.append(json.loads(line))  # and nothing else is there

    def _read_errors(self):
        self.errors = self.process.stderr.read()

    def until_ready(self):
        until(lambda: self.process.poll() is not None or self.told("ready"), "it is ready or has ended")
        assert self.told("ready"), f"exit {self.process.poll()}"
        return self.told("ready")[0]

    def told(self, what, process=None):
        return [
            one for one in self.news if one["what"] == what and one.get("process") == (process or one.get("process"))
        ]

    def tree(self):
        """Every process below it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, sign=signal.SIGTERM):
        """Signal it, wait; its exit code, once everything it started is gone."""
        started = self.tree()
        self.process.send_signal(sign)
        code = self.process.wait(timeout=60)
        until(lambda: not [one for one in started if one.is_running() and one.status() != "zombie"], "nothing is left")
        self.close()
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for thread in self._threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture(scope="module")
def customerio():
    """A simulated Customer.io that all tests of this file share."""
    with running(Options(accounts=(Account("site", "key", "eu"),))) as (url, simulator):
        yield url, simulator.workspace()[1]


@pytest.fixture
def env(tmp_path, customerio):
    """The environment of an operator's shell."""
    path = tmp_path / "integrations.toml"
    path.write_text(FILE.format(url=customerio[0]))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    return clean | {
        "RELAY_INTEGRATIONS": str(path),
        "RELAY_DATA_DIR": str(tmp_path / "data"),
        "RELAY_SHARDS": "2",
        "RELAY_SWEEP_INTERVAL_S": "0.5",
        "RELAY_LEASE_S": "2",
        "T_TOKEN": "token",
        "T_SITE": "site",
        "T_KEY": "key",
    }


@pytest.fixture
def up(env):
    """Starts `relay up`."""
    started = []

    def start(*arguments, **more):
        one = Up(env | more, "--port", "0", "--concurrency", "1", *arguments)
        started.append(one)
        return one

    yield start
    for one in started:
        one.close()


def post(ready, event_id):
    """One event through the door; the answer's status, 0 when there is none."""
    event = {"event_name": "ACTIVATE", "event_id": event_id, "user_id": "ada", "environment": "PRODUCTION"}
    try:
        return requests.post(
            ready["events"]["app"], json=event, headers={"Authorization": "Bearer token"}, timeout=10
        ).status_code
    except requests.ConnectionError:
        return 0


def has_arrived(customerio, event_id):
    """Whether Customer.io has the event."""
    return any(f'"{event_id}"'.encode() in bytes(event.attributes) for event in customerio[1].journal.page(0, 10_000))


def relay(env, *arguments):
    command = [sys.executable, "-c", "from worker.cli import main; main()", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_link_into_the_console_works_when_it_is_printed(up, env):
    """The console starts behind everything else; who follows the link at once is not refused."""
    del env["RELAY_INTEGRATIONS"]
    ready = up("--console-port", "0").until_ready()
    assert "Log in as" in requests.get(ready["console"], timeout=10).text


def test_it_delivers_and_stops_cleanly(up, env, customerio):
    """One command and an event arrives; other commands find its server; SIGTERM is exit 0 and leaves nothing."""
    one = up()
    ready = one.until_ready()
    assert set(ready["processes"]) == {"valkey", "worker", "beat", "web", "console"}
    assert post(ready, "first") == 200
    until(lambda: has_arrived(customerio, "first"), "the event at Customer.io")
    until(lambda: json.loads(relay(env, "status", "--json").stdout)["items"][0]["delivered"] == 1, "it is settled")
    assert relay(env, "audit").returncode == 0
    assert one.end(signal.SIGTERM) == 0
    assert [news["what"] for news in one.news] == ["ready", "stopping", "stopped"]
    assert not list((env_path(env) / "data").glob("redis.url"))
    assert relay(env, "status").stderr.startswith("relay: no Redis: set RELAY_REDIS_URL, or start `relay up`")


def env_path(env):
    return Path(env["RELAY_DATA_DIR"]).parent


def test_killed_children_come_back(up, customerio):
    """SIGKILL of web, worker, a pool child and Valkey: each is started again, and what was accepted arrives."""
    one = up()
    ready = one.until_ready()
    assert post(ready, "before") == 200
    until(lambda: has_arrived(customerio, "before"), "the event before")
    for name in ("web", "worker", "valkey"):
        os.kill(ready["processes"][name], signal.SIGKILL)
        until(lambda name=name: one.told("restarted", name), f"{name} is started again")
        until(lambda name=name: post(ready, f"after-{name}") == 200, "an event is accepted again")
    for name in ("web", "worker", "valkey"):
        until(lambda name=name: has_arrived(customerio, f"after-{name}"), f"the event after the end of {name}")
    assert [news["message"].split(";")[0] for news in one.told("exited")] == ["SIGKILL"] * 3
    assert one.end(signal.SIGINT) == 0


def test_a_killed_relay_leaves_nothing_and_loses_nothing(up, customerio):
    """SIGKILL of the supervisor itself: its children end, and the next one has what was accepted."""
    one = up(T_KEY="wrong")
    ready = one.until_ready()
    assert post(ready, "kept") == 200
    assert one.end(signal.SIGKILL) == -signal.SIGKILL
    two = up()
    assert post(two.until_ready(), "kept") == 200
    until(lambda: has_arrived(customerio, "kept"), "the event that the first one accepted")
    assert two.end() == 0


def test_a_second_one_in_the_same_folder_is_refused(up, env):
    """One line says who has the folder; exit 2."""
    one = up()
    one.until_ready()
    refused = relay(env, "up", "--port", "0")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"another `relay up` (process {one.process.pid}) uses {env['RELAY_DATA_DIR']}" in refused.stderr
    assert one.end() == 0


def test_a_wrong_set_up_ends_it_before_anything_runs(env, tmp_path):
    """A bad file, a taken port: one line, exit 2, no folder made."""
    file = env_path(env) / "integrations.toml"
    taken = free_port()
    with socket.create_server(("127.0.0.1", taken)):
        port = relay(env, "up", "--port", str(taken))
    assert (port.returncode, port.stderr.splitlines()) == (
        2,
        [f"relay: cannot listen on 127.0.0.1:{taken} (Address already in use); choose another with --host and --port"],
    )
    file.write_text(file.read_text().replace('region = "eu"', 'region = "moon"'))
    bad = relay(env, "up", "--port", "0")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith(f"relay: {file}:7: integrations.production.region")
    assert not (tmp_path / "data").exists()


def test_with_a_redis_of_ones_own_none_is_embedded(up, env, redis_url, customerio):
    """RELAY_REDIS_URL is used, and no data folder is made."""
    one = up(RELAY_REDIS_URL=redis_url)
    ready = one.until_ready()
    assert (set(ready["processes"]), ready["data_dir"]) == ({"worker", "beat", "web", "console"}, None)
    assert post(ready, "elsewhere") == 200
    until(lambda: has_arrived(customerio, "elsewhere"), "the event at Customer.io")
    assert one.end() == 0
    kept = {path.name for path in (env_path(env) / "data").iterdir()}
    assert kept == {"alive", "config.json"}, "signs of life and the last good revision alone"


def test_without_a_file_it_waits_for_one(up, env, customerio):
    """Redis owns the configuration then: it starts without one, and `relay config apply` makes the first, live."""
    file = env.pop("RELAY_INTEGRATIONS")
    one = up()
    ready = one.until_ready()
    assert (ready["events"], ready["revision"], ready["integrations_file"]) == ({}, 0, None)
    command = [sys.executable, "-c", "from worker.cli import main; main()", "config", "apply", file, "--yes", "--json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["revision"], answer["behind"]) == (1, 0)
    assert post({"events": {"app": f"{ready['web']}/v1/events/app"}}, "later") == 200
    until(lambda: has_arrived(customerio, "later"), "the event at Customer.io")
    assert (env_path(env) / "data" / "secret.keys").stat().st_mode & 0o777 == 0o600
    assert one.end() == 0


def test_people_see_where_to_send(env):
    """Without --json: the URLs, the file, the data, and how it ended."""
    command = [sys.executable, "-c", "from worker.cli import main; main()", "up", "--port", "0", "--concurrency", "1"]
    lines = []
    with started(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                process.send_signal(signal.SIGINT)
        process.wait(60)
    assert process.returncode == 0
    text = "".join(lines)
    assert "/v1/events/app" in text
    assert f"{env['RELAY_INTEGRATIONS']}: production" in text
    assert env["RELAY_DATA_DIR"] in text
    assert 'process_changed program=relay change=stopped message="nothing is left running"' in text
