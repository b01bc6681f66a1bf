"""Fleet: which processes run, which revision each of them runs, and what is wrong with that."""

from collections.abc import Iterable, Iterator

import msgspec
import redis

from worker.errors import OperatorError
from worker.process.wording import several
from worker.revisions.store import Revisions
from worker.store.clock import server_ms
from worker.store.layout import broken_off
from worker.store.processes import Process, Processes

# Without one of these nothing is stored, nothing is sent, or what is forgotten is never looked for.
NEEDED = ("web", "worker", "beat")
# What a file with an error does to those that run already.
STILL_RUNS = "revision {} still runs; a process that starts is refused"
# How long a process may run another revision before it is spoken of.
_PATIENCE_MS = 5_000


class Fleet(msgspec.Struct, frozen=True):
    """All processes, and the revision that should be run; `since_ms` is when it was published, `now_ms` the time.

    `growing`: the number of shards to which a growth was begun that nobody is at any more; 0: there is none.
    """

    revision: int
    since_ms: int
    now_ms: int
    processes: list[Process]
    unreadable: str = ""
    growing: int = 0

    @property
    def behind(self) -> list[Process]:
        """The live processes that run another revision though they had time to take it up."""
        if self.now_ms - self.since_ms < _PATIENCE_MS:
            return []
        return [one for one in self.processes if one.alive and one.revision != self.revision]

    @property
    def broken(self) -> dict[str, str]:
        """The first error of the integrations file, by each host that has one there."""
        return {one.host: one.broken for one in self.processes if one.alive and one.broken}

    @property
    def unpublished(self) -> dict[str, str]:
        """The integrations file, by each host where it has another text than what runs."""
        return {one.host: one.unpublished for one in self.processes if one.alive and one.unpublished}

    @property
    def absent(self) -> list[str]:
        """The roles that nobody fills."""
        filled = {one.role for one in self.processes if one.alive}
        return [role for role in NEEDED if role not in filled]

    @property
    def owners(self) -> list[str]:
        """Who the live processes take their configuration from: more than one is a mistake."""
        return sorted({one.owner for one in self.processes if one.alive})

    @property
    def owning_file(self) -> str:
        """The file that a live process takes its configuration from, in words; empty: none does."""
        host = next((one.host for one in self.processes if one.alive and one.owner == "file"), "")
        return f"the integrations file on {host}" if host else ""

    def leads(self, host: str) -> bool:
        """Whether it is this host whose web processes export what is of all: the first by name of those that live."""
        return host <= min((one.host for one in self.processes if one.alive and one.role == "web"), default=host)

    def messages(self) -> Iterator[str]:
        """What somebody should look at, a line each."""
        if self.unreadable:
            yield self.unreadable
        for role in self.absent:
            last = min((one.silent_ms for one in self.processes if one.role == role), default=None)
            seen = f" (the last one has been silent for {last // 1000} s)" if last is not None else ""
            waits = ", or see in the log of one that runs whether it reaches its broker" if role == "worker" else ""
            yield f"no {role} process is alive{seen}; start one{waits}"
        for one in self.behind:
            runs, right = (number or "none" for number in (one.revision, self.revision))
            yield f"{one.role} {one.host}/{one.pid} runs revision {runs}, not {right}: its log says why"
        for one in self.processes:
            if one.alive and one.missing and one.role != "child":
                its_log = f"its log names {'it' if one.missing == 1 else 'them'}"
                yield f"{one.role} {one.host}/{one.pid} misses {secrets_of(one)}: {its_log}"
        for host, problem in self.broken.items():
            yield f"{host}: {problem} ({STILL_RUNS.format(self.revision)})"
        for host, file in self.unpublished.items():
            yield (
                f"{host}: {file} is not what runs (revision {self.revision}): write what runs into it (relay config "
                "export), or publish it: restart a process there, such as beat; where it ran before, change a comment "
                "in it first"
            )
        if self.growing:
            yield f"the growth to {self.growing} shards was broken off: run `relay reshard {self.growing}` again"
        if len(self.owners) > 1:
            yield "some processes have RELAY_INTEGRATIONS and some have not: set it everywhere, or nowhere"


def secrets_of(process: Process) -> str:
    """What a process misses, and what it does not serve for that."""
    missing = several(process.missing, "secret")
    return f"{missing} and does not serve {' and '.join(process.unserved)}" if process.unserved else missing


def unserved(processes: Iterable[Process]) -> frozenset[str]:
    """The integrations that no living worker serves, since each of them misses a secret; none where none is alive."""
    by_worker = [frozenset(one.unserved) for one in processes if one.alive and one.role == "worker"]
    return frozenset.intersection(*by_worker) if by_worker else frozenset()


def fleet(client: redis.Redis, alive: Processes, revisions: Revisions) -> Fleet:
    """The processes as of now."""
    processes = alive.all()
    now_ms = server_ms(client)
    try:
        head = revisions.head()
        since_ms = revisions.get(head).at_ms if head else 0
    except OperatorError as fault:
        return Fleet(0, now_ms, now_ms, processes, str(fault))
    return Fleet(head, since_ms, now_ms, processes, growing=broken_off(client))
