"""What may be done to dead letters besides replaying them; after each the books balance."""

import msgspec
import orjson
import pytest

from tests.support.deadletter import letter as any_letter
from tests.support.deadstack import SHARDS, event, opened
from worker.dead.changes import TRAIL
from worker.dead.edits import edit, home
from worker.dead.letter import raw_of
from worker.dead.neighbours import neighbours
from worker.purchasely.person import shard_of
from worker.replay.letter_lanes import LetterLanes
from worker.store.lane import Lane


@pytest.fixture
def dead(tmp_path, redis_url, customerio):
    """A relay with dead letters: ten refused, one of nobody."""
    with opened(tmp_path, redis_url, customerio) as stack:
        stack.faults(reject_event_names=frozenset({"BAD"}))
        stack.deliver(*[event(n, "BAD") for n in range(10)], event(10, user_id=None))
        stack.faults()
        yield stack


def discard(dead, letters):
    """Discard; what became of each."""
    return [change for _, change in dead.parts.dead_changes.discard(letters, "no use", "me")]


def test_discarded_letters_are_filtered_and_in_the_trail(dead):
    """They are gone, the books say so, and the trail names who, what and why without the event."""
    letters = dead.letters(reasons=("rejected",))
    assert discard(dead, letters) == ["done"] * 10
    account = dead.account()
    assert (account.dead, account.filtered) == (1, {"discarded": 10})
    trail = dead.parts.dead_changes.trail(["production"], 100)
    assert {(note.by, note.message, note.reason, note.event) for note in trail} == {("me", "no use", "rejected", "BAD")}
    assert sorted(note.id for note in trail) == sorted(one.id for one in letters)
    assert b"user-1" not in msgspec.json.encode(trail)
    assert discard(dead, letters) == ["gone"] * 10
    assert dead.account().filtered == {"discarded": 10}


def test_the_trail_is_bounded(dead):
    """A lane keeps its newest notes."""
    lane = Lane("app", "production", dead.letters()[0].shard)
    dead.parts.redis.rpush(lane.key("deadtrail"), *[b"{}"] * (TRAIL + 5))
    discard(dead, dead.letters()[:1])
    assert dead.parts.redis.llen(lane.key("deadtrail")) == TRAIL


def test_a_letter_in_a_replays_hand_is_left_alone(dead):
    """Neither discarded nor edited while it may be on its way to Customer.io; free again when the turn has ended."""
    letter = dead.letters(reasons=("rejected",))[0]
    job_id = dead.start([letter])
    lane = Lane("app", "production", letter.shard)
    dead.parts.serving.lanes(LetterLanes).take(lane, job_id, "t", 100, overtake=False)
    after = edit(letter, orjson.dumps(event(0, plan="x")), "me", 1)
    assert discard(dead, [letter]) == ["in hand"]
    assert dead.parts.dead_changes.rewrite(letter, after) == "in hand"
    dead.parts.serving.lanes(LetterLanes).settle(lane, job_id, "t", [], {}, 0)
    assert dead.parts.dead_changes.rewrite(letter, after) == "done"
    assert dead.account().dead == 11


def test_a_letter_whose_cause_has_changed_is_left_alone(dead):
    """What a discard was asked for is no longer what the letter is."""
    letter = dead.letters(reasons=("rejected",))[0]
    dead.faults(refuse_event_names=frozenset({"BAD"}))
    dead.replay([letter])
    assert discard(dead, [letter]) == ["changed"]
    assert dead.account().dead == 11


def test_an_exported_letter_comes_back_once(dead):
    """It counts as one more accepted event; a second import changes nothing."""
    letters = dead.letters()
    discard(dead, letters)
    assert [dead.parts.dead_changes.restore(letter) for letter in letters] == [True] * 11
    assert [dead.parts.dead_changes.restore(letter) for letter in letters] == [False] * 11
    account = dead.account()
    assert (account.accepted, account.dead, account.filtered) == (22, 11, {"discarded": 11})
    assert dead.letters() == letters


def test_an_imported_letter_that_was_delivered_is_no_second_event(dead):
    """Its ULID is the old one: Customer.io ignores it, and the books balance all the same."""
    letter = dead.letters(reasons=("rejected",))[0]
    dead.replay([letter])
    dead.parts.dead_changes.restore(letter)
    dead.replay([letter])
    assert dead.account().delivered == 2
    assert len(dead.arrived()) == 1


def test_an_edited_letter_is_replayed_as_edited(dead):
    """The payload of the edit arrives, under the ULID of the original."""
    letter = dead.letters(reasons=("rejected",))[0]
    payload = {**orjson.loads(raw_of(letter)), "plan": "edited", "event_id": "other"}
    assert dead.parts.dead_changes.rewrite(letter, edit(letter, orjson.dumps(payload), "me", 1)) == "done"
    assert dead.parts.dead_changes.rewrite(letter, edit(letter, b"{}", "you", 2)) == "changed"
    dead.replay(dead.letters(reasons=("rejected",)))
    arrived = {one.id: msgspec.json.decode(one.attributes)["plan"] for one in dead.arrived()}
    assert sorted(arrived.values()) == ["edited"] + ["monthly"] * 9
    assert dead.account().dead == 1


def test_a_letter_of_another_release_is_edited(dead):
    """Its record has a former name of a field, none of those that came later, and one that is not known here."""
    letter = dead.letters(reasons=("rejected",))[0]
    lane = Lane("app", "production", letter.shard)
    kept = msgspec.to_builtins(letter)
    former = {name: value for name, value in kept.items() if name not in {"failed_ms", "settled", "job"}}
    record = msgspec.json.encode({**former, "died_ms": kept["failed_ms"], "later": 1})
    dead.parts.redis.hset(lane.key("dead"), letter.id, record)
    (read,) = dead.parts.dead_letters.get([letter.id])
    changed = edit(read, orjson.dumps({**orjson.loads(raw_of(read)), "plan": "edited"}), "me", 1)
    assert dead.parts.dead_changes.rewrite(read, changed) == "done"
    assert dead.parts.dead_letters.get([letter.id]) == [changed]
    assert dead.parts.dead_changes.rewrite(read, edit(read, b"{}", "you", 2)) == "changed"


def test_an_edit_that_names_a_person_moves_the_letter_to_their_shard(dead):
    """There their state is, so that a replay joins what is known of them; the books of both shards balance."""
    letter = dead.letters(reasons=("no_person",))[0]
    name = next(f"user-{n}" for n in range(100, 200) if shard_of(f"user-{n}", SHARDS) != letter.shard)
    payload = {**orjson.loads(raw_of(letter)), "user_id": name}
    after = edit(letter, orjson.dumps(payload), "me", 1)
    shard = home(after, SHARDS)
    change, moved = dead.parts.dead_changes.move(letter, after, shard)
    assert (change, moved.shard) == ("done", shard)
    assert moved.shard == shard_of(name, SHARDS) != letter.shard
    account = dead.account()
    assert (account.accepted, account.dead) == (11, 11)
    assert dead.parts.dead_letters.get([letter.id, moved.id]) == [None, moved]
    assert dead.replay([moved]).counts == {"delivered": 1}
    state = [key for key in dead.parts.redis.keys("relay:*:person:*") if key.startswith(b"relay:{%d}:" % shard)]
    assert state


def test_a_move_of_a_letter_that_is_gone_leaves_none(dead):
    """It was discarded meanwhile: the copy on the other shard goes too."""
    letter = dead.letters(reasons=("no_person",))[0]
    discard(dead, [letter])
    change, moved = dead.parts.dead_changes.move(letter, letter, (letter.shard + 1) % SHARDS)
    assert change == "gone"
    assert dead.parts.dead_letters.get([moved.id]) == [None]
    assert dead.account().accepted == 11


def test_a_move_never_overwrites_a_letter(dead):
    """An entry of the same number is there already: the moved one takes the next."""
    one = dead.letters(reasons=("no_person",))[0]
    there = any_letter(id=f"production.{(one.shard + 1) % SHARDS}.{one.entry_id}", shard=(one.shard + 1) % SHARDS)
    dead.parts.dead_changes.restore(there)
    before, number = dead.parts.dead_letters.get([there.id]), dead.account().dead
    change, moved = dead.parts.dead_changes.move(one, one, there.shard)
    assert (change, moved.id == there.id) == ("done", False)
    assert dead.parts.dead_letters.get([there.id]) == before
    assert dead.account().dead == number


def test_a_moved_letter_is_no_event_of_its_new_shard(dead):
    """One that was received there in the same millisecond keeps its own fate, whatever becomes of the letter."""
    one = dead.letters(reasons=("no_person",))[0]
    lane = Lane("app", "production", (one.shard + 1) % SHARDS)
    there = dead.parts.redis.xadd(lane.key("events"), {"b": b"{}"}).decode()
    one = msgspec.structs.replace(one, id=f"production.{one.shard}.{there}")
    assert dead.parts.dead_changes.restore(one)
    _, moved = dead.parts.dead_changes.move(one, one, lane.shard)
    assert dead.parts.redis.xrange(lane.key("events"), moved.entry_id, moved.entry_id) == []
    assert dead.parts.dead_letters.get([moved.id]) == [moved]


def test_a_forgotten_person_has_no_letters(dead):
    """Also those that an edit has given another name; they count as forgotten, and no trail speaks of them."""
    mine, edited = (one for one in dead.letters() if one.person in {"user-3", "user-4"})
    payload = {**orjson.loads(raw_of(edited)), "user_id": "somebody"}
    dead.parts.dead_changes.rewrite(edited, edit(edited, orjson.dumps(payload), "me", 1))
    assert dead.parts.dead_changes.forget("production", mine.person) == 1
    assert dead.parts.dead_changes.forget("production", edited.person) == 1
    account = dead.account()
    assert (account.dead, account.filtered) == (9, {"forgotten": 2})
    assert dead.parts.dead_changes.trail(["production"], 10) == []


def test_the_events_before_and_after_are_found(dead):
    """The same person's neighbours in the stream, with what became of them; then among the dead letters alone."""
    letter = next(one for one in dead.letters() if one.person == "user-3")
    dead.faults(reject_event_names=frozenset({"WORSE"}))
    dead.deliver(event(3, "WORSE"), event(99))
    dead.append(event(3, "LATER"))
    before, after = neighbours(dead.parts.redis, letter)
    assert before is None
    assert (after.event, after.became) == ("WORSE", "dead")
    worse = next(one for one in dead.letters() if one.event == "WORSE")
    before, after = neighbours(dead.parts.redis, worse)
    assert (before.event, before.became, after.event, after.became) == ("BAD", "dead", "LATER", "waiting")
    dead.deliver()
    assert neighbours(dead.parts.redis, worse)[1].became == "settled"
    dead.parts.redis.xtrim(Lane("app", "production", letter.shard).key("events"), maxlen=0)
    before, after = neighbours(dead.parts.redis, worse)
    assert (before.event, after) == ("BAD", None)
