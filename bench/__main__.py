"""`python -m bench`: all measurements in one run, as a table, and as JSON in bench/results.json.

Every figure that is compared is a ratio of two things measured in turn, in this run; medians of the rounds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.backlog import backlog
from bench.delivery import baseline, bound, full
from bench.fields import EXCLUDED, fields
from bench.flat import flat
from bench.latency import latency
from bench.rivals import RIVALS, rival
from bench.setting import ROOT, Setting, machine, onlookers
from bench.start import start

Row = tuple[str, str, str, bool]


def delivery(rounds: int) -> tuple[dict[str, object], list[Row]]:
    """The full path, in both pools, against its bound, the hand-written way and what others write with other tools."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ("full", "prefork", "bound", "baseline", *RIVALS)}
    with onlookers(), Setting() as setting:
        for _ in range(rounds):
            found["full"].append(full(setting, 60_000, 20_000))
            found["prefork"].append(full(setting, 60_000, 20_000, pool="prefork"))
            found["bound"].append(bound(setting, 60_000, 20_000))
            found["baseline"].append(baseline(setting, 1_500, 500))
            for name in RIVALS:
                found[name].append(rival(setting, name, 500))
    rate = {name: [one["events_per_s"] for one in runs] for name, runs in found.items()}
    each = {name: round(statistics.median(values)) for name, values in rate.items()}
    results: dict[str, object] = {"runs": found}
    rows: list[Row] = []
    for name, pool in (("full", "threads"), ("prefork", "prefork")):
        over = statistics.median(a / b for a, b in zip(rate[name], rate["baseline"], strict=True))
        share = statistics.median(a / b for a, b in zip(rate[name], rate["bound"], strict=True))
        cpu = statistics.median(one["cpu_us_per_event"] for one in found[name])
        wanted = name == "full"  # the targets are of the pool that is the default
        rows += [
            (f"delivery, {pool}, against one task an event {each}", f"{over:.0f} ×", "≥ 170 ×" * wanted, over >= 170),
            (f"delivery, {pool}, against read and acknowledge alone", f"{share:.2f}", "≥ 0.35" * wanted, share >= 0.35),
            (f"CPU an event delivered, {pool}", f"{cpu:.1f} µs", "≤ 15 µs" * wanted, cpu <= 15),
        ]
        results[pool] = {"over_baseline": over, "of_bound": share, "cpu_us": cpu}
    for name in RIVALS:
        over = statistics.median(a / b for a, b in zip(rate["full"], rate[name], strict=True))
        rows.append((f"delivery, threads, against {name} ({each[name]:,} events/s)", f"{over:.0f} ×", "", True))
        results[name] = over
    return results, rows


def undocumented() -> tuple[dict[str, object], list[Row]]:
    """What an event costs more that is not as documented."""
    found = fields()
    more = {name: cpu_us - found["documented"] for name, cpu_us in found.items() if name != "documented"}
    rows = [
        (f"CPU an event, {name}, beyond a documented one", f"{us:.1f} µs", "≤ 3 µs" * (name != EXCLUDED), us <= 3)
        for name, us in more.items()
    ]
    return {**found}, rows


def ingest(rounds: int) -> tuple[dict[str, object], list[Row]]:
    """The web door, by its own measurement."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [sys.executable, "-m", "bench.ingest", "--rounds", str(rounds), "--out", out.name]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        found = json.loads(Path(out.name).read_text())
    single, bare = found["ratios"]["single_to_blind_per_s"], found["ratios"]["single_to_bare_per_s"]
    array = found["ratios"]["array_to_single_per_s"]
    rates = {kind: round(one["per_s"]) for kind, one in found["median"].items()}
    rows = [
        (f"ingest of signed singles against the same server, blind {rates}", f"{single:.2f}", "≥ 0.6", single >= 0.6),
        ("the same against the barest function on uvicorn", f"{bare:.2f}", "≥ 0.65", bare >= 0.65),
        ("ingest of arrays of 100 against singles", f"{array:.1f} ×", "≥ 8 ×", array >= 8),
    ]
    return found, rows


def others(large: int, total: int) -> tuple[dict[str, object], list[Row]]:
    """Latency, a large backlog, memory over time, the command's start."""
    quick = latency()
    with onlookers():
        waiting = backlog(large=large)
        memory = flat(total)
    begun = start()
    p50, p99 = quick["p50_ms"], quick["p99_ms"]
    above, drain = waiting["memory_over_raw"], waiting["drain_ratio"]
    growth, help_ms = float(str(memory["growth_after_first"])), begun["help_ms"]
    rows = [
        ("received to delivered at 200 events/s, p50", f"{p50:.0f} ms", "≤ 15 ms", p50 <= 15),
        ("received to delivered at 200 events/s, p99", f"{p99:.0f} ms", "≤ 60 ms", p99 <= 60),
        (f"{large:,} waiting: memory above raw size", f"{above:.0%}", "≤ 25 %", above <= 0.25),
        (f"{large:,} waiting: drain rate against a small backlog", f"{drain:.2f}", "≥ 0.9", drain >= 0.9),
        (f"worker memory over {total:,} events, growth after the first tenth", f"{growth:.0%}", "flat", growth < 0.1),
        ("start of `relay --help`", f"{help_ms:.0f} ms", "≤ 150 ms", help_ms <= 150),
    ]
    return {"latency": quick, "backlog": waiting, "memory": memory, "start": begun}, rows


def main() -> None:
    """Measure everything; exit 0 whatever the figures are: they are for people to read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=1_000_000, help="events of the large backlog")
    parser.add_argument("--total", type=int, default=2_000_000, help="events of the memory measurement")
    chosen = parser.parse_args()
    results: dict[str, object] = {"machine": machine()}
    rows: list[Row] = []
    for name, part in (
        ("delivery", lambda: delivery(chosen.rounds)),
        ("undocumented", undocumented),
        ("ingest", lambda: ingest(chosen.rounds)),
        ("others", lambda: others(chosen.large, chosen.total)),
    ):
        found, more = part()
        results[name] = found
        rows += more
        for what, measured, target, met in more:
            print(
                f"| {what} | {measured} | {target} | {('met' if met else '**missed**') if target else ''} |", flush=True
            )
    (ROOT / "bench" / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"measured on {results['machine']}")


if __name__ == "__main__":
    main()
