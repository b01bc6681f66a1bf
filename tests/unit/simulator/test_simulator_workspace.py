"""What accepted entities do to a simulated workspace."""

from typing import Any

import msgspec
import pytest

from worker.simulator.limits import Rules
from worker.simulator.people import Person
from worker.simulator.workspace import Workspace

NOW_S = 1_772_000_000
FIRST = "01BX5ZZKBKACTAV9WEVGEMMVRY"
SECOND = "01BX5ZZKBKACTAV9WEVGEMMVRZ"


def open_workspace(rules: Rules | None = None, **options: Any) -> Workspace:
    return Workspace(rules or Rules(), lambda: NOW_S, **options)


def identify(attributes: dict[str, Any] | None = None, at_s: Any = NOW_S, **identifiers: Any) -> Any:
    return {
        "type": "person",
        "action": "identify",
        "identifiers": identifiers,
        "attributes": attributes or {},
        "timestamp": at_s,
    }


def event(name: str = "x", event_id: Any = FIRST, at_s: Any = NOW_S, **identifiers: Any) -> Any:
    return {
        "type": "person",
        "action": "event",
        "identifiers": identifiers,
        "name": name,
        "id": event_id,
        "timestamp": at_s,
    }


def act(action: str, **identifiers: Any) -> Any:
    return {"type": "person", "action": action, "identifiers": identifiers}


def merge(primary: dict[str, Any], secondary: dict[str, Any]) -> Any:
    return {"type": "person", "action": "merge", "primary": primary, "secondary": secondary}


def find(workspace: Workspace, kind: str, value: str) -> Person:
    person = workspace.people.find(kind, value)
    assert person is not None
    return person


def names_of(person: Person) -> list[str]:
    return [event.name for event in person.events]


def ignored(workspace: Workspace) -> dict[str, int]:
    return dict(workspace.activity.counts)


def test_one_person_by_every_identifier():
    """A person answers to the id, the e-mail in any case, and the cio_id given by the workspace."""
    workspace = open_workspace()
    workspace.apply([identify({"email": "Ada@Example.com"}, id=42)])
    person = find(workspace, "id", "42")
    assert find(workspace, "email", "ada@example.com") is person
    workspace.apply([identify({"plan": "pro"}, email="ADA@example.com")])
    workspace.apply([identify({"step": 2}, cio_id=person.names["cio_id"])])
    assert person.attributes == {"plan": "pro", "step": 2}
    assert len(workspace.people) == 1


def test_ids_are_case_sensitive():
    """Two ids that differ in case are two people."""
    workspace = open_workspace()
    workspace.apply([identify(id="a"), identify(id="A")])
    assert len(workspace.people) == 2


def test_older_attributes_are_left():
    """An attribute keeps its newer value; the others of the same identify are set; equal times apply."""
    workspace = open_workspace()
    workspace.apply(
        [
            identify({"plan": "new"}, NOW_S, id="1"),
            identify({"plan": "old", "city": "Paris"}, NOW_S - 1, id="1"),
            identify({"plan": "tie"}, NOW_S, id="1"),
        ]
    )
    person = find(workspace, "id", "1")
    assert person.attributes == {"plan": "tie", "city": "Paris"}
    assert person.times == {"plan": NOW_S, "city": NOW_S - 1}
    assert workspace.profiles.stale_attributes == 1
    assert ignored(workspace) == {"stale": 1}


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_removes_an_attribute(nothing):
    """Null and the empty text remove an attribute, and an older value does not bring it back."""
    workspace = open_workspace()
    workspace.apply(
        [
            identify({"plan": "pro"}, NOW_S - 2, id="1"),
            identify({"plan": nothing}, NOW_S, id="1"),
            identify({"plan": "pro"}, NOW_S - 1, id="1"),
        ]
    )
    assert find(workspace, "id", "1").attributes == {}


@pytest.mark.parametrize("timestamp", ["2026-01-01", 1.5, None, True, 1_772_000_000_000, -1])
def test_invalid_time_is_now(timestamp):
    """A timestamp that is no Unix second is replaced by the time of receipt."""
    workspace = open_workspace()
    workspace.apply([identify({"plan": "pro"}, timestamp, id="1"), event(at_s=timestamp, id="1")])
    person = find(workspace, "id", "1")
    assert person.times == {"plan": NOW_S}
    assert person.events[0].timestamp == NOW_S


def test_update_only():
    """`_update` changes people there are and creates none; it is stored nowhere."""
    workspace = open_workspace()
    workspace.apply([identify({"_update": True, "plan": "pro"}, id="1")])
    assert len(workspace.people) == 0
    workspace.apply([identify(id="1"), identify({"_update": True, "plan": "pro"}, id="1")])
    assert find(workspace, "id", "1").attributes == {"plan": "pro"}
    assert ignored(workspace) == {"nobody to update": 1}


def test_new_id_with_an_email_owned_by_someone_without_id():
    """The owner of the e-mail gets the id, and is no second person."""
    workspace = open_workspace()
    workspace.apply([identify(email="a@example.com"), identify({"email": "a@example.com"}, id="1")])
    assert len(workspace.people) == 1
    assert find(workspace, "id", "1") is find(workspace, "email", "a@example.com")


def test_email_of_another_person():
    """An identify whose e-mail belongs to another changes nothing, and is noted."""
    workspace = open_workspace()
    workspace.apply(
        [
            identify({"email": "a@example.com"}, id="1"),
            identify({"plan": "pro"}, id="2"),
            identify({"email": "a@example.com", "plan": "none"}, id="2"),
            identify({"email": "a@example.com", "plan": "none"}, id="3"),
        ]
    )
    assert find(workspace, "id", "2").attributes == {"plan": "pro"}
    assert workspace.people.find("id", "3") is None
    assert ignored(workspace) == {"Attribute Update Failure": 2}


def test_changing_an_email():
    """An e-mail that is set changes by cio_id only, unless the workspace's setting allows more."""
    strict, loose = open_workspace(), open_workspace(Rules(email_update="by-any"))
    for workspace in (strict, loose):
        workspace.apply([identify({"email": "a@example.com"}, id="1")])
        workspace.apply([identify({"email": "b@example.com"}, id="1")])
    assert find(strict, "id", "1").names["email"] == "a@example.com"
    assert find(loose, "id", "1").names["email"] == "b@example.com"
    cio_id = find(strict, "id", "1").names["cio_id"]
    strict.apply([identify({"email": "b@example.com"}, cio_id=cio_id)])
    assert strict.people.find("email", "a@example.com") is None
    assert find(strict, "email", "b@example.com").names["id"] == "1"


def test_removing_an_email():
    """An empty e-mail removes it, except from whoever is addressed by it."""
    workspace = open_workspace()
    workspace.apply([identify({"email": "a@example.com"}, id="1")])
    workspace.apply([identify({"email": ""}, email="a@example.com")])
    assert find(workspace, "email", "a@example.com").names["id"] == "1"
    workspace.apply([identify({"email": None}, id="1")])
    assert workspace.people.find("email", "a@example.com") is None
    workspace.apply([identify({"email": "a@example.com"}, NOW_S - 1, id="1")])
    assert "email" not in find(workspace, "id", "1").names


@pytest.mark.parametrize("entity", [identify({"a": 1}, cio_id="zz"), event(cio_id="zz")])
def test_unknown_cio_id(entity):
    """A cio_id that nobody has is dropped."""
    workspace = open_workspace()
    workspace.apply([entity])
    assert (len(workspace.people), workspace.journal.total) == (0, 0)
    assert ignored(workspace) == {"unknown cio_id": 1}


def test_event_creates_its_person():
    """An event for an unknown id creates the person; its name is trimmed."""
    workspace = open_workspace()
    workspace.apply([event(" Renewed ", id="1")])
    assert names_of(find(workspace, "id", "1")) == ["Renewed"]


def test_first_ulid_wins():
    """An event whose ULID was seen is ignored, in one call and over calls, whoever it is about."""
    workspace = open_workspace()
    workspace.apply([event("first", id="1"), event("again", id="1")])
    workspace.apply([event("other person", id="2"), event("second", SECOND, id="1")])
    assert names_of(find(workspace, "id", "1")) == ["first", "second"]
    assert workspace.people.find("id", "2") is None
    assert workspace.counts["duplicates"] == 2


def test_ulids_of_a_person():
    """By a knob a ULID counts for one person only."""
    workspace = open_workspace(Rules(ulid_scope="person"))
    workspace.apply([event(id="1"), event(id="1"), event(id="2")])
    assert workspace.journal.total == 2


@pytest.mark.parametrize("event_id", [None, "evt_1", 7])
def test_other_ids_do_not_deduplicate(event_id):
    """An id that is no ULID is accepted, and deduplicates nothing."""
    workspace = open_workspace()
    workspace.apply([event(event_id=event_id, id="1"), event(event_id=event_id, id="1")])
    assert workspace.journal.total == 2


def test_anonymous_events_find_their_person():
    """Events under an anonymous id go to the person who claims it, before and after, by arrival."""
    workspace = open_workspace()
    workspace.apply([event("a", None, anonymous_id="x"), event("b", None, id="1")])
    workspace.apply([identify({"anonymous_id": "x"}, id="1"), event("c", None, anonymous_id="x")])
    person = find(workspace, "id", "1")
    assert names_of(person) == ["a", "b", "c"]
    assert person.attributes == {"anonymous_id": "x"}
    workspace.apply([identify({"anonymous_id": "x"}, id="2")])
    assert ignored(workspace) == {"Attribute Update Failure": 1}


def test_merge_fills_and_moves():
    """A merge fills what is empty, moves events and devices, and deletes the secondary."""
    workspace = open_workspace()
    device = {"token": "t", "platform": "ios"}
    workspace.apply(
        [
            event("a", None, email="a@example.com"),
            identify({"plan": "free", "city": "Paris"}, email="a@example.com"),
            {**act("add_device", email="a@example.com"), "device": device},
            event("b", None, id="1"),
            identify({"plan": "pro"}, id="1"),
            event("c", None, email="a@example.com"),
            merge({"id": "1"}, {"email": "A@example.com"}),
        ]
    )
    person = find(workspace, "email", "a@example.com")
    assert person.names["id"] == "1"
    assert person.attributes == {"plan": "pro", "city": "Paris"}
    assert names_of(person) == ["a", "b", "c"]
    assert person.devices == {"t": device}
    assert len(workspace.people) == 1


@pytest.mark.parametrize(
    ("primary", "secondary"), [({"id": "9"}, {"id": "1"}), ({"id": "1"}, {"id": "9"}), ({"id": "1"}, {"id": "1"})]
)
def test_merge_without_both(primary, secondary):
    """A merge with a side that nobody answers to, or with one person, does nothing."""
    workspace = open_workspace()
    workspace.apply([identify(id="1"), merge(primary, secondary)])
    assert len(workspace.people) == 1
    assert ignored(workspace) == {"nobody to merge": 1}


def test_delete_frees_identifiers():
    """A deleted person's identifiers make a new person; the old cio_id is nobody's."""
    workspace = open_workspace()
    workspace.apply([identify({"email": "a@example.com", "anonymous_id": "x"}, id="1")])
    cio_id = find(workspace, "id", "1").names["cio_id"]
    workspace.apply([act("delete", id="1"), act("delete", id="1")])
    assert len(workspace.people) == 0
    workspace.apply([identify({"email": "a@example.com", "anonymous_id": "x"}, id="2")])
    assert find(workspace, "anonymous_id", "x").names["id"] == "2"
    assert workspace.people.find("cio_id", cio_id) is None
    assert ignored(workspace) == {"nobody to delete": 1}


def test_suppressed_until_unsuppressed():
    """Suppressing deletes and blocks every identifier of the person, until one is freed."""
    workspace = open_workspace()
    workspace.apply([identify({"email": "a@example.com"}, id="1"), act("suppress", id="1")])
    workspace.apply([identify(id="1"), event(email="a@example.com")])
    assert (len(workspace.people), ignored(workspace)) == (0, {"suppressed": 2})
    workspace.apply([act("unsuppress", id="1"), event(email="a@example.com")])
    assert len(workspace.people) == 1


def test_devices():
    """A device is kept by its token and forgotten by it; an unknown one is noted."""
    workspace = open_workspace()
    device = {"token": "t", "platform": "ios"}
    add, remove = act("add_device", id="1"), act("delete_device", id="1")
    workspace.apply([{**add, "device": device}])
    assert find(workspace, "id", "1").devices == {"t": device}
    workspace.apply([{**remove, "device": {"token": "t"}}] * 2)
    assert find(workspace, "id", "1").devices == {}
    assert ignored(workspace) == {"no such device": 1}


def test_what_is_not_simulated_is_said():
    """Objects, deliveries and relationships are accepted, and noted as not simulated."""
    workspace = open_workspace()
    workspace.apply([{"type": "object", "action": "delete"}, act("add_relationships", id="1")])
    assert ignored(workspace) == {"not simulated": 2}


def test_bounded_memory():
    """With a bound the oldest events are forgotten, in the list and on people; the total is kept."""
    workspace = open_workspace(keep_events=100)
    workspace.apply([event(str(n), None, id=str(n % 2)) for n in range(1000)])
    workspace.apply([event(str(n), None, anonymous_id="x") for n in range(1000, 1020)])
    kept = workspace.journal.page(0, 10_000)
    assert workspace.journal.total == 1020
    assert 100 <= len(kept) <= 125
    on_people = [event for person in workspace.people.page(0, 9) for event in person.events]
    assert sorted(event.seq for event in on_people) == [event.seq for event in kept if event.holder]
    workspace.apply([event(str(n), None, id="0") for n in range(500)])
    workspace.apply([identify({"anonymous_id": "x"}, id="0")])
    first = workspace.journal.page(0, 1)[0].seq
    assert all(event.seq >= first for event in find(workspace, "id", "0").events)


def test_lean():
    """Lean, it checks, deduplicates and counts, and keeps nothing."""
    workspace = open_workspace(lean=True)
    workspace.apply([identify({"a": 1}, id="1"), event(id="1"), event(id="1"), event(at_s=1.5, id="1")])
    assert (len(workspace.people), workspace.journal.total) == (0, 1)
    assert workspace.counts == {"accepted": 4, "duplicates": 2}
    assert workspace.defects.counts == {"timestamp_not_integer": 1}


def test_pages():
    """Events, people and notes are paged by what was seen last, forwards; people backwards too."""
    workspace = open_workspace()
    workspace.apply([event(f"e{n % 2}", None, id=str(n)) for n in range(10)])
    assert [event.seq for event in workspace.journal.page(3, 2)] == [4, 5]
    assert [event.seq for event in workspace.journal.page(3, 2, "e0")] == [5, 7]
    assert workspace.journal.page(10, 5) == []
    assert [person.serial for person in workspace.people.page(8, 5)] == [9, 10]
    assert [person.serial for person in workspace.people.page(3, 5, newest=True)] == [2, 1]
    assert [note["seq"] for note in workspace.defects.page(8, 5)] == [9, 10]


def test_event_attributes_are_kept_at_any_depth():
    """Attributes come back as they were sent; what cannot be written again is null."""
    workspace = open_workspace()
    deep: Any = 1
    for _ in range(5000):
        deep = {"a": deep}
    workspace.apply([{**event(id="1"), "attributes": {"a": [1, {"b": None}]}}])
    workspace.apply([{**event(event_id=SECOND, id="1"), "attributes": deep}])
    first, second = [bytes(event.attributes) for event in find(workspace, "id", "1").events]
    assert msgspec.json.decode(first) == {"a": [1, {"b": None}]}
    # how deep an encoder follows is Python's to say: some thousand times since 3.12
    assert second in {b"null", b'{"a":' * 5000 + b"1" + b"}" * 5000}
