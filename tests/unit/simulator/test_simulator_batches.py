"""What the simulated v2 says about a batch."""

import orjson
import pytest

from worker.simulator.batches import item_sizes, judge_batch, read_items
from worker.simulator.limits import Rules

GOOD = {"type": "person", "action": "identify", "identifiers": {"id": "42"}}
BAD = {"type": "person", "action": "identify", "identifiers": {"id": None}, "attributes": "x"}
EVENT = {**GOOD, "action": "event", "name": "purchase"}


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        (b"", "parse_error", ""),
        (b"{", "parse_error", ""),
        (b"[]", "parse_error", ""),
        (b'{"batch":[NaN]}', "parse_error", ""),
        (b'{"batch":["\xff"]}', "parse_error", ""),
        (b'{"batch":["\\ud800"]}', "parse_error", ""),
        (b"{}", "required", "batch"),
        (b'{"batch":{}}', "invalid", "batch"),
        (b'{"batch":[]}', "invalid", "batch"),
    ],
)
def test_malformed(body, reason, field):
    """A body that is no non-empty batch is an error of the whole."""
    items, problem = read_items(body)
    assert items == []
    assert (problem.reason, problem.field) == (reason, field)


def test_only_the_failed_items_are_listed():
    """Valid items go on; the others are named by their index, once for every fault."""
    verdict = judge_batch([GOOD, BAD, EVENT, 7], None, Rules())
    assert verdict.good == [GOOD, EVENT]
    assert verdict.whole == []
    assert [(e["batch_index"], e["reason"], e["field"]) for e in verdict.errors] == [
        (1, "invalid", "identifiers.id"),
        (1, "invalid", "attributes"),
        (3, "invalid", ""),
    ]
    assert all(list(error) == ["batch_index", "reason", "field", "message"] for error in verdict.errors)


def test_an_item_that_is_no_object_can_fail_the_whole():
    """By a knob one element that is no object refuses the batch."""
    verdict = judge_batch([GOOD, "x"], None, Rules(non_object_item="whole"))
    assert verdict.good == []
    assert [problem.message for problem in verdict.whole] == ["must be an object"]


@pytest.mark.parametrize(("kb", "over"), [(1000, 32_001), (1024, 32_769)])
def test_an_item_over_32_kb(kb, over):
    """An item is measured as it was sent, and fails alone one byte past 32 kb, or fails all by a knob."""
    wrapper = orjson.dumps({**EVENT, "attributes": {"a": ""}})
    long = wrapper.replace(b'"a":""', b'"a":"%s"' % (b"x" * (over - len(wrapper))))
    rules = Rules(kb=kb)
    for item, indexes in ((long, [1]), (long.replace(b"xx", b"x", 1), [])):
        body = b'{"batch":[%s,%s]}' % (orjson.dumps(GOOD), item)
        items, problem = read_items(body)
        assert problem is None
        sizes = item_sizes(body, rules)
        verdict = judge_batch(items, sizes, rules)
        assert sizes == [len(orjson.dumps(GOOD)), len(item)]
        assert [error["batch_index"] for error in verdict.errors] == indexes
        strict = judge_batch(items, sizes, Rules(kb=kb, oversize_item="whole"))
        assert bool(strict.whole) is bool(indexes)


def test_a_small_batch_needs_no_measuring():
    """Items of a batch within 32 kb are not measured."""
    assert item_sizes(b'{"batch":[{}]}', Rules()) is None


def test_rejected_names():
    """An event whose name is rejected on purpose is an invalid item."""
    verdict = judge_batch([EVENT, GOOD], None, Rules(), {"purchase"})
    assert verdict.good == [GOOD]
    assert [(e["batch_index"], e["field"]) for e in verdict.errors] == [(0, "name")]
