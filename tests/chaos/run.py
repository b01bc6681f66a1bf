"""Breaks everything around a whole relay while events flow, and counts what became of them.

    python -m tests.chaos --events 100000 --faults 200 --seed 7

The plan of faults comes from the seed alone; what each of them meets is up to the machine. Runs on the embedded Valkey,
or on the server binary that RELAY_TEST_REDIS_SERVER names.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import psutil
import redis

from config.catalogue import catalogue
from config.integrations import load
from tests.chaos.identities import IDENTITY, under_identities
from tests.chaos.plan import KINDS, SECONDS_A_FAULT, Fault, all_kinds, make_plan
from tests.chaos.proof import Proof, arrived_names, prove
from tests.chaos.sender import Person, Sender
from tests.chaos.trails import trail_findings
from tests.support.payloads import HISTORIES, history
from tests.support.proxy import LossyProxy
from tests.support.servers import OwnRedis
from tests.support.stack import DEFAULT_INTEGRATION, Stack, procfile
from tests.support.waiting import until
from worker.app import Relay
from worker.ledger.figures import Ledger

LEASE_S = 2.0
WORKERS = ("worker-1", "worker-2")
BATCH_EVENTS, SHARDS, MORE_SHARDS = 25, 4, 16
_STILL_S = 120  # so long nothing may move before a run is given up
_LOSS = 0.02  # share of Redis's answers that are lost all the time; a twentieth of that for the broker's
SETTINGS = {
    "RELAY_LEASE_S": str(LEASE_S),
    "RELAY_BATCH_EVENTS": str(BATCH_EVENTS),
    "RELAY_SHARDS": str(SHARDS),
    "RELAY_SWEEP_INTERVAL_S": "0.5",
    "RELAY_TRIM_INTERVAL_S": "5",
    "RELAY_REQUEST_TIMEOUT_S": "5",  # longer than a process is frozen: it wakes up with an answer, and without a lease
    "RELAY_REQUEST_ATTEMPTS": "3",
    "RELAY_RETRY_MAX_S": "1",
    "RELAY_HOLD_FIRST_S": "0.3",
    "RELAY_HOLD_LONGEST_S": "2",
    "RELAY_WATCHDOG_S": "1",
    "RELAY_RETENTION_S": "3600",
}


@dataclass
class Summary:
    """What a run came to."""

    seed: int
    events: int
    people: int
    faults: dict[str, int]
    lasted_s: float
    answers: dict[str, int]
    redelivered: int
    taken_twice: int
    requests: dict[str, int]
    met: dict[str, int]
    resent: int
    unheard: int
    overlaps: int
    restarts: dict[str, int]
    proof: Proof
    unsettled: int
    dead: int
    findings: list[str]
    defects: dict[str, int]
    server: str
    notes: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        broken = self.unsettled or self.dead or self.findings or self.defects or self.taken_twice
        return self.proof.is_clean and not broken


class Chaos:
    """One run."""

    def __init__(
        self,
        folder: Path,
        events: int,
        faults: int,
        seed: int,
        *,
        two_identities: bool = False,
        dripping: bool = False,
        nonsense: bool = False,
        pool: str = "threads",
        reshard: bool = False,
    ) -> None:
        self._seed = seed
        self._plan = make_plan(seed, faults, LEASE_S, dripping=dripping, nonsense=nonsense)
        self._histories = make_histories(seed, events, two_identities=two_identities)
        properties = "\n".join(f'"{name}" = true' for name in catalogue().user_properties)
        text = DEFAULT_INTEGRATION.split("[integrations.production.user_properties]")[0]
        self._redis = OwnRedis(folder / "redis", {})
        self._redis.start()
        self._proxy = LossyProxy(self._redis.port, _LOSS)
        self._broker_proxy = LossyProxy(self._redis.port, _LOSS / 20)
        self._door_proxy = LossyProxy(self._redis.port, _LOSS)
        self._stack = Stack(
            folder / "stack",
            f"redis://127.0.0.1:{self._proxy.port}/0",
            f"{text}\n[integrations.production.user_properties]\n{properties}\n{IDENTITY if two_identities else ''}",
            RELAY_BROKER_URL=f"redis://127.0.0.1:{self._broker_proxy.port}/1",
            RELAY_POOL=pool,
            **SETTINGS,
        )
        self._events = sum(map(len, self._histories.values()))
        lasts_s = faults * SECONDS_A_FAULT
        self._grows_at_s = lasts_s / 3 if reshard else None
        people = [Person(raws) for raws in self._histories.values()]
        self._sender = Sender(self._stack.web, people, seed, lasts_s)
        # Every answer takes so long that the workers are busy two thirds of the time: a batch is always in the air.
        self._slow_s = min(0.9, BATCH_EVENTS * SHARDS * 0.66 * lasts_s / self._events)
        self._log = (folder / "chaos.log").open("a", encoding="utf-8", buffering=1)
        self._over = threading.Event()
        self._frozen: set[str] = set()
        self._restarts: Counter[str] = Counter()
        self._injected: Counter[str] = Counter()
        self._notes: list[str] = []

    # the run

    def run(self) -> Summary:
        """Everything, up to the summary."""
        began = time.monotonic()
        try:
            self._start()
            supervisor = threading.Thread(target=self._supervise, daemon=True)
            supervisor.start()
            self._sender.start()
            self._began = time.monotonic()
            tracks = [threading.Thread(target=self._follow, args=(track,), daemon=True) for track in KINDS]
            growing = threading.Thread(target=self._grow, daemon=True)
            for thread in (*tracks, growing):
                thread.start()
            for thread in tracks:
                thread.join()
            self._say("faults are over")
            self._while_it_moves(lambda: self._sender.left, "everything is sent")
            self._sender.stop()
            self._stack.faults()
            self._proxy.lose(0)
            self._broker_proxy.lose(0)
            self._door_proxy.lose(0)
            growing.join(_STILL_S)
            with suppress(AssertionError):
                self._while_it_moves(self._left, "everything is settled")
            lasted_s = time.monotonic() - began
            self._over.set()
            supervisor.join()
            return self._sum_up(lasted_s)
        finally:
            self._over.set()
            self._stack.stop()
            self._proxy.stop()
            self._broker_proxy.stop()
            self._door_proxy.stop()
            self._redis.stop()
            self._log.close()

    def _start(self) -> None:
        self._stack.start("simulator", "beat")
        self._start_web()
        self._stack.until_up("web")
        for name in WORKERS:
            self._stack.start_as(name, "worker", concurrency=2)
        self._arm({}, self._slow_s)

    def _left(self) -> int:
        """How many events are not settled yet; all of them, while nobody can tell."""
        with suppress(redis.RedisError):
            self._stack.parts.look_at_layout()
            account = self._stack.account
            return self._events - account.accepted + account.waiting
        return self._events

    @staticmethod
    def _while_it_moves(left: Callable[[], int], what: str) -> None:
        """Wait until nothing is left, as long as it becomes less: a busy machine is slow, not broken."""
        known = left()
        while known:
            known = until(lambda least=known: (now := left()) < least and (now + 1), what, _STILL_S, 0.5) - 1

    def _supervise(self) -> None:
        """Start again whatever ended, as a supervisor does."""
        while not self._over.wait(0.1):
            for name, process in list(self._stack.processes.items()):
                code = process.poll()
                if code is None or self._over.is_set() or name == "reshard":
                    continue
                if name == "simulator":
                    self._notes.append(f"the simulator ended with {code}: the run is void")
                self._say(f"{name} ended with {code}")
                self._restarts[f"{name.split('-')[0]} ended with {code}"] += 1
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # what is left of its group
                self._again(name)

    def _again(self, name: str) -> None:
        if name in WORKERS:
            self._stack.start_as(name, "worker", concurrency=2)
        elif name == "web":
            self._start_web()
        else:
            self._stack.start_as(name, name)

    def _grow(self) -> None:
        """Have the shards grow in the middle; the command is killed once, and run again until it ends well."""
        if self._grows_at_s is None:
            return
        self._over.wait(self._grows_at_s)
        dice, code = random.Random(f"{self._seed} reshard"), None
        while code != 0 and not self._over.is_set():
            process = self._stack.spawn("reshard", f"relay reshard {MORE_SHARDS} --yes")
            if code is None:
                self._over.wait(dice.uniform(0.5, 3))  # it takes half a second to begin
                self._stack.kill("reshard")
            until(lambda one=process: one.poll() is not None or self._over.is_set(), "reshard ends", 3600, 0.1)
            code = process.poll()
            self._say(f"reshard ended with {code}")
            self._restarts[f"reshard ended with {code}"] += 1

    def _start_web(self) -> None:
        """The web door, with a way to Redis of its own."""
        url = f"redis://127.0.0.1:{self._door_proxy.port}/0"
        self._stack.spawn("web", f"env RELAY_REDIS_URL={url} {procfile()['web']}")

    # the faults

    def _follow(self, track: str) -> None:
        for fault in self._plan:
            if fault.track == track:
                self._over.wait(max(0.0, fault.at_s - (time.monotonic() - self._began)))
                self._say(f"{track}: {fault.kind} for {fault.lasts_s:.1f} s")
                try:
                    getattr(self, f"_on_{track}")(fault)
                    self._injected[fault.kind] += 1
                except Exception as error:
                    self._notes.append(f"{fault.kind} could not be injected: {error!r}")
                    self._say(self._notes[-1])

    def _on_machine(self, fault: Fault) -> None:
        act, _, victim = fault.kind.partition(" ")
        match act, victim:
            case "kill", "redis":
                self._redis.kill()
                self._over.wait(fault.lasts_s)
                self._redis.start()
            case _, "redis" | "scripts" | "broker":
                self._on_redis(act, victim, fault)
            case "freeze", _:
                processes = self._victims(victim, fault.dice)
                for process in processes:
                    process.suspend()
                self._over.wait(fault.lasts_s)
                for process in processes:
                    with suppress(psutil.NoSuchProcess):
                        process.resume()
            case _:
                for process in self._victims(victim, fault.dice)[:1]:
                    process.send_signal(signal.SIGTERM if act == "stop" else signal.SIGKILL)

    def _victims(self, victim: str, dice: float) -> list[psutil.Process]:
        """The processes that a fault strikes, the main one first."""
        name = WORKERS[int(dice * 2)] if victim in {"worker", "child"} else victim
        main = psutil.Process(self._stack.processes[name].pid)
        children = main.children(recursive=True)
        if victim == "child":
            return [children[int(dice * 100) % len(children)]] if children else [main]
        return [main, *children]

    def _on_redis(self, act: str, victim: str, fault: Fault) -> None:
        with redis.Redis.from_url(self._redis.url, socket_timeout=20) as client:
            match act, victim:
                case "fill", _:
                    client.config_set("maxmemory", 1)
                    self._over.wait(fault.lasts_s)
                    client.config_set("maxmemory", 0)
                case "pause", _:
                    client.execute_command("CLIENT", "PAUSE", int(fault.lasts_s * 1000), "ALL")
                case "cut", _:
                    for kind in ("normal", "pubsub"):
                        client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
                case "deafen", _:
                    self._proxy.lose(0.1 + 0.3 * fault.dice)
                    self._broker_proxy.lose(0.1)
                    self._door_proxy.lose(0.1 + 0.3 * fault.dice)
                    self._over.wait(fault.lasts_s)
                    self._proxy.lose(_LOSS)
                    self._broker_proxy.lose(_LOSS / 20)
                    self._door_proxy.lose(_LOSS)
                case "babble", _:
                    self._door_proxy.nonsense = b"+OK\r\n"
                    self._over.wait(fault.lasts_s)
                    self._door_proxy.nonsense = b""
                case "flush", "scripts":
                    client.script_flush()
                case _:
                    client.execute_command("SELECT", 1)
                    client.flushdb()

    def _on_destination(self, fault: Fault) -> None:
        slow_s = 8.0 if fault.kind.startswith("slow") else self._slow_s
        self._arm({fault.kind: {"probability": 0.4 + 0.6 * fault.dice}}, slow_s)
        self._over.wait(fault.lasts_s)
        self._arm({}, self._slow_s)

    def _arm(self, faults: dict[str, Any], slow_s: float) -> None:
        arm = {**faults, **({"slow": {"probability": 1}} if slow_s <= self._slow_s else {})}
        self._stack.faults(arm=arm, slow_s=slow_s, drip_s=0.1, retry_after="seconds", retry_after_s=1, seed=self._seed)

    def _on_sender(self, fault: Fault) -> None:
        self._sender.redeliver(20 + int(fault.dice * 180), random.Random(f"{self._seed} {fault.at_s}"))

    def _say(self, text: str) -> None:
        self._log.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    # the proof

    def _sum_up(self, lasted_s: float) -> Summary:
        stats = self._stack.inspect("stats")
        defects = dict(stats["defects_by_kind"])
        found = Ledger(self._stack.parts).audit()
        version = self._stack.parts.redis.info("server")
        return Summary(
            seed=self._seed,
            events=self._events,
            people=len(self._histories),
            faults=dict(self._injected),
            lasted_s=lasted_s,
            answers=dict(self._sender.answers),
            redelivered=self._sender.duplicates,
            taken_twice=self._sender.taken_twice,
            requests=stats["requests"],
            met=stats["faults"],
            resent=stats["duplicates"],
            unheard=self._proxy.lost + self._broker_proxy.lost + self._door_proxy.lost,
            overlaps=defects.pop("concurrent_person", 0),
            restarts=dict(self._restarts),
            proof=prove(
                self._stack, load(self._stack.path, self._stack.env).integrations["production"], self._histories
            ),
            unsettled=self._stack.account.waiting,
            dead=self._stack.account.dead,
            findings=[*(f"shard {one.shard}: {one.text}" for one in found.findings), *self._trail_findings()],
            defects=defects,
            server=f"{version.get('server_name', 'redis')} {version.get('valkey_version', version['redis_version'])}",
            notes=[*self._notes, *self._ungrown()],
        )

    def _ungrown(self) -> list[str]:
        layout = self._stack.parts.layout
        if self._grows_at_s is None or (layout.shards, layout.moving) == (MORE_SHARDS, False):
            return []
        return [f"the growth has not ended: {layout}; {self._stack.log('reshard')[-500:]}"]

    def _trail_findings(self) -> list[str]:
        ids = [orjson.loads(raw)["event_id"] for events in self._histories.values() for raw in events]
        # past the proxy: a hundred looks through the streams are some gigabytes
        chosen = self._stack.parts.settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{self._redis.port}/0"})
        parts = Relay(chosen)
        parts.__dict__["secrets"] = self._stack.parts.secrets
        parts.check_store()
        return trail_findings(parts, arrived_names(self._stack), ids, self._seed)


def make_histories(seed: int, events: int, *, two_identities: bool = False) -> dict[str, list[bytes]]:
    """Whole lives of people, until there are about so many events; each has a subscription or purchase of their own."""
    dice = random.Random(f"{seed} people")
    kinds = list(HISTORIES)
    histories: dict[str, list[bytes]] = {}
    total = 0
    while total < events:
        person = f"user-{len(histories):06d}"
        payloads = history(
            dice.choice(kinds),
            start_ms=1_760_000_000_000 + dice.randrange(10**9),
            user_id=person,
            device_id=f"device-{person}",
            purchasely_subscription_id=f"subs_{person}",
            purchasely_one_time_purchase_id=...,
        )
        if two_identities:
            person, payloads = under_identities(payloads, person, dice)
        histories[person] = [orjson.dumps(one) for one in payloads]
        total += len(payloads)
    return histories


def markdown(summary: Summary) -> str:
    """The summary as tables."""
    total = sum(summary.faults.values())
    head = f"{summary.events:,} events of {summary.people:,} people; {total} faults, and the requests they struck;"
    lines = [
        f"{head} {summary.lasted_s / 60:.1f} minutes; {summary.server}; seed {summary.seed}.",
        "",
        "| promise | broken |",
        "|---|---|",
        f"| events answered with 200 and never delivered | {summary.proof.lost} |",
        f"| events with more than one effect | {summary.proof.doubled} |",
        f"| people whose events arrived out of order | {summary.proof.out_of_order} |",
        f"| people whose attributes differ from an undisturbed run | {summary.proof.wrong_attributes} |",
        f"| redeliveries that were taken for new events | {summary.taken_twice} |",
        f"| events that still wait when all is well again | {summary.unsettled} |",
        f"| dead letters (none of the events deserved it) | {summary.dead} |",
        f"| differences that `relay audit` found, or between the trail and what arrived | {len(summary.findings)} |",
        f"| requests that a correct client would not have sent | {sum(summary.defects.values())} |",
        "",
        "| fault | times |",
        "|---|---|",
    ]
    meanings = {
        kind: text for kinds in all_kinds(dripping=True, nonsense=True).values() for kind, text in kinds.items()
    }
    lines += [f"| {meanings[kind]} | {summary.faults[kind]} |" for kind in meanings if kind in summary.faults]
    lines += [
        f"| **all** | **{total}** |",
        "",
        "| along the way | |",
        "|---|---|",
        f"| answers to the senders, by status or fault | {_counts(summary.answers)} |",
        f"| events that the senders sent again on purpose | {summary.redelivered:,} |",
        f"| answers of Customer.io, by status | {_counts(summary.requests)} |",
        f"| requests that met a fault there, slow answers not counted | {_struck(summary):,} |",
        f"| events sent again and ignored by their ULID | {summary.resent:,} |",
        f"| answers of Redis that were lost after the command ran | {summary.unheard:,} |",
        f"| people in two requests at once, since a frozen worker left one in the air | {summary.overlaps} |",
        f"| processes started again | {_counts(summary.restarts)} |",
    ]
    return "\n".join(lines)


def _struck(summary: Summary) -> int:
    return sum(count for kind, count in summary.met.items() if kind != "slow")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items())) or "none"


def main(arguments: list[str]) -> int:
    """Run, print, and exit 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="Keep logs and data there.  [default: a temporary one]")
    parser.add_argument("--report", type=Path, help="Write the tables there too.")
    parser.add_argument(
        "--two-identities",
        action="store_true",
        help="Each person has an anonymous id and a user id, transfers, and e-mail in different case.",
    )
    parser.add_argument("--dripping", action="store_true", help="Customer.io drips header bytes now and then.")
    parser.add_argument(
        "--nonsense",
        action="store_true",
        help="Customer.io answers nonsense now and then, and Redis does to the web door.",
    )
    parser.add_argument("--reshard", action="store_true", help="The shards grow from 4 to 16 in the middle of it.")
    parser.add_argument("--pool", choices=("threads", "prefork"), default="threads", help="How the workers deliver.")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing may be left running
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        summary = Chaos(
            folder,
            chosen.events,
            chosen.faults,
            chosen.seed,
            two_identities=chosen.two_identities,
            dripping=chosen.dripping,
            nonsense=chosen.nonsense,
            pool=chosen.pool,
            reshard=chosen.reshard,
        ).run()
    text = markdown(summary)
    print(text)
    for line in [*summary.proof.examples, *summary.findings, *summary.notes]:
        print(f"- {line}")
    if chosen.report:
        chosen.report.write_text(f"{text}\n")
    return 0 if summary.is_clean else 1
