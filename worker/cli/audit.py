"""`relay audit`: whether every accepted event is accounted for."""

import sys
from typing import TYPE_CHECKING, Any

import click

from worker.cli.acting import BY, WHY, record
from worker.cli.printing import Styled, count, echo_json, say, say_hanging, several
from worker.cli.progress import busy

if TYPE_CHECKING:
    from worker.ledger.audit import Audit, Books

_SUMS = ("accepted", "delivered", "filtered", "dead", "waiting")


@click.command()
@click.option("--acknowledge", is_flag=True, help="Take note of the events that Redis lost: no finding any more.")
@WHY
@BY
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit(message: str, by: str | None, *, acknowledge: bool, as_json: bool) -> None:
    """Check that accepted = delivered + filtered + dead + waiting, for every integration on every shard.

    The ledger is compared with what Redis itself counts. Exit 1 when something does not add up. Events that Redis lost
    after they were answered with 200 are named, until `--acknowledge`.
    """
    from worker.cli.parts import open_parts
    from worker.ledger import losses
    from worker.ledger.figures import Ledger

    parts = open_parts()
    ledger = Ledger(parts)
    if acknowledge:
        gone = losses.acknowledge(parts.redis, ledger.tallies())
        record(parts, "acknowledge", "events that Redis lost", by=by, why=message, result=several(gone, "event"))
    with busy("comparing the books with what Redis counts", quiet=as_json):
        found = ledger.audit()
    if as_json:
        items = [_item(name, books) for name, books in _by_integration(found).items()]
        echo_json({"items": items, "next": None, "findings": found.findings})
    else:
        _show(found)
    sys.exit(1 if found.findings else 0)


def _by_integration(found: "Audit") -> "dict[str, list[Books]]":
    by_name: dict[str, list[Books]] = {}
    for books in found.books:
        by_name.setdefault(books.integration, []).append(books)
    return by_name


def _item(name: str, books: "list[Books]") -> dict[str, Any]:
    sums = {what: sum(getattr(one, what) for one in books) for what in (*_SUMS, "unaccounted")}
    return {"integration": name, "source": books[0].source, "shards": len(books), **sums}


def _show(found: "Audit") -> None:
    for name, books in _by_integration(found).items():
        item = _item(name, books)
        sums = " + ".join(f"{what} {count(item[what])}" for what in _SUMS[1:])
        sign = "is not" if item["unaccounted"] else "="
        text = f"{name}: accepted {count(item['accepted'])} {sign} {sums}  ({several(item['shards'], 'shard')})"
        say_hanging(text, fg="red" if item["unaccounted"] else None)
    for finding in found.findings:
        where = f"{finding.integration} on shard {finding.shard}" if finding.integration else f"shard {finding.shard}"
        say(Styled("wrong", fg="red"), f"  {where}: {finding.text}")
    if not found.books:
        say("no books yet: nothing was ever stored in this Redis for these integrations")
    elif not found.findings:
        say("the books balance, and Redis counts the same")
    else:
        say(several(len(found.findings), "difference"))
