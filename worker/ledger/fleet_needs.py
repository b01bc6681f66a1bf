"""Needs of the processes and the broker: one that is absent, another revision, a missing secret, a broken file."""

from collections.abc import Iterator
from typing import Final

from worker.ledger.fleet import STILL_RUNS, Fleet, secrets_of
from worker.ledger.need import Need

BROKER_AWAY: Final = "the broker does not answer ({fault}): no worker hears of the events that wait"


def fleet_needs(found: Fleet, broker: str = "") -> Iterator[Need]:
    """Those of one look at the heartbeats; `broker`: why it does not answer, empty: it does."""
    if broker:
        yield Need(
            "absent:broker",
            "absent",
            BROKER_AWAY.format(fault=broker),
            "start it, or correct RELAY_BROKER_URL (`relay check` asks it); what waits is delivered then, in order",
            urgent=True,
        )
    yield from _of_processes(found)
    yield from _of_all(found)


def _of_processes(found: Fleet) -> Iterator[Need]:
    if found.unreadable:
        yield Need("config:unreadable", "config", found.unreadable, "upgrade this process", urgent=True)
    for role in found.absent:
        yield Need(
            f"absent:{role}",
            "absent",
            f"no {role} process is alive",
            f"start one (`relay {role}`); the log says why one ended, or that it cannot reach its broker",
            urgent=role != "beat",  # the workers do its rounds meanwhile
        )
    for one in found.behind:
        yield Need(
            f"config:behind:{one.role}:{one.host}",
            "config",
            f"{one.role} on {one.host} runs revision {one.revision or 'none'}, not {found.revision or 'none'}",
            "its log says why (config_not_taken_up)",
        )
    for one in found.processes:
        if one.alive and one.missing and one.role != "child":
            yield Need(
                f"config:secrets:{one.role}:{one.host}",
                "config",
                f"{one.role} on {one.host} misses {secrets_of(one)}",
                "its log names them (secret_missing); set them there and restart it",
                urgent=True,
            )


def _of_all(found: Fleet) -> Iterator[Need]:
    for host, problem in found.broken.items():
        yield Need(
            f"config:file:{host}",
            "config",
            f"the integrations file on {host} is broken: {problem}; {STILL_RUNS.format(found.revision)}",
            "correct that line; `relay check` names every one",
        )
    if found.growing:
        yield Need(
            "config:growing",
            "config",
            f"the growth to {found.growing} shards was broken off: people of new shards are sent nothing",
            f"run `relay reshard {found.growing}` again: it goes on",
            urgent=True,
        )
    if len(found.owners) > 1:
        yield Need(
            "config:owners",
            "config",
            "some processes have RELAY_INTEGRATIONS and some have not",
            "set it everywhere, or nowhere",
        )
