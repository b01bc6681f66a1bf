"""Personal data is shown to who may see it, and each time is recorded."""

import pytest

from config.roles import Role
from worker.console.access.masking import Mask
from worker.console.access.reveals import Reveals
from worker.console.access.roles import Viewer
from worker.store.actions import Actions


def viewer(role, session_id="s1"):
    return Viewer("anna", role, "link", session_id)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_who_may_not_see_it_is_not_shown_it(redis_client, role):
    """Not even while a session of the same id was shown it in another role."""
    reveals = Reveals(redis_client)
    assert not reveals.reveal(viewer(role), "person", "user-1")
    assert Actions(redis_client).newest(0, 9) == []
    assert reveals.reveal(viewer(Role.OPERATOR), "person", "user-1")
    assert not reveals.is_shown(viewer(role), "person", "user-1")


def test_a_reveal_is_recorded_without_the_person(redis_client):
    """And holds for this session and this person alone, for some minutes."""
    reveals = Reveals(redis_client)
    assert not reveals.is_shown(viewer(Role.OPERATOR), "person", "user-1")
    assert reveals.reveal(viewer(Role.OPERATOR), "person", "user-1", why="ticket 7")
    assert reveals.is_shown(viewer(Role.OPERATOR), "person", "user-1")
    assert not reveals.is_shown(viewer(Role.OPERATOR), "person", "user-2")
    assert not reveals.is_shown(viewer(Role.OPERATOR, "s2"), "person", "user-1")
    (action,) = Actions(redis_client).newest(0, 9)
    assert (action.by, action.what, action.why) == ("anna", "reveal", "ticket 7")
    assert "user-1" not in action.on
    (key,) = redis_client.keys("relay:console:reveal:*")
    assert b"user-1" not in key
    assert 0 < redis_client.ttl(key) <= 900


def test_all_processes_mask_alike(redis_client):
    """The key is made once, and kept."""
    assert Mask.of(redis_client).value("user-1") == Mask.of(redis_client).value("user-1")
