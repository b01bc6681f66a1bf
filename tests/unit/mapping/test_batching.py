"""Operations into requests: what fits, and how many events to try."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from worker.mapping.batching import Fill, request_body, request_size_bytes
from worker.mapping.operation import ITEM_LIMIT_BYTES, REQUEST_LIMIT_BYTES, Operation

BODIES = st.lists(st.integers(2, 2000).map(lambda size: b'"' + b"x" * (size - 2) + b'"'), max_size=40)


def operations(bodies):
    return [Operation("event", body, place) for place, body in enumerate(bodies)]


@given(BODIES)
def test_a_request_is_the_items_in_their_order(bodies):
    """The joined bytes are one JSON document with all items, and as long as was said."""
    made = request_body(operations(bodies))
    assert orjson.loads(made) == {"batch": [orjson.loads(body) for body in bodies]}
    assert len(made) == request_size_bytes(operations(bodies))


@given(BODIES, st.data())
def test_an_event_goes_in_two_pieces_and_comes_out_whole(bodies, data):
    """What comes before the attributes and the attributes are joined in the request alone, which has them whole."""
    made = operations(bodies)
    for place, body in enumerate(bodies):
        if data.draw(st.booleans()):
            made[place] = Operation("event", b'{"attributes":', place, body)
    request = request_body(made)
    assert orjson.loads(request) == {"batch": [orjson.loads(operation.body) for operation in made]}
    assert len(request) == request_size_bytes(made)


@given(st.integers(REQUEST_LIMIT_BYTES - 20, REQUEST_LIMIT_BYTES + 20))
def test_the_size_is_right_to_the_byte(size):
    """The wrapper and the commas count."""
    made = operations([b"x" * (size - 12 - 1 - 10), b"y" * 10])
    assert request_size_bytes(made) == len(request_body(made)) == size


def test_one_event_with_its_identify_always_fits():
    """Two items at their limits are far below a request's, so a single event needs no further cut."""
    assert request_size_bytes(operations([b"x" * ITEM_LIMIT_BYTES] * 3)) <= REQUEST_LIMIT_BYTES


@given(st.integers(1, 5000), st.lists(st.tuples(st.integers(1, 500), st.integers(1, REQUEST_LIMIT_BYTES * 2))))
def test_the_guess_stays_between_one_and_the_most(most, learned):
    """Whatever was learned."""
    fill = Fill(most)
    assert fill.events() == most
    for events, size in learned:
        fill.learn(events, size)
        assert 1 <= fill.events() <= most


@given(st.integers(200, 30_000))
def test_the_guess_settles_below_the_limit(event_bytes):
    """Events of one size: after a few requests they are filled between 80 and 90 percent, or by the most."""
    fill = Fill(500)
    for _ in range(12):
        fill.learn(fill.events(), fill.events() * event_bytes)
    filled = fill.events() * event_bytes / REQUEST_LIMIT_BYTES
    assert filled <= 0.9
    assert fill.events() == 500 or filled > 0.8


def test_large_events_are_read_few_at_a_time():
    """Threads share the memory of one process: each reads about 2 MB, small events by the batch, at least one."""
    fill = Fill(500)
    assert fill.entries() == 100
    fill.learn_entries(100, 150_000)
    assert fill.entries() == 500
    for _ in range(20):
        fill.learn_entries(10, 1_000_000)
    assert fill.entries() == 20
    for _ in range(20):
        fill.learn_entries(1, 5_000_000)
    assert fill.entries() == 1
    fill.learn_entries(0, 0)
    assert Fill(50).entries() == 50
