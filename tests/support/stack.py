"""The relay as its operator runs it: the Procfile's own processes, a simulator, real sockets."""

import hashlib
import hmac
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import redis
import requests

from config.secrets import Secrets
from config.settings import Settings
from tests.support.servers import free_port
from tests.support.waiting import until
from worker.app import Relay
from worker.ledger.accounts import Account
from worker.ledger.figures import Ledger
from worker.store.connect import open_once

ROOT = Path(__file__).parents[2]
SECRET, TOKEN = "webhook-secret", "upstream-token"
SITE, KEY = "test-site", "test-key"

DEFAULT_INTEGRATION = """
[sources.app]
webhook_secret = "env:T_SECRET"
tokens = ["env:T_TOKEN"]

[integrations.production]
source = "app"
region = "eu"
site_id = "env:T_SITE"
api_key = "env:T_KEY"
base_url = "{simulator}"
environments = ["PRODUCTION", "SANDBOX"]

[integrations.production.events]
"*" = true

[integrations.production.user_properties]
subscription_status = true
has_active_subscription = true
plan = true
effective_next_renewal_at = "next_renewal_at"
last_event = true
"""


def procfile() -> dict[str, str]:
    """The commands of the Procfile."""
    lines = [line.partition(":") for line in (ROOT / "Procfile").read_text().splitlines() if ":" in line]
    return {name.strip(): command.strip() for name, _, command in lines}


# Workers of this application answer to remote control, which the relay's own do not.
CONTROLLED = "tests.acceptance.controlled_app"


class Stack:
    """Processes of one relay. `env` adds to or replaces environment variables."""

    def __init__(self, folder: Path, redis_url: str, integrations: str = DEFAULT_INTEGRATION, **env: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.simulator_port, self.web_port = free_port(), free_port()
        self.simulator = f"http://127.0.0.1:{self.simulator_port}"
        self.web = f"http://127.0.0.1:{self.web_port}"
        path = folder / "integrations.toml"
        path.write_text(integrations.replace("{simulator}", self.simulator))
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RELAY_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PORT": str(self.web_port),
            "RELAY_REDIS_URL": redis_url,
            "RELAY_INTEGRATIONS": str(path),
            "RELAY_DATA_DIR": str(folder),
            "RELAY_SHARDS": "4",
            "RELAY_SWEEP_INTERVAL_S": "0.5",
            "RELAY_HOLD_FIRST_S": "0.5",
            "RELAY_HOLD_LONGEST_S": "2",
            "T_SECRET": SECRET,
            "T_TOKEN": TOKEN,
            "T_SITE": SITE,
            "T_KEY": KEY,
            **env,
        }
        if not self.env["RELAY_INTEGRATIONS"]:
            del self.env["RELAY_INTEGRATIONS"]  # Redis owns the configuration
        self.path = path
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.http = requests.Session()
        self.http.trust_env = False

    # processes

    def start(self, *names: str, concurrency: int = 2) -> "Stack":
        """Start processes (all four when none is named) and wait until they serve."""
        for name in names or ("simulator", "web", "worker", "beat"):
            if name == "simulator":
                command = f"relay simulate --port {self.simulator_port} --workspace {SITE}:{KEY}:eu"
            else:
                command = procfile()[name]
            if name == "worker":
                command += f" --concurrency {concurrency}"
            self.spawn(name, command)
        for name in names or ("simulator", "web"):
            if name in {"simulator", "web"}:
                self.until_up(name)
        return self

    def start_as(self, name: str, process: str, concurrency: int = 1, app: str = "worker.tasks") -> "Stack":
        """Start one more process of the Procfile under a name of its own; `app` is another Celery application."""
        command = procfile()[process].replace("worker.tasks", app)
        if process == "worker":
            command += f" --concurrency {concurrency} --hostname {name}@%h"
        self.spawn(name, command)
        return self

    def spawn(self, name: str, command: str) -> subprocess.Popen[bytes]:
        """Start a shell command as the named process, in a process group of its own."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.processes[name]

    def until_up(self, name: str) -> None:
        """Wait until the web door or the simulator answers."""
        url = f"{self.web}/readyz" if name == "web" else f"{self.simulator}/_inspect/stats"

        def answers() -> bool:
            code = self.processes[name].poll()
            assert code is None, f"{name} ended with {code}: {self.log(name)[-2000:]}"
            try:
                return self.http.get(url, timeout=2).status_code == 200
            except requests.RequestException:
                return False

        until(answers, f"{name} answers")

    def kill(self, name: str, sign: int = signal.SIGKILL) -> int:
        """Send a signal to a whole process group and wait for its head; the exit code."""
        process = self.processes[name]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        return process.wait(timeout=60)

    def stop(self) -> None:
        """Kill whatever still runs."""
        for process in self.processes.values():
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self.processes.values():
            process.wait(timeout=30)
        self.http.close()
        for name in {"parts", "broker"} & self.__dict__.keys():
            (self.parts.redis if name == "parts" else self.broker).close()

    def log(self, name: str) -> str:
        """What a process printed so far."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def relay(self, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """Run the `relay` command against this stack."""
        command = shlex.join(["relay", *arguments])
        return subprocess.run(
            ["/bin/sh", "-c", f"exec {command}"],
            cwd=cwd,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    # books

    @cached_property
    def parts(self) -> Relay:
        """The parts of this relay, to look into its books from here."""
        path = self.path if "RELAY_INTEGRATIONS" in self.env else None
        chosen = Settings(
            redis_url=self.env["RELAY_REDIS_URL"], shards=int(self.env["RELAY_SHARDS"]), integrations=path
        )
        made = Relay(chosen)
        made.__dict__["secrets"] = Secrets(self.env)
        return made

    @property
    def account(self) -> Account:
        """The books of the (first) integration."""
        return Ledger(self.parts).accounts()[0]

    @property
    def books(self) -> dict[str, Account]:
        """The books of every integration of the configuration in force."""
        self.parts.live.look(force=True)
        return {account.integration: account for account in Ledger(self.parts).accounts()}

    @property
    def findings(self) -> list[str]:
        """What the audit finds wrong."""
        return [finding.text for finding in Ledger(self.parts).audit().findings]

    @cached_property
    def broker(self) -> redis.Redis:
        """A client of the broker's database."""
        address = self.parts.broker.address
        assert address is not None
        return open_once(address, 5)

    def task_counts(self) -> dict[str, int]:
        """How many tasks of each name the workers have got, as those of `CONTROLLED` say themselves."""
        command = ["celery", "--quiet", "--app", CONTROLLED, "inspect", "--json", "stats"]
        answer = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=60, check=True)
        totals: dict[str, int] = {}
        for stats in json.loads(answer.stdout).values():
            for task, count in stats["total"].items():
                totals[task] = totals.get(task, 0) + count
        return totals

    # events

    def webhook(self, event: dict[str, Any] | bytes, secret: str = SECRET) -> requests.Response:
        """POST a signed webhook, as Purchasely does."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        timestamp = str(int(time.time()))
        signature = hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "Accept": "application/json",
            "X-PURCHASELY-REQUEST-SIGNATURE": signature,
            "X-PURCHASELY-TIMESTAMP": timestamp,
        }
        return self.http.post(f"{self.web}/webhooks/purchasely/app", data=body, headers=headers, timeout=60)

    def post(self, events: list[dict[str, Any]]) -> requests.Response:
        """POST an array, as an upstream service does."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return self.http.post(f"{self.web}/v1/events/app", json=events, headers=headers, timeout=30)

    # what arrived

    def inspect(self, path: str, **query: Any) -> Any:
        """Ask the simulator what it has."""
        return self.http.get(f"{self.simulator}/_inspect/{path}", params=query, timeout=60).json()

    def arrived(self, **query: Any) -> list[dict[str, Any]]:
        """All events at the simulator, in order of arrival."""
        items: list[dict[str, Any]] = []
        after = None
        while True:
            page = self.inspect("events", limit=1000, **({"after": after} if after else {}), **query)
            items += page["items"]
            after = page["next"]
            if not after:
                return items

    def faults(self, **faults: Any) -> None:
        """Make the simulator fail on purpose."""
        self.http.post(f"{self.simulator}/_inspect/faults", json=faults, timeout=60).raise_for_status()
