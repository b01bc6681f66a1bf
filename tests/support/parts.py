"""The relay's parts over a test's own server and file."""

from config.settings import Settings
from worker.app import Relay

FILE = """
[sources.app]
webhook_secret = "env:PATH"
{integrations}
"""

INTEGRATION = """
[integrations.{name}]
source = "app"
region = "eu"
site_id = "env:PATH"
api_key = "env:PATH"
base_url = "{base_url}"
environments = ["PRODUCTION"]
[integrations.{name}.events]
"*" = true
[integrations.{name}.user_properties]
plan = true
"""


def make_parts(folder, redis_url, *names, base_url="http://127.0.0.1:9", **settings):
    """A relay with integrations of these names (one called production when none is given)."""
    path = folder / "integrations.toml"
    tables = [INTEGRATION.format(name=name, base_url=base_url) for name in names or ("production",)]
    path.write_text(FILE.format(integrations="\n".join(tables)))
    # one run ends with what waited, on a slow machine too
    chosen = {"shards": 2, "hold_first_s": 1.0, "hold_longest_s": 8.0, "budget_s": 60.0, **settings}
    return Relay(Settings(redis_url=redis_url, integrations=path, **chosen))


def append(parts, lane, *raws):
    """Store events as the web door's script would, by hand; their ids."""
    return [parts.redis.xadd(lane.key("events"), {"b": raw}).decode() for raw in raws]
