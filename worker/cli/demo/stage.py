"""The demo's stage: a folder that goes away, an integrations file, and the processes of a whole installation."""

import contextlib
import json
import os
import secrets
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from worker.cli.demo.events import REFUSED_EVENT
from worker.errors import OperatorError
from worker.machine.folder import write_private
from worker.machine.here import Machine, choose_address, open_direct
from worker.machine.supervisor import Change, Program

SOURCE = "journal-app"
# For a small machine: an event on an idle shard costs a Celery message for each integration, so there are few shards;
# and as the integrations then share two processes, their turns are short.
SHARDS = "2"
_BUDGET_S = "0.2"
_CHANGES_AT_START = 4  # twice dead and twice started again: it will not get better by itself
SITES = {"production": "demo-production", "sandbox": "demo-sandbox"}

FILE = """\
# The integrations file of the demo: one app, two workspaces of Customer.io.

[sources.journal-app]
webhook_secret = "env:DEMO_WEBHOOK_SECRET"
tokens = ["env:DEMO_TOKEN"]

[integrations.production]
source = "journal-app"
region = "eu"
site_id = "env:DEMO_PRODUCTION_SITE_ID"
api_key = "env:DEMO_PRODUCTION_API_KEY"
base_url = "{simulator}"
environments = ["PRODUCTION"]

[integrations.production.events]
"*" = true                                        # all codes, known and future
ACTIVATE = false                                  # but these: they are for the app's own backend
DEACTIVATE = false
SUBSCRIPTION_STARTED = "Subscription Started"     # and these under other names
SUBSCRIPTION_RENEWED = "Subscription Renewed"
SUBSCRIPTION_TERMINATED = "Subscription Ended"
TRIAL_STARTED = "Trial Started"
TRIAL_CONVERTED = "Trial Converted"
TRANSACTION_PROCESSED = "Payment"

[integrations.production.user_properties]
has_active_subscription = true
subscription_status = "status"
plan = true
plan_periodicity = true
offer_type = true
is_in_trial = true
is_auto_renewing = true
subscription_started_at = true
effective_next_renewal_at = "next_renewal_at"
store = true
store_country = "country"
cumulated_revenue_in_eur = "revenue_eur"
last_event = true

[integrations.sandbox]
source = "journal-app"
region = "eu"
site_id = "env:DEMO_SANDBOX_SITE_ID"
api_key = "env:DEMO_SANDBOX_API_KEY"
base_url = "{simulator}"
environments = ["SANDBOX"]

[integrations.sandbox.events]
"*" = true

[integrations.sandbox.user_properties]
has_active_subscription = true
subscription_status = true
plan = true

[plans]
weekly = "P1W"
monthly = "P1M"
yearly = "P1Y"
"""


class Stage:
    """Everything the demo runs, on free ports, over a folder of its own, and what happened to it.

    It takes over the environment of this process.
    """

    def __init__(self, folder: Path, *, with_console: bool = False) -> None:
        self.folder = folder
        self._with_console = with_console
        self.secret = secrets.token_hex(16)
        for name in [name for name in os.environ if name.startswith("RELAY_") or name == "WEB_CONCURRENCY"]:
            del os.environ[name]  # a demo is the same everywhere
        self._keys = {name: secrets.token_hex(12) for name in SITES}
        os.environ.update(DEMO_WEBHOOK_SECRET=self.secret, DEMO_TOKEN=secrets.token_hex(16))
        os.environ.update(RELAY_SHARDS=SHARDS, RELAY_BUDGET_S=_BUDGET_S)
        for name, site in SITES.items():
            os.environ[f"DEMO_{name.upper()}_SITE_ID"] = site
            os.environ[f"DEMO_{name.upper()}_API_KEY"] = self._keys[name]
        port = choose_address("127.0.0.1", 0)
        self.simulator = f"http://127.0.0.1:{port}"
        path = folder / "integrations.toml"
        path.write_text(FILE.replace("{simulator}", self.simulator), "utf-8")
        self._simulator_port = port
        self.happened: list[Change] = []
        self.machine = self._machine(path)

    @property
    def names(self) -> tuple[str, ...]:
        """The integrations."""
        return tuple(SITES)

    @property
    def webhook(self) -> str:
        """Where the demo's app sends its events."""
        return f"{self.machine.web_url}/webhooks/purchasely/{SOURCE}"

    def start(self) -> None:
        """Start all processes.

        Raises:
            OperatorError: they cannot run here.
        """
        self.machine.supervisor.start(self._simulate())
        self.machine.start()

    def wait_ready(self, within_s: float, asked: Callable[[], bool]) -> None:
        """Wait until the web door, a worker and the simulator serve, or until `asked` to stop.

        Raises:
            OperatorError: they do not, in that time.
        """
        ends = time.monotonic() + within_s
        machine = self.machine
        for what, is_ready in {
            "web": machine.is_ready,
            "worker": machine.is_working,
            "simulator": self._answers,
        }.items():
            while not asked() and not is_ready():
                machine.supervisor.poll()
                if time.monotonic() > ends or len(self.happened) > _CHANGES_AT_START:
                    raise OperatorError(f"the demo's {what} does not start: {self.last_words(what)}")
                time.sleep(0.05)

    def write_env(self) -> Path:
        """Write what another terminal needs to run commands on this installation."""
        settings = self.machine.relay.settings
        told = {
            "RELAY_DATA_DIR": settings.data_dir,
            "RELAY_INTEGRATIONS": settings.integrations,
            "RELAY_SHARDS": SHARDS,
            "RELAY_CONSOLE_PORT": settings.console_port,
            "RELAY_CONSOLE_LOGIN": settings.console_login,
        }
        demo = {name: value for name, value in os.environ.items() if name.startswith("DEMO_")}
        path = self.folder / "env.sh"
        lines = [f"export {name}={shlex.quote(str(value))}\n" for name, value in {**told, **demo}.items()]
        write_private(path, "".join(lines))
        return path

    def last_words(self, name: str) -> str:
        """The last line a process wrote."""
        with contextlib.suppress(OSError):
            lines = (self.folder / f"{name}.log").read_text("utf-8", "replace").strip().splitlines()
            return lines[-1][:300] if lines else "it wrote nothing"
        return "it wrote nothing"

    def inspect(self, path: str, integration: str) -> Any:
        """What the simulator has of an integration's workspace."""
        url = f"{self.simulator}/_inspect/{path}{'&' if '?' in path else '?'}workspace={quote(SITES[integration])}"
        with open_direct(url, timeout=10) as answer:
            return json.loads(answer.read())

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            self.inspect("stats", "production")
            return True
        return False

    def _machine(self, path: Path) -> Machine:
        from config.settings import Settings

        port = self._simulator_port
        while port == self._simulator_port:
            port = choose_address("127.0.0.1", 0)
        settings = Settings(
            integrations=path,
            data_dir=self.folder / "data",
            host="127.0.0.1",
            port=port,
            console_port=choose_address("127.0.0.1", 0),
            console_login="link",
        )
        return Machine(settings, self.happened.append, logs=self.folder, with_console=self._with_console)

    def _simulate(self) -> Program:
        arguments = ["simulate", "--port", str(self._simulator_port), "--reject-event-name", REFUSED_EVENT]
        for name, site in SITES.items():
            arguments += ["--workspace", f"{site}:{self._keys[name]}:eu"]
        code = "from worker.cli import main; main()"
        argv = (sys.executable, "-c", code, *arguments)
        return Program("simulator", argv, dict(os.environ), 3.0, self.folder / "simulator.log")
