"""The relay on one machine: its server, worker, beat and web door under one supervisor."""

import contextlib
import os
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from config import document
from config.integrations import ConfigError, parse
from config.roles import Role
from config.secrets import Secrets
from config.settings import Settings
from worker.app import Relay
from worker.errors import OperatorError
from worker.machine.embedded import Embedded
from worker.machine.processes import START, program
from worker.machine.supervisor import Change, Supervisor
from worker.revisions.keyring import make_key, secret_keys
from worker.store.connect import open_once
from worker.store.links import link_address, new_link

_LINK_S = 1800
# So long `relay up` waits for the console once web serves.
_CONSOLE_WITHIN_S = 10.0

# A proxy of the surroundings has nothing to do with what runs on this machine.
open_direct = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class Machine:
    """All processes of `relay up` and the demo. `settings` say where; without a `redis_url` a server is embedded."""

    def __init__(
        self,
        settings: Settings,
        say: Callable[[Change], None],
        *,
        concurrency: int | None = None,
        logs: Path | None = None,
        with_console: bool = False,
    ) -> None:
        self.supervisor = Supervisor(say)
        self.embedded = None if settings.redis_url else Embedded(settings.data_dir)
        self.relay = Relay(settings, "up")
        self._concurrency = concurrency
        self._logs = logs
        self.with_console = with_console

    @property
    def web_url(self) -> str:
        """Where the web door listens."""
        return _url(self.relay.settings.host, self.relay.settings.port)

    def console_link(self, login: str) -> str:
        """An address that logs its reader in to the console as an admin, once, within half an hour."""
        token = new_link(self.relay.redis, Role.ADMIN, login, _LINK_S)
        return link_address(self.relay.settings, token)

    def start(self, asked: Callable[[], bool] = lambda: False) -> None:
        """Start everything; `asked` says that it shall stop already.

        Raises:
            OperatorError: the set-up is wrong; nothing is left to start then, but `stop` must be called.
        """
        chosen = self.relay.settings
        if chosen.integrations:
            check_file(chosen.integrations, self.relay.secrets)  # errors end it here, before anything runs
        if self.embedded and not secret_keys(chosen):
            make_key(chosen.data_dir)
        if self.embedded:
            self.supervisor.start(self.embedded.open())
            self.embedded.wait_ready(lambda: self.supervisor.is_alive("valkey"), asked)
            if asked():
                return
            self.relay = Relay(chosen.model_copy(update={"redis_url": self.embedded.url}), "up")
        self.relay.begin()
        if self.embedded:
            self.embedded.announce()
        env = self._env()
        for name in START if self.with_console else [name for name in START if name != "console"]:
            self.supervisor.start(program(name, env, self._logs / f"{name}.log" if self._logs else None))

    def is_ready(self) -> bool:
        """Whether the web door can store events."""
        with contextlib.suppress(OSError), open_direct(f"{self.web_url}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
        return False

    def is_open(self) -> bool:
        """Whether the console answers, if there is to be one."""
        if not self.with_console:
            return True
        url = _url(self.relay.settings.console_host, self.relay.settings.console_port)
        with contextlib.suppress(OSError), open_direct(f"{url}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
        return False

    def is_working(self) -> bool:
        """Whether a worker waits for messages."""
        import redis  # noqa: PLC0415 - also Celery's own transport, and asked rarely

        address = self.relay.broker.address
        if address is None:
            return True  # only Redis can be asked
        with contextlib.suppress(redis.RedisError), open_once(address, 5) as client:
            return any(one["cmd"] == "brpop" for one in client.client_list())
        return False

    def wait_ready(self, within_s: float, pause: Callable[[float], None], asked: Callable[[], bool]) -> bool:
        """Wait until the web door serves; False when it does not in time, or a stop was asked for.

        The console is waited for as well, so that a link into it works at once; but not for long, as no event needs it.
        """
        ends, serves_s = time.monotonic() + within_s, 0.0
        while not asked() and time.monotonic() < ends:
            if serves_s or self.is_ready():
                serves_s = serves_s or time.monotonic()
                if self.is_open() or time.monotonic() > serves_s + _CONSOLE_WITHIN_S:
                    return True
            self.supervisor.poll()
            pause(0.05)
        return False

    def stop(self, pause: Callable[[float], None] = time.sleep, hurry: Callable[[], bool] = lambda: False) -> list[str]:
        """Stop everything, web first and the server last; the names of those that had to be killed."""
        killed = self.supervisor.stop(pause, hurry)
        if self.embedded:
            self.embedded.close()
        return killed

    def _env(self) -> dict[str, str]:
        chosen = self.relay.settings
        env = {
            **os.environ,
            "RELAY_REDIS_URL": self.relay.redis_url,
            **({"RELAY_INTEGRATIONS": str(chosen.integrations)} if chosen.integrations else {}),
            "RELAY_DATA_DIR": str(chosen.data_dir),
            "RELAY_HOST": chosen.host,
            "PORT": str(chosen.port),
            "RELAY_CONSOLE_HOST": chosen.console_host,
            "RELAY_CONSOLE_PORT": str(chosen.console_port),
            "RELAY_CONSOLE_LOGIN": chosen.console_login or "link",
        }
        if self._concurrency:
            env["RELAY_CONCURRENCY"] = str(self._concurrency)
        return env


def check_file(path: Path, secrets: Secrets) -> None:
    """Whether everything of an integrations file can be used on this machine, its secrets included.

    Raises:
        OperatorError: what to change, a line each.
    """
    try:
        parse(document.read(path), str(path), secrets)
    except ConfigError as error:
        raise OperatorError(*error.problems) from None


def choose_address(host: str, port: int, options: str = "--host and --port") -> int:
    """The port to listen on: the given one, or for 0 any that is free. `options` would choose another.

    Raises:
        OperatorError: somebody listens there already, or the address is not this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as fault:
        raise OperatorError(
            f"cannot listen on {host}:{port} ({fault.strerror}); choose another with {options}"
        ) from None


def _url(host: str, port: int) -> str:
    """Where a process of this machine listens; an address that stands for all is spoken of as this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - only spoken of
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
