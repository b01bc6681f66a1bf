"""A Redis that lost what was answered with 200: the door appends it again, and counts what is gone for good."""

import logging
import shutil
from contextlib import ExitStack

import pytest

from tests.support.door import make_parts, running
from tests.support.waiting import elapse, until
from worker.ingest.memory import Memory

pytestmark = pytest.mark.usefixtures("environ")


def event(name, user="jeff"):
    return {"event_id": name, "user_id": user}


def names(door):
    return sorted(raw.split(b'"')[3].decode() for raw in door.stored())


def send(door, prefix, count):
    """Store so many events of as many people; their names."""
    sent = [f"{prefix}{number}" for number in range(count)]
    assert door.post([event(name, name) for name in sent]).json == {"accepted": count, "duplicates": 0}
    return sent


def counts(door):
    """What the streams lost in all, and how much of it came back."""
    fields = [door.redis.hmget(f"relay:{{{shard}}}:intake:app", "lost", "restored") for shard in range(4)]
    return tuple(sum(int(value or 0) for value in column) for column in zip(*fields, strict=True))


def back_up(server):
    """The server's files, as of now."""
    shutil.copytree(server.folder, server.folder.with_suffix(".old"))


def restore(server):
    """Kill the server, and start it with the files of that time."""
    server.kill()
    shutil.rmtree(server.folder)
    server.folder.with_suffix(".old").rename(server.folder)
    server.start()


def test_an_append_only_file_of_an_old_backup_is_filled_up(tmp_path, own_redis, caplog):
    """What came since is appended again before anything new, counted as lost and restored; nothing is doubled."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:
        old = send(door, "old", 30)
        back_up(server)
        young = send(door, "young", 50)
        restore(server)
        assert door.webhook(event("new")).status == 200
        assert names(door) == sorted([*old, *young, "new"])
        assert counts(door) == (50, 50)
        assert "redis_lost_writes lost=50 restored=50" in caplog.text
        assert door.post([event(name, name) for name in young]).json == {"accepted": 0, "duplicates": 50}


def test_nobody_needs_to_send_anything(tmp_path, own_redis):
    """The door looks at its server once a second."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:
        old = send(door, "old", 5)
        back_up(server)
        young = send(door, "young", 5)
        restore(server)
        until(lambda: names(door) == sorted(old + young), "all came back")


def test_a_server_that_was_emptied_is_filled_again(tmp_path, own_redis):
    """FLUSHALL changes neither the process nor its history, and closes no connection."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:
        sent = send(door, "a", 40)
        door.redis.flushall()
        until(lambda: names(door) == sent or sorted(sent) == names(door), "all came back")
        assert counts(door) == (40, 40)
        more = send(door, "b", 10)
        assert names(door) == sorted(sent + more)


def test_a_server_without_persistence_that_is_killed_is_filled_again(tmp_path, own_redis):
    """It comes back empty."""
    server = own_redis(appendonly="no")
    with running(make_parts(tmp_path, server.url)) as door:
        sent = send(door, "a", 40)
        server.kill()
        server.start()
        until(lambda: names(door) == sorted(sent), "all came back")
        assert counts(door) == (40, 40)


def test_what_is_not_remembered_is_counted_all_the_same(tmp_path, own_redis, caplog):
    """RELAY_REMEMBER_S=0, or longer ago than that: lost, and said."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url, remember_s=0)) as door:
        old = send(door, "old", 30)
        back_up(server)
        send(door, "young", 50)
        restore(server)
        assert door.webhook(event("new")).status == 200
        assert names(door) == sorted([*old, "new"])
        assert counts(door) == (50, 0)
        assert "redis_lost_writes lost=50 restored=0" in caplog.text


def test_several_doors_count_a_loss_once(tmp_path, own_redis):
    """Each tells what it answered itself; the one that saw the stream longest says how much is missing."""
    server = own_redis()
    with ExitStack() as stack:
        doors = [stack.enter_context(running(make_parts(tmp_path, server.url))) for _ in range(3)]
        sent = [name for number, door in enumerate(doors) for name in send(door, f"old{number}-", 10)]
        back_up(server)
        sent += [name for number, door in enumerate(doors) for name in send(door, f"young{number}-", 10)]
        restore(server)
        for number, door in enumerate(doors):
            sent += send(door, f"new{number}-", 10)
        until(lambda: names(doors[0]) == sorted(sent), "all came back")
        assert counts(doors[0]) == (30, 30)


def test_a_replica_that_comes_to_a_server_loses_nothing(tmp_path, own_redis, caplog):
    """It is another replication id. What came through a door that had yet to see it was counted as lost."""
    server = own_redis()
    with ExitStack() as stack:
        doors = []
        for number in range(4):
            doors.append(stack.enter_context(running(make_parts(tmp_path, server.url))))
            send(doors[-1], f"first{number}-", 10)
            elapse(0.2)  # each looks once a second, not all of them at once
        own_redis(replicaof=f"127.0.0.1 {server.port}")
        caplog.set_level(logging.INFO)
        rounds = iter(range(10_000))

        def has_been_seen():
            turn = next(rounds)
            for number, door in enumerate(doors):
                send(door, f"{turn}-{number}-", 10)
            return sum(caplog.text.count(name) for name in ("redis_changed", "redis_lost_writes")) >= len(doors)

        until(has_been_seen, "all have seen it")
        assert counts(doors[0]) == (0, 0)
        assert "redis_lost_writes" not in caplog.text


def test_what_came_back_is_counted_though_no_height_had_it(tmp_path, own_redis, monkeypatch):
    """Of what else is in a stream a door leaves out as much as it has under way itself: another one had answered it."""
    monkeypatch.setattr(Memory, "note_height", lambda *_: None)
    server = own_redis()
    with ExitStack() as stack:
        doors = [stack.enter_context(running(make_parts(tmp_path, server.url))) for _ in range(2)]
        sent = [name for number, door in enumerate(doors) for name in send(door, f"old{number}-", 10)]
        back_up(server)
        sent += [name for number, door in enumerate(doors) for name in send(door, f"young{number}-", 10)]
        restore(server)
        until(lambda: names(doors[0]) == sorted(sent), "all came back")
        until(lambda: counts(doors[0]) == (20, 20), "all of it is counted")


def test_a_stream_that_alone_is_gone_is_filled_again(tmp_path, own_redis):
    """Evicted or deleted: the ids survived, and prove nothing."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:
        sent = send(door, "a", 40)
        until(lambda: len(door.redis.keys("relay:*:era:app")) == 4, "the door has looked")
        gone = door.redis.xlen("relay:{1}:events:app")
        door.redis.delete("relay:{1}:events:app")
        sent += send(door, "b", 40)
        until(lambda: names(door) == sorted(sent), "all came back")
        assert counts(door) == (gone, gone)
        for shard in range(4):
            accepted = int(door.redis.hget(f"relay:{{{shard}}}:intake:app", "accepted"))
            assert accepted == door.redis.xinfo_stream(f"relay:{{{shard}}}:events:app")["entries-added"]


@pytest.mark.parametrize("doors", [1, 2])
def test_a_replica_that_was_half_filled_again_is_filled_up(tmp_path, own_redis, doors):
    """It has the last recall up to any byte of it: all comes back, and the counts say so."""
    server = own_redis()
    with ExitStack() as stack:
        open_doors = [stack.enter_context(running(make_parts(tmp_path, server.url))) for _ in range(doors)]
        sent = [name for number, door in enumerate(open_doors) for name in send(door, f"old{number}-", 10)]
        back_up(server)
        sent += [name for number, door in enumerate(open_doors) for name in send(door, f"young{number}-", 30)]
        restore(server)
        for share in (1.0, 0.9, 0.7, 0.5, 0.3):
            cut_off(server, share)
            until(lambda: all(door.ask("GET", "/readyz").status == 200 for door in open_doors), "they are ready")
            until(lambda: names(open_doors[0]) == sorted(sent), "all came back")
            lost, restored = counts(open_doors[0])
            assert lost == restored > 0


def cut_off(server, share):
    """Kill the server, and start it with this share of its append-only file."""
    server.kill()
    (file,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    with file.open("r+b") as log:
        log.truncate(int(file.stat().st_size * share))
    server.start()


def test_a_user_without_the_right_to_info_is_served_the_same(tmp_path, own_redis):
    """Then each connection may be to another server, and gets all again; what is there is known by its id."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:
        door.redis.acl_setuser("default", enabled=True, nopass=True, categories=["+@all"], commands=["-info"])
        old = send(door, "old", 30)
        back_up(server)
        young = send(door, "young", 50)
        restore(server)
        door.redis.acl_setuser("default", enabled=True, nopass=True, categories=["+@all"], commands=["-info"])
        assert door.webhook(event("new")).status == 200
        assert names(door) == sorted([*old, *young, "new"])
        assert counts(door) == (50, 50)


def test_a_connection_that_is_cut_tells_nothing_again(tmp_path, own_redis, caplog):
    """The same server has what it had."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:
        send(door, "a", 10)
        door.redis.client_kill_filter(_type="normal", skipme=True)
        send(door, "b", 10)
        assert counts(door) == (0, 0)
        assert "redis_" not in caplog.text


def test_a_recall_that_is_broken_off_is_finished_later(tmp_path, own_redis):
    """Full memory, in the middle of it: 503 until there is room, then all comes back, each once."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url, max_memory_percent=100)) as door:
        sent = send(door, "a", 40)
        door.redis.flushall()
        door.redis.config_set("maxmemory", 1)
        until(lambda: door.webhook(event("b")).status == 503, "it is full")
        assert names(door) == []
        door.redis.config_set("maxmemory", 0)
        until(lambda: names(door) == sorted(sent), "all came back")
        assert counts(door) == (40, 40)
        assert door.webhook(event("b")).status == 200


def test_scripts_that_are_gone_keep_nobody_out(tmp_path, own_redis):
    """SCRIPT FLUSH between two looks at the server: the next look loads its scripts again, and events are stored."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:
        send(door, "before", 5)
        door.redis.script_flush()
        elapse(1.1)  # the next look is due
        send(door, "after", 5)
        assert counts(door) == (0, 0)
