"""Which alert is sent when: the stages, what is over, quiet hours."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from config.quiet import read_quiet
from worker.alerts.staging import Due, Sent, due, text_of, text_of_end
from worker.ledger.need import Need

T0 = 1_760_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
HELD = Need("held:production", "held", "production is held", "relay status", urgent=True)
ENDS = Need("expiring:Redis", "expiring", "the certificate of Redis ends in 21 d", "renew it")
ENDS_SOON = msgspec.structs.replace(ENDS, urgent=True)
FULL = Need("bound:memory", "bound", "Redis fills", "give it memory")
ALWAYS = read_quiet("00:00-23:59")


class Target:
    """A target that takes everything, with the times at which it was disturbed."""

    def __init__(self, quiet=None):
        self.known, self.log, self.quiet = {}, [], quiet

    def look(self, at_ms, *needs, works=True, ends=None):
        """`works`: it takes what is sent; `ends`: it takes the message about ends, where that differs."""
        ends = works if ends is None else ends
        found = due(needs, self.known, at_ms, self.quiet)
        if works:
            self.log += [(at_ms - T0, need.key, sent.stages) for need, sent in found.now]
        if ends:
            self.log += [(at_ms - T0, "over", one.message) for one in found.over.values()]
        self.known = found.known(now_taken=works, over_taken=ends)


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


def test_a_clock_that_is_set_back_keeps_nobody_asleep():
    """What a host noted whose clock was two hours ahead would count as new for two hours, on every other one."""
    target = Target()
    target.look(T0 + 2 * HOUR, HELD)
    for n in range(3):
        target.look(T0 + n * MINUTE, HELD)
    assert target.log == [(MINUTE, "held:production", 1)]
    target.look(T0 + 2 * HOUR)
    for n in range(3, 6):
        target.look(T0 + n * MINUTE)
    assert target.log[1:] == [(4 * MINUTE, "over", "production is held")]


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


def test_what_becomes_urgent_is_sent_again():
    """Once, before its next stage: a certificate that was spoken of three weeks before is spoken of at three days."""
    target = Target()
    for n in range(21 * 24):
        target.look(T0 + n * HOUR, ENDS if n < 18 * 24 else ENDS_SOON)
    for n in range(21 * 24, 21 * 24 + 5):  # a reading at the edge is no news
        target.look(T0 + n * HOUR, ENDS if n % 2 else ENDS_SOON)
    assert target.log == [
        (HOUR, ENDS.key, 2),
        (DAY, ENDS.key, 3),
        (18 * DAY, ENDS.key, 3),
    ]


def test_what_becomes_urgent_is_sent_in_quiet_hours():
    """And its end too, to whoever was woken for it; a target that refused it gets it at the next look."""
    target = Target()
    target.look(T0, ENDS)
    target.look(T0 + MINUTE, ENDS)
    target.quiet = ALWAYS
    target.look(T0 + 2 * MINUTE, ENDS_SOON, works=False)
    target.look(T0 + 3 * MINUTE, ENDS_SOON)
    target.look(T0 + 4 * MINUTE, ENDS)
    target.look(T0 + 5 * MINUTE)
    target.look(T0 + 6 * MINUTE)
    assert target.log == [(MINUTE, ENDS.key, 1), (3 * MINUTE, ENDS.key, 1), (6 * MINUTE, "over", ENDS.message)]


def test_what_becomes_urgent_within_a_minute_is_one_alert():
    """Nobody has heard of it yet."""
    target = Target()
    for n, need in enumerate([ENDS, ENDS_SOON, ENDS_SOON, ENDS_SOON]):
        target.look(T0 + n * MINUTE // 2, need)
    assert target.log == [(MINUTE, ENDS.key, 1)]


def test_each_message_is_taken_or_refused_by_itself():
    """A target that takes what is new and refuses what is over gets the latter again, and not the former."""
    for works, ends in ((True, False), (False, True)):
        target = Target()
        target.look(T0, HELD)
        target.look(T0 + MINUTE, HELD)
        target.look(T0 + 2 * MINUTE, FULL)
        for n in range(3, 6):
            target.look(T0 + n * MINUTE, FULL, works=works, ends=ends)
        target.look(T0 + 6 * MINUTE, FULL)
        over, full = (3, 6) if ends else (6, 3)
        assert sorted(target.log) == sorted(
            [
                (MINUTE, HELD.key, 1),
                (over * MINUTE, "over", HELD.message),
                (full * MINUTE, FULL.key, 1),
            ]
        )


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
    found = due([HELD], {HELD.key: Sent(T0, 1, urgent=True)}, T0 + HOUR, None)
    assert text_of(found, T0 + HOUR) == "production is held (still, after 1 h)\n→ relay status"
    found = due([ENDS_SOON], {ENDS.key: Sent(T0, 3)}, T0 + 18 * DAY, None)
    assert text_of(found, T0 + 18 * DAY) == (
        "the certificate of Redis ends in 21 d (urgent now, after 18 d)\n→ renew it"
    )
    over = Sent(T0, 2, T0 + HOUR, "production is held")
    assert text_of_end(Due([], {HELD.key: over}, {})) == "over after 1 h: production is held"


@given(
    st.lists(
        st.tuples(st.integers(0, 4000), st.sampled_from([None, ENDS, ENDS_SOON]), st.booleans(), st.booleans()),
        max_size=60,
    )
)
def test_no_need_is_sent_more_than_four_times_and_no_end_without_a_beginning(looks):
    """Three stages, and once when it becomes urgent: whatever comes and goes, whichever message is refused."""
    target = Target()
    at_ms = T0
    for wait_s, need, works, ends in looks:
        at_ms += wait_s * 1000
        target.look(at_ms, *([need] if need else []), works=works, ends=ends)
    sent = 0
    for _, what, _ in target.log:
        sent = 0 if what == "over" else sent + 1
        assert sent <= 4
    first = [what for _, what, _ in target.log[:1]]
    assert first in ([], [ENDS.key])
    assert msgspec.json.decode(msgspec.json.encode(target.known), type=dict[str, Sent]) == target.known
