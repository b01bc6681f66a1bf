"""One request until it is answered: how often, how long between, and who may end it."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.customerio.answer import Answer
from worker.customerio.sender import Attempt, Sender
from worker.errors import LeaseLostError, StoppedError


class Api:
    """Gives its answers one after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.bodies = []

    def batch(self, body):
        self.bodies.append(body)
        return self.answers.pop(0)


def send(api, *, attempts=4, retry_max_s=8.0, longest_s=1e9, before=lambda: None, once=False):
    slept_s = []
    answer, made = Sender(api, attempts, retry_max_s, longest_s, slept_s.append).send(b"body", before, once=once)
    return answer, made, slept_s


def test_a_success_is_sent_once():
    """No second request, no wait."""
    api = Api(Answer(200, took_ms=7))
    answer, made, slept_s = send(api)
    assert (answer, slept_s, api.bodies) == (Answer(200, took_ms=7), [], [b"body"])
    assert [(attempt.status, attempt.message, attempt.took_ms) for attempt in made] == [(200, "", 7)]


@pytest.mark.parametrize("status", [200, 207, 301, 400, 401, 403, 404, 413, 422])
def test_what_would_not_change_is_not_repeated(status):
    """One attempt for every answer but those another attempt may fix."""
    assert len(send(Api(Answer(status)))[1]) == 1


def test_trouble_is_tried_again_until_it_is_over():
    """The same bytes each time, and all attempts are reported."""
    api = Api(Answer(0, "no answer in time"), Answer(429), Answer(503, "busy"), Answer(200))
    answer, made, slept_s = send(api)
    assert (answer.status, len(slept_s), set(api.bodies)) == (200, 3, {b"body"})
    assert [(attempt.status, attempt.message) for attempt in made] == [
        (0, "no answer in time"),
        (429, ""),
        (503, "busy"),
        (200, ""),
    ]
    assert all(isinstance(attempt, Attempt) and attempt.at_ms > 1_700_000_000_000 for attempt in made)


def test_the_last_answer_is_returned_when_all_attempts_fail():
    """No exception: what follows is decided by the caller."""
    answer, made, slept_s = send(Api(*[Answer(500, str(n)) for n in range(9)]), attempts=3)
    assert (answer.message, len(made), len(slept_s)) == ("2", 3, 2)


def test_a_destination_that_does_not_answer_is_not_waited_for_again_and_again():
    """Attempts that take long are few: the hold comes soon, and other integrations get their turn."""

    class Slow(Api):
        def batch(self, body):
            threading.Event().wait(0.2)
            return super().batch(body)

    api = Slow(*[Answer(0)] * 9)
    assert len(send(api, attempts=9, retry_max_s=0.01, longest_s=0.3)[1]) == 2


def test_a_probe_has_one_attempt():
    """The hold is its retry."""
    assert len(send(Api(Answer(503), Answer(200)), once=True)[1]) == 1


@given(st.floats(0, 10_000), st.floats(0.1, 60), st.integers(2, 8))
def test_waits_honour_retry_after_up_to_the_cap(asked_s, most_s, attempts):
    """What the server asks for, capped; else a jittered exponential; never above the cap."""
    answers = [Answer(429, retry_after_s=asked_s)] * attempts
    _, _, slept_s = send(Api(*answers), attempts=attempts, retry_max_s=most_s)
    assert all(min(asked_s, most_s) <= wait_s <= most_s for wait_s in slept_s)
    assert all(wait_s <= max(min(asked_s, most_s), 0.25 * 2**n) for n, wait_s in enumerate(slept_s))


def test_the_last_look_before_a_request_is_at_the_lease():
    """Whatever waits, waits before it: the pace first, then `before`, then the request, at each attempt."""
    steps = []

    class Noted(Api):
        def batch(self, body):
            steps.append("request")
            return super().batch(body)

    api = Noted(Answer(500), Answer(200))
    sender = Sender(api, 4, 8.0, 1e9, lambda _: None, lambda: steps.append("pace"))
    sender.send(b"", lambda: steps.append("look"))
    assert steps == ["pace", "look", "request"] * 2


@pytest.mark.parametrize("error", [LeaseLostError, StoppedError])
def test_who_loses_the_lease_or_stops_sends_no_further_request(error):
    """`before` runs ahead of each attempt; what it raises comes out as it is."""
    calls = []

    def before():
        calls.append(1)
        if len(calls) == 3:
            raise error("enough")

    api = Api(*[Answer(500)] * 9)
    with pytest.raises(error, match="enough"):
        send(api, before=before)
    assert len(api.bodies) == 2
