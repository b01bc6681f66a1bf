"""How long the plan of a configuration takes: both revisions over retained events, a process a core.

The preview is what the console shows: the same on the newest events, for five seconds.

python -m bench.plan [EVENTS]      200,000 events of 40,000 people on 16 shards by default
"""

import os
import sys
import time

import msgspec

from bench.delivery import fill, join
from bench.setting import Setting, machine
from config.settings import Settings
from worker.app import Relay
from worker.history.plan import cores, make_plan
from worker.history.planned import plan_dict
from worker.history.preview import make_preview

PEOPLE = 40_000
BUDGET_S = 5.0


def plan(count: int = 200_000) -> dict[str, object]:
    """Seconds from the command to its answer, without the start of Python; and what it says of its coverage."""
    with Setting(port=8494, own_sink=False, shards=16) as setting:
        join(setting)
        fill(setting.redis, count, PEOPLE, setting.shards)
        file = setting.path / "integrations.toml"
        before = file.read_text()
        after = before.replace('"*" = true', '"*" = true\nACTIVATE = false\nSUBSCRIPTION_RENEWED = "Renewed"')
        after = after.replace("plan = true", "plan = true\nstore_country = true")
        for name, value in setting.env.items():
            if name.startswith(("RELAY_", "B_")):
                os.environ[name] = value
        parts = Relay(Settings(), "web")
        parts.begin()
        began = time.perf_counter()
        made = make_plan(parts, after, "draft", 0, lambda *_: None)
        took_s = time.perf_counter() - began
        seen = make_preview(parts, after, BUDGET_S)
        told = msgspec.json.decode(msgspec.json.encode(plan_dict(made)))
        preview = {"took_s": seen.took_s, "events": seen.covered_events, "complete": seen.complete}
        return {
            "events": count,
            "cores": cores(),
            "took_s": round(took_s, 1),
            "coverage": told.get("coverage"),
            "preview": preview,
        }


if __name__ == "__main__":
    print(machine())
    print(plan(*[int(one) for one in sys.argv[1:]]))
