"""What the settings need at a rate of events."""

from config.settings import Settings
from worker.machine.sizing import EVENT_BYTES, ID_BYTES, PERSON_BYTES, judge_room

CHOSEN = Settings(retention_s=86_400, dedup_window_s=864_000)
NEED = 10 * 86_400 * EVENT_BYTES + 10 * 864_000 * ID_BYTES + 1000 * PERSON_BYTES


def test_what_fits_is_said_with_its_parts():
    """Retained events, remembered ids, people."""
    fact = judge_room(10, False, 1000, NEED, CHOSEN)
    assert fact.level == "ok"
    assert (
        "10 events/s, as in the retained events, need 1.7 GB: 1.1 GB events (1 d), 634.5 MB event ids (10 d)"
        in fact.text
    )


def test_what_does_not_fit_names_the_retention_that_does():
    """Which then fits."""
    fact = judge_room(10, True, 1000, NEED * 0.8, CHOSEN)
    assert fact.level == "warning"
    shorter = int(fact.remedy.split("RELAY_RETENTION_S=")[1].split(",")[0])
    again = judge_room(10, True, 1000, NEED * 0.8, Settings(retention_s=shorter, dedup_window_s=864_000))
    assert again.level == "ok"


def test_without_a_limit_or_a_rate_nothing_is_wrong():
    """It says how to ask."""
    assert judge_room(10, True, 0, 0, CHOSEN).level == "ok"
    assert "--rate" in judge_room(None, False, 0, 1, CHOSEN).remedy
