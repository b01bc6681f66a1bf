"""What the door remembers: for how long, within how many bytes, in order."""

from worker.ingest.memory import Memory

LANE = ("app", 0)


def kept(memory, number=0, most=1000):
    return [item.pieces for item in memory.items(number, most)]


def test_it_keeps_what_is_young_enough():
    """Older than the time set goes with the next that comes, and only then: a server may be away meanwhile."""
    now_s = [0.0]
    memory = Memory(10, 10_000, lambda: now_s[0])
    for second in range(5):
        now_s[0] = second * 4.0
        memory.keep(LANE, 1, [b"e", b"%d" % second])
    assert kept(memory) == [b"e2", b"e3", b"e4"]
    now_s[0] = 1000.0
    assert kept(memory) == [b"e2", b"e3", b"e4"]
    memory.expire()
    assert kept(memory) == []


def test_it_keeps_no_more_than_its_bytes():
    """The oldest goes first; what alone is too much is not kept."""
    memory = Memory(60, 1000)
    for number in range(20):
        memory.keep(LANE, 1, [b"%02d" % number * 50])
    assert [pieces[:2] for pieces in kept(memory)] == [b"17", b"18", b"19"]
    memory.keep(LANE, 1, [b"x" * 2000])
    assert kept(memory) == []


def test_without_a_time_it_keeps_nothing():
    """RELAY_REMEMBER_S=0."""
    memory = Memory(0, 1000)
    memory.keep(LANE, 1, [b"x"])
    assert kept(memory) == []


def test_a_stream_that_is_shorter_than_it_was_is_behind():
    """By how long it was when the events were sent: answers may come in another order."""
    memory = Memory(10, 1000)
    memory.note_height(LANE, 12, 2, 10)
    memory.note_height(LANE, 11, 1, 10)
    assert (memory.heights, memory.behind) == ({LANE: 12}, {})
    memory.note_height(LANE, 4, 1, 12)
    memory.note_height(LANE, 5, 1, 12)
    assert (memory.heights, memory.behind) == ({LANE: 12}, {LANE: 3})


def test_items_are_numbered_whatever_was_dropped_before():
    """So that a recall that was broken off goes on where it was."""
    now_s = [0.0]
    memory = Memory(10, 10_000, lambda: now_s[0])
    for number in range(6):
        now_s[0] += 3
        memory.keep(LANE, 1, [b"%d" % number])
    assert memory.first == 2
    assert kept(memory, 0) == [b"2", b"3", b"4", b"5"]
    assert kept(memory, 4) == [b"4", b"5"]
    assert kept(memory, 6) == []
    assert kept(memory, 2, most=2) == [b"2", b"3"]
    assert kept(memory, 0, most=2) == [b"2", b"3"]


def test_a_height_is_what_was_answered():
    """An answer that overtakes another one has the events of that one in its height: they may never be answered."""
    memory = Memory(60, 1000)
    memory.enter(LANE, b"era", 100)
    memory.note_height(LANE, 106, 2, 100, 4)
    assert memory.heights == {LANE: 102}
    memory.note_height(LANE, 104, 4, 100, 0)
    assert memory.heights == {LANE: 106}
    memory.note_height(LANE, 120, 2, 106, 4)  # another door's as well, at least ten
    assert memory.heights == {LANE: 116}
    memory.enter(LANE, b"next", 116)
    memory.note_height(LANE, 117, 1, 116)
    assert memory.heights == {LANE: 117}


def test_events_that_come_again_after_a_trip_broke_off_are_answered():
    """They were answered as known ones, and not counted as lost where Redis lost them before anything new came."""
    memory = Memory(60, 1 << 20)
    memory.enter(LANE, b"first", 100)
    memory.note_height(LANE, 106, 2, 100, 4)  # four more are in it, of a trip that has no answer yet
    assert memory.heights[LANE] == 102
    memory.note_height(LANE, 106, 0, 102, 0)  # which broke off: they were posted again
    assert memory.heights[LANE] == 106
