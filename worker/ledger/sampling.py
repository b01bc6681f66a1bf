"""Sampling: the books of every integration into the samples, once a minute, whoever asks first."""

from collections.abc import Callable, Iterable

from worker.ledger.accounts import Account
from worker.store.samples import Sample, Samples


def take_sample(samples: Samples, accounts: Callable[[], Iterable[Account]]) -> bool:
    """Keep a sample of this minute, if there is none; the books are read only then. Whether it was kept."""
    if not samples.is_due():
        return False
    return samples.add(samples_of(accounts()))  # also of nobody: it is from where on a new integration is counted


def samples_of(accounts: Iterable[Account]) -> dict[str, Sample]:
    """A sample of each account, by integration."""
    return {account.integration: sample_of(account) for account in accounts}


def sample_of(account: Account) -> Sample:
    """An account as a sample."""
    return Sample(
        account.accepted,
        sum(account.filtered.values()),
        account.delivered,
        account.dead,
        account.waiting,
        int(account.hold is not None),
    )
