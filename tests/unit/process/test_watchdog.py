"""A worker that is alive but deaf is noticed; one that is busy, idle or without a broker is not disturbed."""

import pytest

from worker.process.watchdog import EXIT_DEAF, Watchdog

LOOKS = 4


class Worker:
    """Plays (queue length, messages received, busy), one row a look."""

    def __init__(self, rows):
        self.rows = rows
        self.at = 0
        self.ended = []
        self.dog = Watchdog(
            lambda: self.rows[self.at][0],
            lambda: self.rows[self.at][1],
            lambda: self.rows[self.at][2],
            every_s=1,
            looks=LOOKS,
            end=self.ended.append,
        )

    def play(self):
        for at in range(len(self.rows)):
            self.at = at
            self.dog.look()
            if self.ended:
                return at + 1, self.ended
        return None


@pytest.mark.parametrize(
    ("why", "rows"),
    [
        ("nothing waits", [(0, 5, False)] * 20),
        ("messages come in", [(9, n, False) for n in range(20)]),
        ("one task runs long", [(9, 5, True)] * 20),
        ("the broker does not answer", [(None, 5, False)] * 20),
        ("it wakes up in time", ([(9, 5, False)] * LOOKS + [(9, 6, False)]) * 4),
        ("the queue runs empty in between", ([(9, 5, False)] * (LOOKS - 1) + [(0, 5, False)]) * 4),
    ],
)
def test_a_worker_that_can_hear_is_left_alone(why, rows):
    """Another worker may be the slow one, and a broker that is away heals by itself."""
    assert Worker(rows).play() is None, why


def test_a_deaf_worker_ends_with_its_own_exit_code():
    """Messages wait, it has nothing in hand and receives none, four looks long after the first."""
    assert Worker([(3, 7, False)] * 20).play() == (LOOKS + 1, [EXIT_DEAF])
    assert EXIT_DEAF == 75
