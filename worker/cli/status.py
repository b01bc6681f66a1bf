"""`relay status`: how each integration is doing."""

import time
from typing import TYPE_CHECKING, Any

import click

from worker.cli.printing import echo_json
from worker.cli.watching import EVERY, WATCH, Rates, repeat, show

if TYPE_CHECKING:
    from rich.console import RenderableType

    from worker.app import Relay
    from worker.ledger.accounts import Account
    from worker.ledger.fleet import Fleet
    from worker.ledger.recent import Delays
    from worker.store.processes import Process
    from worker.store.samples import Sample

_RECENT_MS = 15 * 60_000


@click.command()
@WATCH
@EVERY
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --watch one document a line.")
def status(*, watch: bool, every_s: float, as_json: bool) -> None:
    """Show each integration: live or held and why, what came lately, what waits, what failed.

    \b
    relay status
    relay status --watch

    The figures are of the last 15 minutes, WAITING and FAILED of now. p50 and p99 are of the time from received to
    delivered, from the newest requests.
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    from worker.cli.parts import open_parts
    from worker.cli.status_picture import picture

    parts = open_parts()
    every_s, rates = every_s if watch else 0, Rates()
    if as_json:
        repeat(lambda: echo_json(read(parts)), every_s)
        return

    def draw(width: int) -> "RenderableType":
        state = read(parts)
        counts = {item["integration"]: (item["accepted"], item["delivered"]) for item in state["items"]}
        return picture(state, width, rates=rates.of(counts) if watch else None)

    show(draw, every_s)


def read(parts: "Relay") -> dict[str, Any]:
    """The state of everything, as `--json` prints it."""
    from worker.ledger.figures import Ledger
    from worker.ledger.fleet_needs import BROKER_AWAY
    from worker.ledger.headroom import near
    from worker.ledger.losses import read_loss
    from worker.revisions.live import EMPTY, NO_CONFIG
    from worker.store.samples import Sample, Samples

    parts.live.look()  # with --watch the configuration may change meanwhile, and the number of shards
    parts.look_at_layout()
    ledger = Ledger(parts)
    figures = None if parts.live.loaded is EMPTY else ledger.figures()
    found = figures.fleet if figures else ledger.fleet()
    wrong = list(found.messages())
    if figures and figures.broker:
        wrong.append(f"{BROKER_AWAY.format(fault=figures.broker)}; `relay check` asks it")
    fleet = {
        "revision": found.revision,
        "processes": [_process(one, found) for one in found.processes],
    }
    if figures is None:
        nothing: dict[str, Any] = {"items": [], "next": None, "sources": [], "refused": [], "near": [], "past": None}
        return nothing | fleet | {"wrong": [NO_CONFIG, *wrong]}
    gone = [read_loss(name, counts) for name, counts in figures.intake.items()]
    sources = [{"source": name, **counts} for name, counts in figures.intake.items()]
    delays = ledger.delays()
    since_ms = time.time_ns() // 1_000_000 - _RECENT_MS
    former = Samples(parts.redis).before(since_ms)
    if figures.past.since_ms is not None and figures.past.since_ms > since_ms:
        former = {account.integration: Sample() for account in figures.accounts}  # all that was ever received
    items, file = [], ledger.owning_file(found)
    for account in figures.accounts:
        item = _item(account, delays.get(account.integration), former.get(account.integration))
        refused = account.hold is not None and account.hold.kind == "unauthorized"
        items.append(
            item | {"key": _where_key(parts.live.loaded.revision.text, account.integration, file) if refused else ""}
        )
    past = figures.past
    return {
        "items": items,
        "next": None,
        "sources": sources,
        "refused": ledger.refused(),
        "owning_file": file,
        "near": [bound.message for bound in near(figures.bounds)],
        **fleet,
        "wrong": [*wrong, *(one.message for one in gone if one.gone), *filter(None, [past.archive.message])],
        "past": {"since_ms": past.since_ms, "retention_s": parts.settings.retention_s, "archive": past.archive},
    }


def _process(one: "Process", found: "Fleet") -> dict[str, Any]:
    return {
        "host": one.host,
        "pid": one.pid,
        "role": one.role,
        "version": one.version,
        "revision": one.revision,
        "since_ms": one.since_ms,
        "owner": one.owner,
        "missing_secrets": one.missing,
        "unserved": one.unserved,
        "alive": one.alive,
        "behind": one in found.behind,
        "silent_ms": one.silent_ms,
    }


def _where_key(text: str, integration: str, file: str) -> str:
    """Where the key of an integration is: the variable, the file, or the sealed text of the configuration."""
    import tomllib

    from worker.dead.advice import publishing

    try:
        reference = str(tomllib.loads(text)["integrations"][integration]["api_key"])
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        return ""
    kind, _, rest = reference.partition(":")
    return rest if kind in {"env", "file"} else f"the sealed api_key (relay seal; {publishing(file)})"


def _recent(account: "Account", former: "Sample | None") -> dict[str, int] | None:
    """What came and what became of it since a sample; None without one."""
    from worker.ledger.sampling import sample_of

    if former is None:
        return None
    now = sample_of(account)
    # below 0: a replay took letters back, or the integration was removed and joined again
    return {
        what: max(0, getattr(now, what) - getattr(former, what)) for what in ("received", "sent", "filtered", "failed")
    }


def _state(account: "Account") -> str:
    if account.hold:
        return "held"
    if not account.enabled:
        return "off"
    return "unserved" if account.unserved else "live" if account.send else "shadow"


def _item(account: "Account", delays: "Delays | None", former: "Sample | None") -> dict[str, Any]:
    return {
        "integration": account.integration,
        "source": account.source,
        "state": _state(account),
        "hold": account.hold,
        "waiting": account.waiting,
        "oldest_waiting_ms": account.oldest_ms,
        "accepted": account.accepted,
        "delivered": account.delivered,
        "shadowed": account.filtered.get("shadow", 0),
        "filtered": dict(sorted(account.filtered.items())),
        "dead": account.dead,
        "properties_rejected": account.properties,
        "unaccounted": account.unaccounted,
        "last_15_min": _recent(account, former),
        "p50_ms": delays and delays.p50_ms,
        "p99_ms": delays and delays.p99_ms,
    }
