"""What is trimmed is in the archive first: whole, once, with its fates, whatever is killed, full or refusing."""

import io
import os
import resource
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from tests.support.bucket import bucket  # noqa: F401 - a fixture
from tests.support.parts import make_parts
from tests.support.servers import free_port
from tests.support.waiting import until
from worker.cli.status import read
from worker.cli.status_picture import picture
from worker.errors import ArchiveError
from worker.ledger.figures import Ledger
from worker.ledger.metrics import render
from worker.store.archive import HOUR_MS, Archive, open_archive
from worker.store.archive_state import ArchiveRecord
from worker.store.keys import ARCHIVE_LEASE
from worker.store.settling import Settlement
from worker.store.taken import Taken
from worker.store.trail import CODES, Run, encode_record
from worker.upkeep.rounds import Rounds

pytest.importorskip("obstore")

NOW_MS = time.time_ns() // 1_000_000
OLD_MS = NOW_MS // HOUR_MS * HOUR_MS - 10 * HOUR_MS


@pytest.fixture
def made(tmp_path, own_redis):
    """Parts with an archive in a folder, or elsewhere; of one server."""
    server = own_redis()
    parts = []

    def make(url=f"file://{tmp_path}/archive", **chosen):
        parts.append(make_parts(tmp_path, server.url, shards=1, archive_url=url, retention_s=3600, **chosen))
        parts[-1].join()
        return parts[-1]

    yield make
    for one in parts:
        one.redis.close()


def past(parts, per_hour=30, hours=3, size=20):
    """Settled events of former hours; their ids, and the bytes of each."""
    (lane,) = parts.lanes()
    events = {}
    for hour in range(hours):
        for number in range(per_hour):
            entry = f"{OLD_MS + hour * HOUR_MS + number * 1000}-0"
            raw = b'{"n":%d,"x":"%s"}' % (hour * 1000 + number, os.urandom(size).hex().encode())
            parts.redis.xadd(lane.key("events"), {"b": raw}, id=entry)
            events[entry] = raw
    ids = list(events)
    assert isinstance(parts.streams.take(lane, "t", 1), Taken)
    places = [tuple(int(part) for part in one.split("-")) for one in ids]
    codes = bytes(CODES["filtered:event_off"] if number % 2 else 1 for number in range(len(ids)))
    run = Run(places[0], places[-1], 7, 200, 1, 5, codes)
    done = Settlement(ids[-1], len(ids), {"delivered": len(ids)}, {}, trail=encode_record(run))
    parts.streams.settle(lane, "t", 1, done, 0, ids[-1])
    parts.streams.release(lane, "t", ids[-1], keep=False)
    return events


def archived(archive: Archive):
    """Every line of the archive, in order."""
    return [line for file in archive.files("app", 0) for line in archive.read(file)]


def kept(parts):
    """The ids in the stream."""
    (lane,) = parts.lanes()
    return [one.decode() for one, _ in parts.redis.xrange(lane.key("events"))]


def test_what_is_trimmed_is_in_the_archive_with_its_fates(made):
    """A file an hour; bytes as received, what became of each, and under which revision."""
    parts = made()
    events = past(parts)
    assert Rounds(parts).trim() == len(events) - 1  # the group's own place stays
    lines = archived(parts.archive)
    assert {line.id: line.body for line in lines} == dict(list(events.items())[:-1])
    assert [line.fates["production"]["outcome"] for line in lines[:4]] == ["delivered", "filtered"] * 2
    assert lines[1].fates["production"] | {"settled_ms": 0} == {
        "outcome": "filtered",
        "reason": "event_off",
        "revision": 7,
        "status": 200,
        "attempts": 1,
        "took_ms": 5,
        "settled_ms": 0,
    }
    assert len(parts.archive.files("app", 0)) == 3
    assert kept(parts) == list(events)[-1:]
    assert ArchiveRecord(parts.redis).read().events == len(lines)
    state = read(parts)
    assert (state["past"]["since_ms"], state["past"]["archive"].files) == (int(list(events)[-1][:-2]), 3)
    shown = io.StringIO()
    Console(file=shown, width=120).print(picture(state, now_ms=NOW_MS))
    assert "the past reaches back " in shown.getvalue()
    assert "3 files archived" in shown.getvalue()


def test_an_hour_that_is_not_over_waits_for_its_end(made):
    """So that by age alone an hour is one file."""
    parts = made()
    past(parts, per_hour=5, hours=2)
    (lane,) = parts.lanes()
    young = f"{(NOW_MS - 3_600_000) // HOUR_MS * HOUR_MS + 1}-0"
    parts.redis.xadd(lane.key("events"), {"b": b"{}"}, id=young)
    parts.redis.xgroup_setid(lane.key("events"), "production", young)
    Rounds(parts).trim()
    assert kept(parts) == [young]


def test_a_stream_that_nobody_has_read_yet_is_left_alone(made):
    """Its group is before the first entry, and so is the limit."""
    parts = made()
    (lane,) = parts.lanes()
    parts.redis.xgroup_destroy(lane.key("events"), "production")
    parts.redis.xadd(lane.key("events"), {"b": b"{}"}, id=f"{OLD_MS}-0")
    parts.redis.xgroup_create(lane.key("events"), "production", id="0")
    assert Rounds(parts).trim() == 0
    assert len(kept(parts)) == 1
    assert ArchiveRecord(parts.redis).read().message == ""


def test_a_real_s3_server_takes_the_archive(made, bucket, monkeypatch):  # noqa: F811
    """Over HTTP, with keys and endpoint as for every other tool of the provider."""
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    parts = made(f"s3://{bucket.make()}/relay")
    events = past(parts)
    assert Rounds(parts).trim() == len(events) - 1
    assert [line.body for line in archived(parts.archive)] == list(events.values())[:-1]


def test_a_refusing_bucket_holds_the_trim_and_says_so(made, bucket, monkeypatch, caplog):  # noqa: F811
    """Nothing leaves Redis; log and record say why; when it takes files again, all goes on."""
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    name = bucket.make(create=False)
    parts = made(f"s3://{name}/relay")
    events = past(parts)
    assert Rounds(parts).trim() == 0
    assert kept(parts) == list(events)
    state = ArchiveRecord(parts.redis).read()
    assert state.failing_since_ms
    assert "no such bucket" in state.message
    assert "archive_failed" in caplog.text
    assert state.message in read(parts)["wrong"]
    assert b"relay_archive_failing 1.0" in render(Ledger(parts).figures())
    bucket.create(name)
    assert Rounds(parts).trim() == 0  # not again at once
    parts.redis.delete(ARCHIVE_LEASE)  # as when the pause is over
    assert Rounds(parts).trim() == len(events) - 1
    assert ArchiveRecord(parts.redis).read().message == ""


def test_an_archive_that_cannot_be_read_says_why(made, bucket, monkeypatch):  # noqa: F811
    """Whatever the provider's library calls it: no bucket, or nobody there."""
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    archive = made(f"s3://{bucket.make(create=False)}/relay").archive
    with pytest.raises(ArchiveError, match="there is no such bucket"):
        archive.all()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ArchiveError, match="it does not answer"):
        open_archive("s3://nowhere/relay").all()


def test_a_full_disk_holds_the_trim_and_says_so(made, tmp_path):
    """No half file is taken for a whole one, and nothing is trimmed."""
    parts = made()
    events = past(parts, size=2000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    archive = parts.archive
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        assert Rounds(parts).trim() == 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, former)
    assert kept(parts) == list(events)
    assert archived(archive) == []
    assert "the disk is full" in ArchiveRecord(parts.redis).read().message


def test_memory_that_presses_moves_the_past_into_the_archive(made):
    """Part of an hour then, and nothing twice."""
    parts = made()
    events = past(parts, per_hour=400, hours=2, size=1500)
    used = parts.redis.info("memory")["used_memory"]
    parts.redis.config_set("maxmemory", int(used / 0.99 / parts.settings.max_memory_percent * 100))
    dropped = [Rounds(parts).relieve() for _ in range(40)]
    assert sum(dropped) > 0
    ids = [line.id for line in archived(parts.archive)]
    assert ids + kept(parts) == list(events)


_LOOP = """
import sys
from pathlib import Path
from tests.support.parts import make_parts
from worker.upkeep import archive
from worker.upkeep.rounds import Rounds
archive._LINES = 20
parts = make_parts(Path(sys.argv[1]), sys.argv[2], shards=1, archive_url=sys.argv[3], retention_s=3600)
print("ready", flush=True)
Rounds(parts).trim()
print("done", flush=True)
"""


@pytest.mark.parametrize(("place", "per_hour"), [("folder", 600), ("s3", 400)])
def test_kill_9_at_any_moment_loses_and_doubles_nothing(place, per_hour, made, tmp_path, bucket, monkeypatch):  # noqa: F811
    """A process is killed again and again in the middle of archiving; the archive and the stream are still all."""
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    parts = made(f"s3://{bucket.make()}/relay") if place == "s3" else made()
    events = past(parts, per_hour=per_hour, hours=3, size=300)
    url = parts.settings.archive_url
    (tmp_path / "child").mkdir()
    killed = 0
    for attempt in range(40):
        files = len(parts.archive.files("app", 0))
        child = subprocess.Popen(
            [sys.executable, "-c", _LOOP, str(tmp_path / "child"), parts.settings.redis_url, url],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout.readline() == "ready\n"
        most = files + attempt % 7
        until(
            lambda most=most, child=child: child.poll() is not None or len(parts.archive.files("app", 0)) > most,
            "another file",
            every_s=0.001,
        )
        ended = child.poll() is not None
        child.kill()
        child.wait()
        child.stdout.close()
        killed += not ended
        parts.redis.delete(ARCHIVE_LEASE)  # as when it expires
        lines = [line.id for line in archived(parts.archive)]
        there = kept(parts)
        assert sorted({*lines, *there}) == list(events)
        assert len(set(lines) & set(there)) <= 20, "at most the file in hand is in both"
        if ended or killed == 6:
            break
    assert killed > 3
    Rounds(parts).trim()
    lines = archived(parts.archive)
    assert [line.id for line in lines] + kept(parts) == list(events)
    assert {line.id: line.body for line in lines} == dict(list(events.items())[:-1])
