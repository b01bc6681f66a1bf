"""What needs somebody: one list of all that does not heal by itself, for the alerts and the console's overview.

Pure: it takes what was read of the relay and returns values; each need has a key that stays while the need lasts.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from worker.dead.advice import hold_advice
from worker.ledger.accounts import Account
from worker.ledger.audit import Finding
from worker.ledger.fleet_needs import fleet_needs
from worker.ledger.headroom import near
from worker.ledger.losses import read_loss
from worker.ledger.metrics import Figures
from worker.ledger.need import Need
from worker.ledger.trends import Trend
from worker.process.wording import count, several, span
from worker.store.refusals import Refused

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
# Time to have a certificate renewed, and then to worry.
_SOON_MS: Final = 21 * 86_400_000
_URGENT_MS: Final = 3 * 86_400_000
# A destination that does not answer comes back by itself; after so long somebody should ask why it has not.
PATIENCE_MS: Final = 5 * 60_000
# So far behind without a hold it does not catch up by itself.
LATE_MS: Final = 10 * 60_000
# Fewer requests with a wrong secret in an hour may be a mistake of a person who tries something.
REFUSED_LEAST: Final = 10


def needs(
    figures: Figures,
    findings: Iterable[Finding],
    now_ms: int,
    trends: Mapping[str, Trend] = _NONE,
    certificates: Mapping[str, int] = _NONE,
    refused: Iterable[Refused] = (),
    file: str = "",
) -> list[Need]:
    """All needs, the urgent ones first; `certificates` says when each ends (Unix ms), `refused` is of an hour.

    `file` owns the configuration, empty: none does.
    """
    found = [
        *(_hold(account, now_ms, file) for account in figures.accounts),
        *(_late(account) for account in figures.accounts if not figures.broker),
        *_losses(figures.intake),
        *_books(findings),
        *fleet_needs(figures.fleet, figures.broker),
        *_bounds(figures),
        _archive(figures),
        *_trends(trends, figures.accounts),
        *_refusals(refused),
        *_certificates(certificates, now_ms),
    ]
    return sorted((need for need in found if need is not None), key=lambda need: not need.urgent)


def _hold(account: Account, now_ms: int, file: str) -> Need | None:
    hold, name = account.hold, account.integration
    lasted_ms = now_ms - hold.since_ms if hold else 0
    # a hold of the future is of a host whose clock is ahead: it may have lasted for long
    if hold is None or (hold.kind == "unreachable" and -PATIENCE_MS < lasted_ms < PATIENCE_MS):
        return None
    lasted_ms = max(0, lasted_ms)
    by_hand = hold.by == "operator"
    why = "by an operator" if by_hand else f"{hold.kind}{f' (answer {hold.status})' if hold.status else ''}"
    if hold.kind == "unknown_state":
        why = f"{hold.kind} ({hold.message})"  # our own words: which state it is
    waiting = several(account.waiting, "event")
    return Need(
        f"held:{name}",
        "held",
        f"{name} is held for {span(lasted_ms)}: {why}; {waiting} wait{'s' if account.waiting == 1 else ''}",
        hold_advice(hold.kind, file, hold.status, name),
        name,
        hold.since_ms,
        urgent=not by_hand,
    )


def _late(account: Account) -> Need | None:
    if account.hold is not None or not account.enabled or account.oldest_ms < LATE_MS:
        return None
    name = account.integration
    waiting = several(account.waiting, "event")
    return Need(
        f"late:{name}",
        "late",
        f"{name} is {span(account.oldest_ms)} behind and is not held; {waiting} wait{'s' * (account.waiting == 1)}",
        "more workers, or a destination that answers slowly: see docs/runbook.md",
        name,
    )


def _losses(intake: Mapping[str, Mapping[str, int]]) -> Iterator[Need]:
    for source, counts in intake.items():
        if gone := read_loss(source, counts).gone:
            yield Need(
                f"lost:{source}",
                "lost",
                f"Redis lost {several(gone, 'event')} of {source} after their 200, and they did not come back",
                "docs/high-availability.md says what to do; then `relay audit --acknowledge`",
                urgent=True,
            )


def _books(findings: Iterable[Finding]) -> Iterator[Need]:
    texts = [f"{one.integration or 'the door'}, shard {one.shard}: {one.text}" for one in findings if not _is_loss(one)]
    if texts:
        more = f" (and {count(len(texts) - 1)} more)" if len(texts) > 1 else ""
        yield Need(
            "books", "books", f"the books do not balance: {texts[0]}{more}", "`relay audit` lists all", urgent=True
        )


def _is_loss(finding: Finding) -> bool:
    """Whether it is of what Redis lost, which is a need of its own."""
    return finding.text.startswith("Redis lost")


def _bounds(figures: Figures) -> Iterator[Need]:
    for bound in near(figures.bounds):
        memory = bound.what == "memory"
        yield Need(
            f"bound:{bound.what.replace(' ', '_')}:{bound.integration}".rstrip(":"),
            "bound",
            bound.message,
            "give Redis memory, or shorten RELAY_RETENTION_S" if memory else "`relay dead` says what to do",
            bound.integration,
            urgent=bound.now >= bound.limit,
        )


def _archive(figures: Figures) -> Need | None:
    state = figures.past.archive
    message = state.message
    if not message:
        return None
    advice = "nothing is trimmed until it is written; see docs/runbook.md"
    return Need("archive", "archive", message, advice, since_ms=state.failing_since_ms)


def _trends(trends: Mapping[str, Trend], accounts: Iterable[Account]) -> Iterator[Need]:
    # what was replayed or discarded since needs nobody
    open_ones = {one.integration for one in accounts if one.dead or one.properties}
    for name, trend in trends.items():
        if trend.failed and name in open_ones:
            share = trend.failed * 100 // trend.settled
            yield Need(
                f"failing:{name}",
                "failing",
                f"{several(trend.failed, 'event')} of {name} failed within the hour ({share} %), more than usual",
                "`relay dead` groups them by what has to be fixed",
                name,
            )
        if trend.silent_h:
            hours = several(trend.silent_h, "hour")
            yield Need(
                f"silent:{name}",
                "silent",
                f"nothing was received for {name} in {hours}, where there usually is something",
                "look at the sender, and at the webhook's address and secret in Purchasely",
                name,
            )


def _refusals(refused: Iterable[Refused]) -> Iterator[Need]:
    for one in refused:
        if one.source and one.status == 401 and one.requests >= REFUSED_LEAST:
            yield Need(
                f"refused:{one.source}",
                "refused",
                f"{several(one.requests, 'request')} for {one.source} had a wrong secret within the hour, and got 401",
                "compare the webhook's secret, or the sender's token, with those of the source; senders try again",
            )


def _certificates(certificates: Mapping[str, int], now_ms: int) -> Iterator[Need]:
    for name, until_ms in certificates.items():
        left_ms = until_ms - now_ms
        if left_ms < _SOON_MS:
            when = f"ends in {span(left_ms)}" if left_ms > 0 else "has ended"
            yield Need(
                f"expiring:{name}",
                "expiring",
                f"the certificate of {name} {when}",
                "renew it and restart what uses it",
                urgent=left_ms < _URGENT_MS,
            )
