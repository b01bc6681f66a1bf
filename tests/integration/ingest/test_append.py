"""Appends to a real server: coalesced, in order, each event once, and an answer for everybody."""

import asyncio
import contextlib
import hashlib
import random

import pytest
import redis.asyncio

from tests.support.waiting import elapse_async
from worker.errors import NotStoredError
from worker.ingest import departure
from worker.ingest.coalescer import Appender, Incoming
from worker.ingest.memory import Memory
from worker.ingest.roundtrip import encode, exchange, round_trip
from worker.purchasely.event import CONFLICT_MARK

SHARDS = 4
WAKE_MS = 60_000


class Bench:
    """An appender over the test's server; `wakes` are those it asked for."""

    def __init__(self, client, prepare=None, **options):
        self.client = client
        self.wakes = []
        chosen = {"dedup_window_s": 3600, "timeout_s": 4, "max_memory_percent": 90, "shards": SHARDS, **options}
        self.memory = chosen.setdefault("memory", Memory(60, 64_000_000))
        self.appender = Appender(
            client,
            {"app": ("one", "two"), "alone": ()},
            prepare or self.ready,
            lambda *lane: self.wakes.append(lane),
            wake_ms=WAKE_MS,
            **chosen,
        )

    async def ready(self):
        """Nothing to prepare."""

    async def append(self, *events):
        return await self.appender.append(events)

    async def stored(self, shard=0, source="app"):
        rows = await self.client.xrange(f"relay:{{{shard}}}:events:{source}")
        return [fields[b"b"].decode() for _, fields in rows]

    async def intake(self, shard=0):
        found = await self.client.hgetall(f"relay:{{{shard}}}:intake:app")
        return {name.decode(): int(count) for name, count in found.items()}


def event(key, shard=0, source="app", raw=None, about=""):
    return Incoming(source, shard, key, about, (raw or key).encode())


@pytest.fixture
def run(redis_url):
    """Runs a scenario `async def scenario(bench)` over the empty test database."""

    def play(scenario, **options):
        async def played():
            async with redis.asyncio.Redis.from_url(redis_url, protocol=2) as client:
                return await scenario(Bench(client, **options))

        return asyncio.run(played())

    return play


def test_what_comes_in_together_goes_out_in_few_scripts(run, monkeypatch):
    """A thousand requests at once cost a handful of round trips, and each hears of its own events only.

    Two trips are under way at once, so requests of one moment, none of which was answered yet, have no order.
    """
    scripts = []

    async def counted(line, commands):
        scripts.extend(commands)
        return await round_trip(line, commands)

    async def scenario(bench):
        await bench.appender.probe()
        monkeypatch.setattr("worker.ingest.store_events.round_trip", counted)
        counts = await asyncio.gather(*(bench.append(event(f"e{n}", n % SHARDS)) for n in range(1000)))
        assert counts == [1] * 1000
        assert len(scripts) <= 4 * SHARDS
        for shard in range(SHARDS):
            stored = await bench.stored(shard)
            assert sorted(stored) == sorted(f"e{n}" for n in range(1000) if n % SHARDS == shard)

    run(scenario)


@pytest.mark.parametrize("far_s", [0.0, 1.0])
def test_one_senders_posts_keep_their_order(run, monkeypatch, far_s):
    """However they are coalesced with others': an answer comes before the next post, and arrays stay in order.

    Redis counts as far away in the first run, so that several trips are under way at once.
    """
    monkeypatch.setattr(departure, "_FAR_S", far_s)
    dice = random.Random(7)

    async def scenario(bench):
        async def sender(name):
            at = 0
            while at < 500:
                size = dice.choice((1, 1, 3, 40, 300))
                count = await bench.append(*(event(f"{name}-{n}") for n in range(at, at + size)))
                assert count == size
                at += size
            return at

        sizes = dict(zip("abcde", await asyncio.gather(*map(sender, "abcde")), strict=True))
        stored = await bench.stored()
        for name, size in sizes.items():
            assert [one for one in stored if one.startswith(name)] == [f"{name}-{n}" for n in range(size)]

    run(scenario)


@pytest.mark.parametrize(("far_s", "trips"), [(0.0, departure.MOST_TRIPS), (1.0, 2)])
def test_so_many_trips_are_under_way_at_once(run, monkeypatch, far_s, trips):
    """Next door one is at Redis while the next is made; far away there are as many as may be. Each carries several."""
    under_way, most, made = [0], [0], [0]
    monkeypatch.setattr(departure, "_FAR_S", far_s)

    async def slow(line, commands):
        under_way[0] += 1
        made[0] += 1
        most[0] = max(most[0], under_way[0])
        await elapse_async(0.02)
        replies = await round_trip(line, commands)
        under_way[0] -= 1
        return replies

    async def scenario(bench):
        await bench.append(event("first"))
        monkeypatch.setattr("worker.ingest.store_events.round_trip", slow)
        await asyncio.gather(*(bench.append(event(f"e{n}")) for n in range(200)))
        assert most[0] == trips
        assert made[0] <= trips + 2
        assert len(await bench.stored()) == 201

    run(scenario)


def test_a_trip_that_failed_at_once_does_not_bring_redis_nearer(run, monkeypatch):
    """After an outage several trips are under way again, as before."""
    faults, under_way, most = [], [0], [0]

    async def far(line, commands):
        if faults:
            raise faults.pop()
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        await elapse_async(0.02)
        replies = await round_trip(line, commands)
        under_way[0] -= 1
        return replies

    async def scenario(bench):
        await bench.appender.probe()
        monkeypatch.setattr("worker.ingest.store_events.round_trip", far)
        await bench.append(event("first"))
        faults.append(redis.exceptions.ConnectionError("gone"))
        with pytest.raises(NotStoredError, match="connection"):
            await bench.append(event("lost"))
        most[0] = 0
        await asyncio.gather(*(bench.append(event(f"e{n}")) for n in range(30)))
        assert most[0] > 1

    run(scenario)


def test_an_event_is_stored_once(run):
    """Within a request, among requests of one moment, and later; the counts say so."""

    async def scenario(bench):
        assert await bench.append(event("x"), event("x", raw="again"), event("y")) == 2
        both = await asyncio.gather(bench.append(event("z")), bench.append(event("z")))
        assert sorted(both) == [0, 1]
        assert await bench.append(event("x"), event("z"), event("new")) == 1
        assert await bench.stored() == ["x", "y", "z", "new"]
        assert await bench.intake() == {"accepted": 4, "duplicates": 4}

    run(scenario)


def test_an_id_is_remembered_for_the_window(run, monkeypatch):
    """Through two changes of the set it lies in, and not for ever."""
    clock = {"s": 1_700_000_000}
    monkeypatch.setattr("worker.ingest.store_events.time.time", lambda: clock["s"])

    async def scenario(bench):
        await bench.append(event("x"))
        for _ in range(2):
            clock["s"] += 1800
            assert await bench.append(event("x")) == 0
        lives = [await bench.client.ttl(key) for key in await bench.client.keys("relay:{0}:ids:*")]
        assert lives
        assert all(0 < life <= 5400 for life in lives)
        clock["s"] += 1800
        assert await bench.append(event("x")) == 1

    run(scenario, dedup_window_s=3600)


def test_sources_do_not_share_ids(run):
    """Two apps may use the same ids; a source without integrations is stored too."""

    async def scenario(bench):
        assert await bench.append(event("x"), event("x", source="alone")) == 2
        assert await bench.stored(source="alone") == ["x"]
        assert bench.wakes == [("one", 0), ("two", 0)]

    run(scenario)


def test_only_an_idle_lane_is_woken_and_once(run):
    """A leased shard looks again by itself, a held integration is left alone, a mark stays until it is taken."""

    async def scenario(bench):
        await bench.append(event("a"))
        await bench.append(event("b"))
        assert bench.wakes == [("one", 0), ("two", 0)]
        bench.wakes.clear()
        await bench.client.delete("relay:{0}:wake:one", "relay:{0}:wake:two")
        await bench.client.set("relay:{0}:lease:one", "holder")
        await bench.client.set("relay:{0}:hold:two", "1")
        await bench.append(event("c"))
        assert bench.wakes == []
        await bench.client.delete("relay:{0}:lease:one", "relay:{0}:hold:two")
        await bench.append(event("c"))
        assert bench.wakes == []
        await bench.append(event("d"))
        assert bench.wakes == [("one", 0), ("two", 0)]

    run(scenario)


def test_a_server_that_lost_its_scripts_gets_them_again(run):
    """SCRIPT FLUSH, a restart or a new replica: nobody notices, and order is kept."""

    async def scenario(bench):
        for turn in range(3):
            await bench.client.script_flush()
            names = [f"{turn}-{n}" for n in range(450)]
            assert await bench.append(*(event(name, n % 2) for n, name in enumerate(names))) == 450
        assert await bench.stored() == [f"{turn}-{n}" for turn in range(3) for n in range(0, 450, 2)]

    run(scenario)


def test_a_sender_who_hangs_up_takes_nothing_from_the_others(run):
    """Its own event is stored all the same: it was accepted, though nobody waits for the answer."""

    async def scenario(bench):
        tasks = [asyncio.create_task(bench.append(event(f"e{n}", n % 2), event(f"f{n}"))) for n in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[1::2] == [2] * 10
        assert all(isinstance(one, asyncio.CancelledError) for one in results[::2])
        assert await bench.append(event("e0"), event("f0")) == 0

    run(scenario)


def test_one_broken_shard_fails_alone(run):
    """Others of the same round trip are stored; the broken one's event is not taken for known when it comes again."""

    async def scenario(bench):
        await bench.client.set("relay:{1}:events:app", "not a stream")
        results = await asyncio.gather(
            bench.append(event("a", 0)),
            bench.append(event("b", 1)),
            bench.append(event("c", 0), event("d", 1)),
            bench.append(event("e", 2)),
            return_exceptions=True,
        )
        assert [one if isinstance(one, int) else one.reason for one in results] == [1, "refused", "refused", 1]
        await bench.client.delete("relay:{1}:events:app")
        assert await bench.append(event("b", 1), event("c", 0), event("d", 1)) == 2
        assert await bench.stored(1) == ["b", "d"]

    run(scenario)


def test_what_is_left_of_a_failed_request_does_not_overtake_it(run, monkeypatch):
    """An array longer than one script fails as a whole, so that sent again it is in order; others are not touched."""
    faults = [redis.exceptions.ConnectionError("gone")]

    async def flaky(client, commands):
        if faults:
            raise faults.pop()
        return await round_trip(client, commands)

    async def scenario(bench):
        monkeypatch.setattr("worker.ingest.store_events.round_trip", flaky)
        names = [f"n{n}" for n in range(500)]
        results = await asyncio.gather(
            bench.append(*map(event, names)), bench.append(event("behind")), return_exceptions=True
        )
        assert [getattr(one, "reason", one) for one in results] == ["connection", 1]
        assert await bench.append(*map(event, names)) == 500
        assert await bench.stored() == ["behind", *names]

    run(scenario)


def test_a_long_queue_on_a_slow_server_is_given_up_in_time(run, monkeypatch):
    """What would need too many trips fails early; who came later and needs one is served."""

    async def slow(client, commands):
        await elapse_async(0.24)
        return await round_trip(client, commands)

    async def scenario(bench):
        loop = asyncio.get_running_loop()
        await bench.append(event("warm"))
        monkeypatch.setattr("worker.ingest.store_events.round_trip", slow)
        began_s = loop.time()
        long = asyncio.create_task(bench.append(*(event(f"n{n}") for n in range(3000))))
        await elapse_async(0.4)
        late = asyncio.create_task(bench.append(event("late")))
        with pytest.raises(NotStoredError, match="timeout"):
            await long
        assert loop.time() - began_s < 1.2
        assert await late == 1

    run(scenario, timeout_s=1.2)


def test_nobody_waits_for_ever_on_a_mistake_of_ours(run, monkeypatch, caplog):
    """Whatever breaks between two awaits, every request has an answer, and the next one is served."""

    async def scenario(bench):
        with monkeypatch.context() as patch:
            patch.setattr("worker.ingest.store_events.round_trip", None)
            results = await asyncio.gather(*(bench.append(event(f"e{n}")) for n in range(3)), return_exceptions=True)
            assert [one.reason for one in results] == ["refused"] * 3
        assert "append_refused fault=TypeError" in caplog.text
        assert await bench.append(event("e0")) == 1

    run(scenario)


def test_nothing_is_sent_before_all_is_prepared(run):
    """The groups must exist first; a preparation that failed is tried again with the next request."""
    tries = []

    async def prepare():
        tries.append(1)
        if len(tries) < 3:
            raise NotStoredError("setup")

    async def scenario(bench):
        for _ in range(2):
            with pytest.raises(NotStoredError, match="setup"):
                await bench.append(event("x"))
        assert await bench.stored() == []
        assert await bench.append(event("x")) == 1
        assert await bench.append(event("y")) == 1
        assert len(tries) == 3

    run(scenario, prepare=prepare)


def test_a_silent_server_is_given_up_in_time(run):
    """A request waits for the trip under way and its own, so each has half of the time; later ones are served."""

    async def scenario(bench):
        loop = asyncio.get_running_loop()
        await bench.append(event("warm"))
        await bench.client.client_pause(1600, all=False)
        began_s = loop.time()
        first = asyncio.create_task(bench.append(event("first")))
        await elapse_async(0.2)
        second = asyncio.create_task(bench.append(event("second")))
        results = await asyncio.gather(first, second, return_exceptions=True)
        assert [one.reason for one in results] == ["timeout", "timeout"]
        assert loop.time() - began_s < 1.56
        with contextlib.suppress(NotStoredError):
            await bench.append(event("third"))
        await elapse_async(1.2)
        # the server may have read them before it was given up: then they are stored, once
        counts = [await bench.append(event(name)) for name in ("first", "second", "third")]
        stored = await bench.stored()
        assert sorted(stored) == ["first", "second", "third", "warm"]
        assert all(count in {0, 1} for count in counts)

    run(scenario, timeout_s=1.2)


def test_a_full_server_is_left_its_reserve(run):
    """Above the share, nothing is stored; settles and wake-ups keep their room."""

    async def scenario(bench):
        used = (await bench.client.info("memory"))["used_memory"]
        await bench.client.config_set("maxmemory", used + 4_000_000)
        try:
            with pytest.raises(NotStoredError, match="memory"):
                await bench.append(event("x"))
            with pytest.raises(NotStoredError, match="memory"):
                await bench.appender.probe()
        finally:
            await bench.client.config_set("maxmemory", 0)
        assert await bench.stored() == []

    run(scenario, max_memory_percent=1)


def test_a_probe_changes_nothing(run):
    """It is an append without an event: nothing is there but what says since when the streams are complete."""

    async def scenario(bench):
        await bench.appender.probe()
        assert [key for key in await bench.client.keys("relay:*") if b":era:" not in key] == []

    run(scenario)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_repeats_is_stored_once_and_counted(run, seed):
    """Ids known from before, and twice in one script, in any mixture: the first of each is new, the rest duplicates."""

    async def scenario(bench):
        dice, first = random.Random(seed), {}
        for turn in range(8):
            keys = [f"k{dice.randrange(4 + 6 * turn)}" for _ in range(dice.randrange(1, 30))]
            raws = [f"{key} {turn} {n}" for n, key in enumerate(keys)]
            new = len(set(keys) - first.keys())
            for key, raw in zip(keys, raws, strict=True):
                first.setdefault(key, raw)
            assert await bench.append(*(event(key, raw=raw) for key, raw in zip(keys, raws, strict=True))) == new
        assert await bench.stored() == list(first.values())
        counts = await bench.intake()
        assert counts["accepted"] == len(first)
        seen = await bench.client.keys("relay:{0}:ids:app:*")
        assert seen and all([await bench.client.ttl(key) > 0 for key in seen])

    run(scenario)


@pytest.mark.parametrize("seed", range(6))
def test_an_event_id_in_use_for_another_event_swallows_nothing(run, seed):
    """The same id with another name, person or environment is stored, marked and counted; a repetition is not."""

    async def scenario(bench):
        dice, first, expected, conflicts, sent = random.Random(seed), {}, [], 0, 0
        for turn in range(8):
            batch = []
            for n in range(dice.randrange(1, 30)):
                key, about = f"k{dice.randrange(4 + 3 * turn)}", f"about {dice.randrange(3)}"
                raw = f"{key} {about} {turn} {n}"
                batch.append(event(key, raw=raw, about=about))
                if (key, about) in first:
                    continue
                rival = any(known == key for known, _ in first)
                conflicts += rival
                first[key, about] = raw
                expected.append(raw + CONFLICT_MARK.decode() if rival else raw)
            sent += len(batch)
            before = len(await bench.stored())
            assert await bench.append(*batch) == len(expected) - before
        assert await bench.stored() == expected
        counts = {"accepted": len(expected), "conflicting": conflicts, "duplicates": sent - len(expected)}
        assert await bench.intake() == counts

    run(scenario)


def test_a_conflicting_event_is_known_as_long_as_any_other(run, monkeypatch):
    """Also when the id's first event is forgotten before it: sent again it must not become another event."""
    now_s = [1_700_000_000.0]
    monkeypatch.setattr("worker.ingest.store_events.time.time", lambda: now_s[0])

    async def scenario(bench):
        await bench.append(event("a", about="first"))
        now_s[0] += 3600
        assert await bench.append(event("a", about="second")) == 1
        now_s[0] += 3600
        assert await bench.append(event("a", about="second")) == 0
        assert await bench.append(event("a", about="third")) == 1
        stored = await bench.stored()
        assert [raw.endswith(CONFLICT_MARK.decode()) for raw in stored] == [False, True, True]

    run(scenario, dedup_window_s=3600)


def test_ids_that_an_earlier_release_remembered_are_still_known(run, monkeypatch):
    """A redelivery after an upgrade is a duplicate: what the id was about was not kept then."""
    now_s = 1_700_000_000
    monkeypatch.setattr("worker.ingest.store_events.time.time", lambda: float(now_s))

    async def scenario(bench):
        digest = hashlib.blake2b(b"a", digest_size=16).digest()
        await bench.client.sadd(f"relay:{{0}}:seen:app:{now_s // 1800 - 1}", digest)
        assert await bench.append(event("a"), event("b")) == 1
        assert await bench.stored() == ["b"]

    run(scenario)


def test_the_marks_of_one_script_are_each_requests_own(run):
    """New, known and repeated events side by side in one script: every request hears of its own."""

    async def scenario(bench):
        await bench.append(event("a"), event("b"))
        results = await asyncio.gather(
            bench.append(event("a")),
            bench.append(event("c"), event("a"), event("c")),
            bench.append(event("d")),
            bench.append(event("c")),
            bench.append(event("b"), event("e")),
        )
        assert results == [0, 1, 1, 0, 1]
        assert await bench.stored() == ["a", "b", "c", "d", "e"]
        assert await bench.intake() == {"accepted": 5, "duplicates": 5}

    run(scenario)


def test_a_connection_is_kept_for_the_next_trip(run):
    """Trips share one; a server that has closed it meanwhile is dialled again, without a word to anybody."""

    async def scenario(bench):
        async def used():
            found = await bench.client.client_list()
            return {one["id"] for one in found if one["cmd"] == "evalsha"}

        await bench.append(event("a"))
        kept = await used()
        for n in range(20):
            await bench.append(event(f"b{n}"))
        assert await used() == kept
        for one in kept:
            await bench.client.client_kill_filter(_id=one)
        assert await bench.append(event("c")) == 1
        assert (await bench.stored())[-1] == "c"

    run(scenario)


def test_the_answers_of_one_packet_are_read_at_once(run, monkeypatch):
    """Each lane has one, and redis-py would give them one by one; an error among them is a value like any other."""
    reads, read = [], redis.asyncio.Connection.read_response

    async def counted(connection, **options):
        reads.append(1)
        return await read(connection, **options)

    async def scenario(bench):
        connection = await bench.client.connection_pool.get_connection()
        monkeypatch.setattr(redis.asyncio.Connection, "read_response", counted)
        commands = [[b"*2\r\n", encode(["ECHO" if n != 7 else "NONE", n])] for n in range(100)]
        return await exchange(connection, commands)

    found = run(scenario)
    assert len(reads) < 50
    assert [one for one in found if type(one) is bytes] == [b"%d" % n for n in range(100) if n != 7]
    assert isinstance(found[7], redis.exceptions.ResponseError)


def test_the_next_trip_leaves_before_the_last_one_is_reported(run, monkeypatch):
    """Redis works while answers are written; and all are said, though one of them cannot be."""
    happened = []

    async def noted(line, commands):
        happened.append("sent")
        return await round_trip(line, commands)

    async def scenario(bench):
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: happened.append("gone"))
        await bench.append(event("warm"))
        monkeypatch.setattr("worker.ingest.store_events.round_trip", noted)

        def gone(_new):
            raise BrokenPipeError

        for number, tell in enumerate((happened.append, happened.append, gone)):
            bench.appender.post([event(f"e{number}")], tell)
            await asyncio.sleep(0)
        return await bench.append(event("last"))

    assert run(scenario) == 1
    assert happened == ["sent", "sent", 1, 1, "gone"]
