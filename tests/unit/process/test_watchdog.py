"""A worker that is alive but deaf is noticed; one that is busy, idle or without a broker is not disturbed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.process.in_hand import InHand
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


def hanging(ages_s):
    """The looks at which others were asked to stop and it ended, over rows of ages of the tasks in hand."""
    at, asked, ended = [0], [], []
    dog = Watchdog(
        lambda: 0,
        lambda: at[0],
        lambda: True,
        every_s=1,
        looks=LOOKS,
        end=lambda _: ended.append(at[0]),
        ages_s=lambda: ages_s[at[0]],
        hangs_s=600,
        stop=lambda: asked.append(at[0]),
    )
    while at[0] < len(ages_s) and not ended:
        dog.look()
        at[0] += 1
    return asked, ended


@pytest.mark.parametrize(
    ("why", "ages_s", "expected"),
    [
        ("nothing is in hand", [[]] * 9, ([], [])),
        ("it is in time", [[600, 1]] * 9, ([], [])),
        ("alone it has nobody to wait for", [[1], [601], [602]], ([1], [1])),
        ("the others finish first", [[601, 1], [602, 2], [603], [604]], ([0], [2])),
        ("but only for so long", [[601 + n, n] for n in range(9)], ([0], [LOOKS])),
    ],
)
def test_a_worker_with_a_thread_that_hangs_ends(why, ages_s, expected):
    """No one can end a thread; the work of the others is finished first."""
    assert hanging(ages_s) == expected, why


def test_progress_is_of_the_thread_that_makes_it():
    """A task that goes on is as young as its last step."""
    now_s = [0.0]
    in_hand = InHand(lambda: now_s[0])
    begun, go_on = threading.Event(), threading.Event()

    def work():
        with in_hand:
            begun.set()
            assert go_on.wait(30)
            in_hand.go_on()

    with in_hand, ThreadPoolExecutor(1) as pool:
        other = pool.submit(work)
        assert begun.wait(30)
        now_s[0] = 5.0
        assert in_hand.ages_s() == [5.0, 5.0]
        in_hand.go_on()
        assert sorted(in_hand.ages_s()) == [0.0, 5.0]
        go_on.set()
        other.result()
        assert in_hand.ages_s() == [0.0]
    assert in_hand.ages_s() == []
