"""Check-up of all that the relay depends on: Customer.io's keys, the servers, room in memory, the archive."""

from collections.abc import Callable

import redis

from config.integrations import Integrations
from config.settings import Settings
from worker.machine.inspection import look_at_keys
from worker.machine.serverfacts import Fact
from worker.machine.servers import look_at_servers
from worker.machine.sizing import look_at_archive, look_at_room


def look_around(
    settings: Settings, client: Callable[[], redis.Redis], integrations: Integrations | None, rate: float | None = None
) -> list[Fact]:
    """What is found outside the integrations file, by asking; `rate` is events a second to size memory for.

    `client` is called only once Redis is found to serve: without an address there is none to make.
    """
    facts = look_at_keys(integrations, settings.request_timeout_s) if integrations else []
    answers = look_at_servers(settings)
    if integrations and not any(fact.area == "redis" and fact.level == "wrong" for fact in answers):
        answers.append(look_at_room(client(), settings, list(integrations.sources), rate))
    return [*facts, *answers, *look_at_archive(settings)]
