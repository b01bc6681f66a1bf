"""The web door while the number of shards grows: no request fails, and nothing is stored by a former layout."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.door import make_parts, running
from tests.support.waiting import until
from worker.purchasely.person import shard_of
from worker.store.layout import read_layout, tell_shards, write_layout
from worker.upkeep.growing import Growing

pytestmark = pytest.mark.usefixtures("environ")

PEOPLE = [f"user-{number}" for number in range(40)]


def event(name, user, **fields):
    return {"event_id": name, "user_id": user, **fields}


def begin(door, tmp_path, shards=12):
    """Another process puts the next layout in force and tells the shards."""
    other = make_parts(tmp_path, door.parts.redis_url)
    with other.redis:
        other.check_store()
        Growing(other).begin(shards)
        tell_shards(other.redis, other.layout)


def stored(door, shards=12):
    """The names of events on each shard, in the order of its stream."""
    found = {}
    for shard in range(shards):
        rows = door.redis.xrange(f"relay:{{{shard}}}:events:app")
        found[shard] = [json.loads(fields[b"b"].removesuffix(b" \t"))["event_id"] for _, fields in rows]
    return found


def by_person(door):
    return {name: shard for shard, names in stored(door).items() for name in names}


@pytest.fixture
def door(tmp_path, redis_url):
    with running(make_parts(tmp_path, redis_url)) as found:
        yield found


def test_the_request_that_meets_the_new_layout_is_stored_by_it(door, tmp_path):
    """It is answered with 200 like any other; its lanes are woken where they are now."""
    assert door.post([event(f"a-{user}", user) for user in PEOPLE]).json == {"accepted": 40, "duplicates": 0}
    begin(door, tmp_path)
    assert door.post([event(f"b-{user}", user) for user in PEOPLE]).json == {"accepted": 40, "duplicates": 0}
    found = by_person(door)
    assert {user: (found[f"a-{user}"], found[f"b-{user}"]) for user in PEOPLE} == {
        user: (shard_of(user, 4), shard_of(user, 12)) for user in PEOPLE
    }
    lanes = {shard_of(user, 12) for user in PEOPLE}
    until(lambda: {shard for _, shard in door.wakes} >= lanes, "all are woken")
    assert door.webhook(event("c", PEOPLE[0])).json == {"accepted": 1, "duplicates": 0}
    assert by_person(door)["c"] == shard_of(PEOPLE[0], 12)


def test_requests_that_are_under_way_lose_nothing_and_keep_their_order(door, tmp_path):
    """Many at once, one after the other for each person, while the shards change over."""
    begun = threading.Event()

    def send(user):
        turn = behind = 0
        while behind < 10:
            behind += begun.is_set()
            events = [event(f"{user}/{turn}.{part}", user) for part in range(3)]
            assert door.post(events).json == {"accepted": 3, "duplicates": 0}
            turn += 1
        return turn

    with ThreadPoolExecutor(16) as senders:
        sending = [senders.submit(send, user) for user in PEOPLE[:16]]
        until(lambda: door.redis.xlen("relay:{1}:events:app") > 20, "some came")
        try:
            begin(door, tmp_path)
        finally:
            begun.set()
        turns = [one.result() for one in sending]
    found = stored(door)
    assert any(found[shard] for shard in range(4, 12))
    for user, sent in zip(PEOPLE[:16], turns, strict=True):
        then, now = shard_of(user, 4), shard_of(user, 12)
        names = [name for shard in dict.fromkeys((then, now)) for name in found[shard] if name.startswith(f"{user}/")]
        assert names == [f"{user}/{turn}.{part}" for turn in range(sent) for part in range(3)]


def test_the_door_is_ready_all_the_time(door, tmp_path):
    """A look at its health takes the layout up, though nothing comes in."""
    assert door.ask("GET", "/readyz").status == 200
    begin(door, tmp_path)
    assert door.ask("GET", "/readyz").status == 200
    assert door.parts.layout.shards == 12


def test_an_event_of_before_is_known_on_its_new_shard(door, tmp_path):
    """A late retry is a duplicate; what is about something else under its id is stored with a mark, as ever."""
    assert door.post([event(f"a-{user}", user) for user in PEOPLE]).json == {"accepted": 40, "duplicates": 0}
    begin(door, tmp_path)
    assert door.post([event(f"a-{user}", user) for user in PEOPLE]).json == {"accepted": 0, "duplicates": 40}
    others = [event(f"a-{user}", user, event_name="OTHER") for user in PEOPLE]
    assert door.post(others).json == {"accepted": 40, "duplicates": 0}
    assert door.post(others).json == {"accepted": 0, "duplicates": 40}
    conflicting = [door.redis.hget(f"relay:{{{shard}}}:intake:app", "conflicting") for shard in range(12)]
    assert sum(int(count or 0) for count in conflicting) == 40


def test_what_the_door_remembers_comes_back_by_the_layout_in_force(tmp_path, own_redis):
    """A server with the files of before: events go where their people are now, and none is there twice."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:
        door.post([event(f"old-{user}", user) for user in PEOPLE])
        begin(door, tmp_path)
        door.post([event(f"known-{user}", user) for user in PEOPLE[:10]])
        shutil.copytree(server.folder, server.folder.with_suffix(".old"))
        door.post([event(f"young-{user}", user) for user in PEOPLE])
        server.kill()
        shutil.rmtree(server.folder)
        server.folder.with_suffix(".old").rename(server.folder)
        server.start()
        until(lambda: door.ask("GET", "/readyz").status == 200, "it is ready again")
        until(lambda: f"young-{PEOPLE[-1]}" in by_person(door), "all are there again")
        found = stored(door)
        assert sorted(name for names in found.values() for name in names) == sorted(
            [f"old-{user}" for user in PEOPLE]
            + [f"known-{user}" for user in PEOPLE[:10]]
            + [f"young-{user}" for user in PEOPLE]
        )
        place = by_person(door)
        assert {user: place[f"young-{user}"] for user in PEOPLE} == {user: shard_of(user, 12) for user in PEOPLE}


def test_a_server_that_was_emptied_has_as_many_shards_again(door, tmp_path):
    """Whatever was configured once: what the door remembers goes where people are looked for."""
    door.post([event(f"a-{user}", user) for user in PEOPLE])
    begin(door, tmp_path)
    door.post([event("b", PEOPLE[0])])
    door.redis.flushall()
    until(lambda: len(by_person(door)) == 41, "all are there again")
    assert read_layout(door.redis).shards == 12
    place = by_person(door)
    assert {user: place[f"a-{user}"] for user in PEOPLE} == {user: shard_of(user, 12) for user in PEOPLE}


def test_a_door_that_starts_with_the_former_number_says_so_and_goes_on(door, tmp_path, redis_url, caplog):
    """It stores by the one in force."""
    door.post([event("a", PEOPLE[0])])
    begin(door, tmp_path)
    parts = make_parts(tmp_path, redis_url)
    parts.role = "web"
    with running(parts) as second:
        assert second.post([event(f"b-{user}", user) for user in PEOPLE]).json == {"accepted": 40, "duplicates": 0}
        place = by_person(second)
    assert {user: place[f"b-{user}"] for user in PEOPLE} == {user: shard_of(user, 12) for user in PEOPLE}
    assert "RELAY_SHARDS is 4; set it to 12" in caplog.text


def test_a_layout_whose_shards_were_not_told_yet_is_told_by_the_door(door, tmp_path, redis_url):
    """A command that was killed in between keeps nobody out."""
    door.post([event("a", PEOPLE[0])])
    write_layout(door.redis, read_layout(door.redis).grown(12, 5))
    with running(make_parts(tmp_path, redis_url)) as second:
        assert second.post([event(f"b-{user}", user) for user in PEOPLE]).status == 200
    assert door.post([event(f"c-{user}", user) for user in PEOPLE]).status == 200
    place = by_person(door)
    for prefix in ("b", "c"):
        assert {user: place[f"{prefix}-{user}"] for user in PEOPLE} == {user: shard_of(user, 12) for user in PEOPLE}
