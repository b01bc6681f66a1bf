"""A test event is sent by the relay's own processes, and the web door knows it."""

from tests.support.waiting import until
from worker.acts.record import Doer
from worker.acts.testing import make_test_event, send_test_event


def test_a_test_event_arrives_once(make_stack):
    """Marked as a test, to the person of one's choice; the same event through the door is a duplicate."""
    stack = make_stack().start()
    test = make_test_event(stack.parts.integrations, "app", "RENEWAL_DISABLED", "anna")
    send_test_event(stack.parts, test, Doer("a test"), lambda *_: False)  # the stack's sweep finds what waits
    until(stack.arrived, "it is sent")
    (event,) = stack.arrived()
    assert (event["name"], event["person"]) == ("RENEWAL_DISABLED", {"id": "anna"})
    assert (event["attributes"]["relay_test"], event["attributes"]["environment"]) == (True, "SANDBOX")
    assert stack.post([test.payload]).json() == {"accepted": 0, "duplicates": 1}
    assert stack.findings == []
