"""How long `relay --help` takes, against starting Python alone."""

import statistics
import subprocess
import sys
import time
from pathlib import Path


def start(runs: int = 9) -> dict[str, float]:
    """Median milliseconds of `relay --help` and of an empty Python, alternating."""
    relay = str(Path(sys.executable).parent / "relay")
    took: dict[str, list[float]] = {"help": [], "python": []}
    for _ in range(runs):
        for name, command in (("help", [relay, "--help"]), ("python", [sys.executable, "-c", "pass"])):
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            took[name].append((time.perf_counter() - began) * 1000)
    return {f"{name}_ms": statistics.median(times) for name, times in took.items()}


if __name__ == "__main__":
    print(start())
