"""Fail-overs under load: what became of events that were answered with 200, and how long ingest was away.

    python -m bench.failover [--failovers 20] [--rate 500] [--frozen 5] [--bytes 3000] [--set RELAY_REMEMBER_S=0] …

Three servers under three Sentinels, the Procfile's processes, a simulated Customer.io. Before each fail-over both
replicas are stopped (SIGSTOP), then the primary is killed and the replicas go on, so that the one that takes over lacks
what was stored meanwhile. Senders post each event again until it is answered with 200.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from tests.support.failover import Drill, drill


def table(found: Drill) -> str:
    """The figures, as the pages have them."""
    back = sorted(found.back_s)
    rows = {
        "events answered with 200": f"{found.accepted:,}",
        "of them lost by Redis": f"{found.redis_lost:,}",
        "of those given back by the web door": f"{found.restored:,}",
        "answered with 200 and never delivered": f"{found.lost:,}",
        "with more than one effect": f"{found.doubled:,}",
        "neither in the books nor counted as lost": f"{found.unexplained:,}",
        "findings of `relay audit`": f"{len(found.findings)}",
        "ingest away, median": f"{statistics.median(back):.1f} s",
        "ingest away, worst": f"{back[-1]:.1f} s",
        "processes that ended": ", ".join(found.exits) or "0",
    }
    lines = [f"| {len(back)} fail-overs | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows.items())])


def main() -> int:
    """Run the drill; 1 when an event was lost or doubled, or the books do not balance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--failovers", type=int, default=20)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--frozen", type=float, default=5)
    parser.add_argument("--bytes", type=int, default=3000)
    parser.add_argument("--set", action="append", default=[], metavar="RELAY_NAME=VALUE")
    chosen = parser.parse_args()
    env = dict(one.split("=", 1) for one in chosen.set)
    with tempfile.TemporaryDirectory(prefix="relay-failover-", ignore_cleanup_errors=True) as folder:
        found = drill(Path(folder), chosen.failovers, chosen.rate, chosen.frozen, chosen.bytes, **env)
    print(table(found))
    print("answers to the senders:", found.statuses, found.reasons, file=sys.stderr)
    for finding in found.findings:
        print(finding, file=sys.stderr)
    return 1 if found.lost or found.doubled or found.findings or found.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
