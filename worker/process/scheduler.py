"""Beat's scheduler: a message that the broker does not take is a line of the log now and then, not a traceback each."""

from typing import Any

from celery.beat import Scheduler

from config.settings import settings
from worker.process.alive import give_sign, withdraw
from worker.process.eventlog import RareLog
from worker.process.fault_names import fault_name

rare_log = RareLog(__name__, every_s=10)

_PAUSE_S = 5


class Beat(Scheduler):  # type: ignore[misc] # celery has no types
    """Celery's own, that goes on while the broker is away: the next message is due soon."""

    def tick(self, *args: Any, **options: Any) -> Any:
        """Send what is due; a sign of life each time."""
        give_sign(settings().data_dir, "beat")
        try:
            return super().tick(*args, **options)
        except Exception as fault:  # noqa: BLE001 - a broker that refuses who connects; beat must go on
            self._heap = None  # what was due just now is not in it any more
            message = f"Trying again in {_PAUSE_S} seconds"
            rare_log.error("broker_away", fault=fault_name(fault), message=message)
            return _PAUSE_S

    def close(self) -> None:
        """Beat ends."""
        withdraw(settings().data_dir, "beat")
        super().close()

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send the message of one entry."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except Exception as fault:  # noqa: BLE001 - whatever a broker raises; beat must go on
            rare_log.warning("round_not_sent", round=entry.name, fault=fault_name(fault))
