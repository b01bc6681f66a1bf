"""Example payloads: one of each code, as documented, and marked as a test."""

import orjson
import pytest

from config.catalogue import catalogue
from worker.purchasely.event import read_event
from worker.purchasely.examples import TEST_MARK, example
from worker.purchasely.learnt import Learner

NOW_MS = 1_764_115_200_123


@pytest.mark.parametrize("code", [*catalogue().events, "A_FUTURE_CODE"])
def test_an_example_is_as_purchasely_documents_it(code):
    """Its fields, their types, its time; but for the mark that says that it is a test."""
    payload = example(code, {"user_id": "anna"}, "test-1", NOW_MS)
    assert payload.pop(TEST_MARK) is True
    raw = orjson.dumps(payload)
    assert Learner().read(raw) is not None
    event = read_event("1-1", raw)
    assert (event.name, event.key, event.time_ms, event.time_fault) == (code, "test-1", NOW_MS, None)
    assert (payload["environment"], payload["user_id"]) == ("SANDBOX", "anna")
    for field, value in payload.items():
        if field.endswith("_at"):
            assert isinstance(payload[f"{field}_ms"], int)
            assert value.endswith(".123Z")


def test_what_a_code_is_about_differs():
    """Each example says what its code says: no two of one kind look alike by mistake."""
    texts = {}
    for code in catalogue().events:
        payload = example(code, {"user_id": "anna"}, "test-1", NOW_MS)
        texts[code] = {key: value for key, value in payload.items() if key != "event_name"}
    assert texts["TRIAL_STARTED"]["offer_type"] == "FREE_TRIAL"
    assert texts["SUBSCRIPTION_PAUSED"]["subscription_status"] == "PAUSED"
    assert "purchasely_subscription_id" not in texts["ONE_TIME_PURCHASE_RECEIVED"]
    assert len({orjson.dumps(text) for text in texts.values()}) > 25
