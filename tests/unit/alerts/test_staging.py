"""Which alert is sent when: the stages, what is over, quiet hours."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from config.quiet import read_quiet
from worker.alerts.staging import Sent, due, text_of, text_of_end
from worker.ledger.needs import Need

T0 = 1_760_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
HELD = Need("held:production", "held", "production is held", "relay status", urgent=True)
FULL = Need("bound:memory", "bound", "Redis fills", "give it memory")
ALWAYS = read_quiet("00:00-23:59")


class Target:
    """A target that takes everything, with the times at which it was disturbed."""

    def __init__(self, quiet=None):
        self.known, self.log, self.quiet = {}, [], quiet

    def look(self, at_ms, *needs, works=True):
        found = due(needs, self.known, at_ms, self.quiet)
        if works:
            self.log += [(at_ms - T0, need.key, stage) for need, stage in found.now]
            self.log += [(at_ms - T0, "over", one.message) for one in found.over]
        self.known = found.after if works else found.before


def test_first_an_hour_a_day_and_the_end():
    """Looked at every minute for two days, then gone."""
    target = Target()
    for n in range(2 * 24 * 60):
        target.look(T0 + n * MINUTE, HELD)
    for n in range(5):
        target.look(T0 + 2 * DAY + n * MINUTE)
    assert target.log == [
        (MINUTE, "held:production", 1),
        (HOUR, "held:production", 2),
        (DAY, "held:production", 3),
        (2 * DAY + MINUTE, "over", "production is held"),
    ]
    assert target.known == {}


def test_what_is_gone_within_a_minute_disturbs_nobody():
    """A restart, or a reading between two steps."""
    target = Target()
    target.look(T0, HELD)
    target.look(T0 + MINUTE // 2)
    target.look(T0 + MINUTE)
    assert (target.log, target.known) == ([], {})


def test_what_comes_and_goes_is_one_alert():
    """Gone for less than a minute is not over, and does not begin again."""
    target = Target()
    for n in range(20):
        target.look(T0 + n * 30_000, *([HELD] if n % 2 == 0 or n < 4 else []))
    assert target.log == [(MINUTE, "held:production", 1)]


def test_a_target_that_refuses_is_tried_again():
    """At every look, until it takes it; the hour counts from the beginning."""
    target = Target()
    for n in range(10):
        target.look(T0 + n * MINUTE, HELD, works=False)
    for n in range(10, 100):
        target.look(T0 + n * MINUTE, HELD)
    assert target.log == [(10 * MINUTE, "held:production", 1), (HOUR, "held:production", 2)]


def test_quiet_hours_let_only_the_urgent_through():
    """The rest is sent when they end, and what began and ended within them never."""
    target = Target(ALWAYS)
    for n in range(10):
        target.look(T0 + n * MINUTE, HELD, FULL)
    assert target.log == [(MINUTE, "held:production", 1)]
    target.look(T0 + 10 * MINUTE, HELD)
    target.quiet = None
    target.look(T0 + 20 * MINUTE, HELD)
    assert target.log == [(MINUTE, "held:production", 1)]
    target.quiet = ALWAYS
    target.look(T0 + 21 * MINUTE, HELD, FULL)
    target.quiet = None
    target.look(T0 + 30 * MINUTE, HELD, FULL)
    assert target.log[1:] == [(30 * MINUTE, "bound:memory", 1)]


def test_the_message_says_what_happened_and_what_to_do():
    """And for how long, when it is not the first."""
    found = due([HELD], {HELD.key: Sent(T0, 1)}, T0 + HOUR, None)
    assert text_of(found.now, T0 + HOUR, found.after) == ("production is held (still, after 1 h)\n→ relay status")
    over = Sent(T0, 2, T0 + HOUR, "production is held")
    assert text_of_end([over]) == "over after 1 h: production is held"


@given(st.lists(st.tuples(st.integers(0, 4000), st.booleans(), st.booleans()), max_size=60))
def test_no_need_is_told_of_more_than_thrice_and_no_end_without_a_beginning(looks):
    """Whenever it is looked, whatever comes and goes, whichever target refuses."""
    target = Target()
    at_ms = T0
    for wait_s, is_there, works in looks:
        at_ms += wait_s * 1000
        target.look(at_ms, *([HELD] if is_there else []), works=works)
    told = 0
    for _, what, _ in target.log:
        told = 0 if what == "over" else told + 1
        assert told <= 3
    first = [what for _, what, _ in target.log[:1]]
    assert first in ([], ["held:production"])
    assert msgspec.json.decode(msgspec.json.encode(target.known), type=dict[str, Sent]) == target.known
