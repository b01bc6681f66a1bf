"""Plans for pages: one at a time, and the same one for some seconds."""

import threading

import pytest

from tests.support.parts import make_parts
from tests.support.waiting import until
from worker.console import planning
from worker.console.planning import Planner
from worker.errors import OperatorError


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def parts(tmp_path, redis_url):
    return make_parts(tmp_path, redis_url)


@pytest.fixture
def counted(monkeypatch):
    """How many previews were made; each waits for its turn, if a gate is set."""
    made, real = [], planning.make_preview

    def count(parts, text, budget_s):
        made.append(text)
        count.gate.wait(30)
        return real(parts, text, budget_s)

    count.gate = threading.Event()
    count.gate.set()
    monkeypatch.setattr(planning, "make_preview", count)
    return made, count.gate


def test_a_reload_makes_no_other_plan(parts, counted):
    """Until some seconds have passed, or the draft is another one."""
    made, _ = counted
    clock = Clock()
    planner = Planner(parts, clock)
    text = parts.live.loaded.revision.text
    first = planner.preview(text, 1)
    assert planner.preview(text, 1) is first
    planner.preview(text + "# other\n", 1)
    clock.now_s += 21
    assert planner.preview(text, 1) is not first
    assert len(made) == 3


def test_two_who_ask_for_the_same_plan_share_it(parts, counted):
    """One makes it, the other waits; who asks for another one meanwhile waits for as long as it is worth it."""
    made, gate = counted
    planner, text, found = Planner(parts), parts.live.loaded.revision.text, []
    gate.clear()
    threads = [threading.Thread(target=lambda: found.append(planner.preview(text, 10))) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: made, "one is at it")
    with pytest.raises(OperatorError, match="other plans"):
        planner.preview(text + "# other\n", 0.01)
    gate.set()
    for thread in threads:
        thread.join()
    assert found[0] is found[1]
    assert len(made) == 1
