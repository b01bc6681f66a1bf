"""A Redis Cluster of three primaries, with a replica each, that a test may kill nodes of."""

from contextlib import suppress
from pathlib import Path

import redis

from tests.support.servers import OwnRedis, free_port
from tests.support.waiting import until
from worker.store.topology import SLOTS, slot_of

_PRIMARIES = 3


class OwnCluster:
    """Six server processes; `config` is that of each.

    With the folder of an authority and its server's certificate they speak TLS among themselves, and on ports beside
    the plain ones.
    """

    def __init__(self, folder: Path, config: dict[str, str], binary: str = "", tls: Path | None = None) -> None:
        self.nodes: list[OwnRedis] = []
        self.tls_ports = [free_port() for _ in range(_PRIMARIES * 2)] if tls else []
        self._bus: list[int] = []
        for number in range(_PRIMARIES * 2):
            bus = free_port()
            mine = {"cluster_enabled": "yes", "cluster_node_timeout": "1000", "cluster_port": str(bus), **config}
            if tls:
                mine |= {"tls_port": str(self.tls_ports[number]), "tls_auth_clients": "no"}
                mine |= {"tls_cluster": "yes", "tls_replication": "yes", "tls_ca_cert_file": str(tls / "ours.pem")}
                mine |= dict.fromkeys(("tls_cert_file", "tls_key_file"), str(tls / "server.pem"))
            self.nodes.append(OwnRedis(folder / f"node-{number}", mine, binary))
            self._bus.append(bus)

    @property
    def url(self) -> str:
        """What RELAY_REDIS_URL takes: two of the nodes, which name the others."""
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port},127.0.0.1:{self.nodes[4].port}"

    @property
    def tls_url(self) -> str:
        """The same with TLS."""
        return f"rediss+cluster://127.0.0.1:{self.tls_ports[0]},127.0.0.1:{self.tls_ports[4]}"

    def start(self) -> None:
        """Start the nodes and make a cluster of them."""
        for node in self.nodes:
            node.start()
        clients = [redis.Redis(port=node.port, protocol=2) for node in self.nodes]
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number, client in enumerate(clients[:_PRIMARIES]):
            first, last = SLOTS * number // _PRIMARIES, SLOTS * (number + 1) // _PRIMARIES - 1
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        ports = self.tls_ports or [node.port for node in self.nodes]
        for port, bus in list(zip(ports, self._bus, strict=True))[1:]:
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)
        until(lambda: all(_known(client) == len(clients) for client in clients), "the nodes know each other")
        for number, client in enumerate(clients[_PRIMARIES:]):
            primary = clients[number].execute_command("CLUSTER", "MYID")
            client.execute_command("CLUSTER", "REPLICATE", primary)
        until(lambda: all(_is_whole(client) for client in clients), "the cluster serves all slots")
        for client in clients:
            client.close()

    def primary_of(self, key: str) -> OwnRedis:
        """The node that has a key's slot."""
        for node in self.nodes:
            with suppress(redis.RedisError), redis.Redis(port=node.port, protocol=2) as client:
                for first, last, primary, *_ in client.execute_command("CLUSTER", "SLOTS"):
                    if first <= slot_of(key) <= last:
                        return next(one for one in self.nodes if one.port == primary[1])
        raise AssertionError(f"no primary has {key}")

    def move(self, key: str, source: OwnRedis, target: OwnRedis) -> None:
        """Move a key's slot, with all that is in it."""
        slot = slot_of(key)
        with redis.Redis(port=source.port) as here, redis.Redis(port=target.port) as there:
            ids = [one.execute_command("CLUSTER", "MYID").decode() for one in (here, there)]
            there.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
            here.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
            for one in here.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000):
                here.execute_command("MIGRATE", "127.0.0.1", target.port, one, 0, 5000)
            for node in (there, here):
                node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
        until(lambda: all(self.primary_of(key) is target for _ in range(3)), "the nodes know it")

    def stop(self) -> None:
        """Stop all nodes for good."""
        for node in self.nodes:
            node.stop()


def _known(client: redis.Redis) -> int:
    return len(client.execute_command("CLUSTER", "NODES").splitlines())


def _is_whole(client: redis.Redis) -> bool:
    role = client.role()
    in_step = role[0] == b"master" or role[3] == b"connected"
    return in_step and b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO")
