"""A relay with a console that people have worked with: the Procfile's processes, events of a day, failures, a job."""

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from tests.support.payloads import payload
from tests.support.servers import OwnRedis, free_port
from tests.support.stack import DEFAULT_INTEGRATION, Stack
from tests.support.waiting import until

SANDBOX = """
[integrations.sandbox]
source = "app"
region = "eu"
site_id = "env:T_SITE"
api_key = "env:T_KEY"
base_url = "{simulator}"
environments = ["SANDBOX"]

[integrations.sandbox.events]
"*" = true
"""
NAMES = ("ACTIVATE", "SUBSCRIPTION_STARTED", "TRANSACTION_PROCESSED", "RENEWAL_DISABLED", "TRIAL_STARTED")


class ConsoleStack(Stack):
    """The same, with a console; the configuration is the store's, so that it can be published from there."""

    def __init__(self, folder: Path, redis_url: str, **env: str) -> None:
        self.console_port = free_port()
        self.console = f"http://127.0.0.1:{self.console_port}"
        given = {"RELAY_INTEGRATIONS": "", "RELAY_CONSOLE_LOGIN": "link", "RELAY_CONSOLE_PORT": str(self.console_port)}
        super().__init__(folder, redis_url, DEFAULT_INTEGRATION + SANDBOX, **{**given, **env})

    def begin(self) -> "ConsoleStack":
        """Publish the first revision, start everything, and wait until the console answers."""
        assert self.relay("config", "apply", str(self.path), "--yes", "-m", "the first one").returncode == 0
        self.start("simulator", "web", "worker", "beat", "console")
        until(self.answers, "the console answers")
        return self

    def answers(self) -> bool:
        """Whether the console answers."""
        with contextlib.suppress(requests.RequestException):
            return self.http.get(f"{self.console}/healthz", timeout=2).status_code == 200
        return False

    def link(self, role: str, login: str = "anna") -> str:
        """A one-time link, as somebody with a shell makes it."""
        made = self.relay("console", "link", "--json", "--role", role, "--login", login)
        return str(json.loads(made.stdout)["url"])

    def busy_day(self, people: int = 12) -> None:
        """Events of some people, and some that fail; waits until each is settled."""
        now_ms = time.time_ns() // 1_000_000
        sent = [
            event(name, f"customer-{number:04}", now_ms - 60_000 * (number * 5 + at), f"e-{number}-{at}")
            for number in range(people)
            for at, name in enumerate(NAMES)
        ]
        wrong: list[dict[str, Any]] = [
            {**event("ACTIVATE", f"customer-{number:04}", now_ms, f"w-{number}"), **fields}
            for number, fields in enumerate(
                [
                    *[{"event_name": "X" * 140}] * 3,
                    *[{"event_name": None}] * 2,
                    *[{"event_created_at_ms": 1_760_000_000, "event_created_at": None}] * 2,
                    *[{"user_id": None, "customerio_user_id": None, "anonymous_user_id": None, "device_id": None}] * 2,
                ]
            )
        ]
        cut = [{name: value for name, value in one.items() if value is not None} for one in wrong]
        assert self.post(sent + cut).status_code == 200
        until(lambda: sum(one.waiting for one in self.books.values()) == 0, "every event is settled")
        self.relay("dead", "--json")  # the groups have numbers once they were listed


def event(name: str, person: str, at_ms: int, event_id: str, **fields: Any) -> dict[str, Any]:
    """An event of a person, as Purchasely sends it."""
    given = {"user_id": person, "customerio_user_email": f"{person}@example.com", "event_created_at_ms": at_ms}
    made: dict[str, Any] = payload(name, event_id=event_id, **{**given, **fields})
    return made


@contextlib.contextmanager
def console_stack(**env: str) -> Iterator[ConsoleStack]:
    """All of it, until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="relay-console-"))
    server = OwnRedis(folder / "redis", {})
    server.start()
    stack = ConsoleStack(folder / "stack", server.url, **env)
    try:
        yield stack.begin()
    finally:
        stack.stop()
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
