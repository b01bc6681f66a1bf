"""What to do about a group of failures, as its page says it."""

from worker.console.remedies import remedy_of
from worker.dead.groups import Group


def test_what_an_event_needs_is_not_to_be_left_out():
    """A name that is too long is replaced, an id is the sender's; another field may be left out."""
    said = {
        field: remedy_of(Group("production", "too_large", field, 0), "")
        for field in ("event_name", "user_id", "presentation")
    }
    assert said["event_name"].startswith("Give the event a shorter name")
    assert "tell the sender" in said["user_id"]
    assert said["presentation"].startswith("Leave the field out")
