"""Where a worker's time goes, as a picture: docs/profile.svg, and the widest frames as a table.

    pip install py-spy && python -m bench.profile

py-spy looks at the worker's threads 500 times a second while it drains a backlog; what is drawn is what happens within
one lease (`Delivery.run`), waiting included. Width is time, a callee is below its caller.
"""

import subprocess
import sys
import time
from collections import Counter
from html import escape
from pathlib import Path
from typing import NamedTuple

from bench.delivery import delivered, fill, join
from bench.setting import ROOT, SHARDS, Setting, onlookers

WIDTH, ROW, LEAST = 1200, 17, 3
ROOT_FRAME = "Delivery.run"


class Frame(NamedTuple):
    """A place in the picture: how deep, from where, how wide (samples), what."""

    depth: int
    start: int
    samples: int
    name: str


def record(events: int) -> list[tuple[list[str], int]]:
    """Stacks within a lease, and how often each was seen."""
    with onlookers(), Setting(port=8492) as setting:
        join(setting)
        fill(setting.redis, events, events // 3)
        worker = setting.worker("worker.tasks")
        out = setting.path / "stacks"
        spy = str(Path(sys.executable).parent / "py-spy")
        command = [spy, "record", "--idle", "-r", "500", "-f", "raw", "-o", str(out), "--pid", str(worker.pid)]
        watching = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.5)
        wake = f"from worker.tasks import wake\nfor s in range({SHARDS}): wake('production', s)"
        subprocess.run([sys.executable, "-c", wake], env=setting.env, cwd=ROOT, check=True)
        while delivered(setting.redis) < events:
            setting.check(worker)
            time.sleep(0.02)
        watching.send_signal(2)
        watching.wait()
        return list(_stacks(out.read_text()))


def _stacks(text):
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame.rsplit(":", 1)[0].replace(" (", " · ").rstrip(")") for frame in stack.split(";")]
        place = next((n for n, frame in enumerate(frames) if frame.startswith(ROOT_FRAME)), None)
        if place is not None:
            yield frames[place:], int(count)


def layout(stacks) -> list[Frame]:
    """Frames side by side, callers above, the called sorted by name so that equal ones join."""
    frames: list[Frame] = []

    def lay(level, depth, start):
        groups: dict[str, list] = {}
        for stack, count in level:
            if stack:
                groups.setdefault(stack[0], []).append((stack[1:], count))
        for name, below in sorted(groups.items()):
            samples = sum(count for _, count in below)
            frames.append(Frame(depth, start, samples, name))
            lay(below, depth + 1, start)
            start += samples

    lay(stacks, 0, 0)
    return frames


def picture(frames: list[Frame]) -> str:
    """The frames as SVG; what is narrower than a few pixels is left out."""
    total = frames[0].samples
    scale = WIDTH / total
    shown = [frame for frame in frames if frame.samples * scale >= LEAST]
    height = (max(frame.depth for frame in shown) + 1) * ROW
    size = f'viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>']
    for frame in shown:
        x, y, width = frame.start * scale, frame.depth * ROW, frame.samples * scale
        hue = 25 + sum(frame.name.rpartition("· ")[2].encode()) * 7 % 180
        label = escape(frame.name[: int(width / 6.7)]) if width > 25 else ""
        parts.append(
            f"<g><title>{escape(frame.name)}: {frame.samples / total:.1%}</title>"
            f'<rect x="{x:.1f}" y="{y}" width="{width - 0.5:.1f}" height="{ROW - 1}" fill="hsl({hue},60%,80%)"/>'
            f'<text x="{x + 2:.1f}" y="{y + 12}">{label}</text></g>'
        )
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    """Record, draw, and print what takes most by itself."""
    stacks = record(200_000)
    total = sum(count for _, count in stacks)
    (ROOT / "docs" / "profile.svg").write_text(picture(layout(stacks)))
    own: Counter[str] = Counter()
    for stack, count in stacks:
        own[stack[-1]] += count
    for name, count in own.most_common(20):
        print(f"{count / total:6.1%}  {name}")


if __name__ == "__main__":
    main()
