"""The formats of what is stored, as of this schema version."""

import msgspec
import pytest

from tests.support.deadletter import letter
from tests.support.deadstack import event
from worker.dead.letter import decode_letter, encode_letter
from worker.errors import OperatorError
from worker.people.facts import read_facts
from worker.people.person import Person, absorb, decode, encode
from worker.purchasely.event import read_event
from worker.replay.job import Job, read_job, write_job
from worker.revisions.store import Revision
from worker.store.holds import Hold
from worker.store.schema import GROWN, VERSION, check_schema
from worker.store.trail import Change, Run, decode_change, decode_run, encode_record


def person():
    """A person with every kind of fact that a state keeps."""
    raw = msgspec.json.encode(
        event(
            1,
            anonymous_user_id="device-1",
            device_id="d",
            store="APPLE_APP_STORE",
            purchased_at_ms=1_760_000_000_000,
            next_renewal_at_ms=1_762_000_000_000,
            plan_price_in_customer_currency=9.99,
            customer_currency="EUR",
        )
    )
    known = Person()
    absorb(known, read_facts(read_event("1760000000500-0", raw)))
    known.moved_to, known.paired, known.who = (5, "user-2"), {"device-1": 7}, '{"id":"user-1"}'
    return known


HOLD = Hold("unreachable", "relay", 1, 2, 3, 503, "down", "a/b")
REVISION = Revision("[sources.app]\n", "d1", "me", 5, "note", "file", ("old",))
JOB = Job("replay-1", "me", "--all", ["production"], 5, 2.5, 9)
RUN = Run((5, 0), (9, 1), 3, 207, 2, 41, bytes([1, 2, 19, 72]))
CHANGE = Change(5, 3, 200, 1, 41, "replay-1")

SAMPLES = {
    "person": lambda: encode(person()).hex(),
    "letter": lambda: encode_letter(letter(settled="delivered")).decode(),
    "job": lambda: write_job(JOB),
    "run": lambda: encode_record(RUN).hex(),
    "change": lambda: encode_record(CHANGE).hex(),
    "revision": lambda: msgspec.json.encode(REVISION).decode(),
    "hold": lambda: msgspec.to_builtins(HOLD),
}

# Stored by a release of schema 1. Another value here needs another VERSION, unless an earlier release reads it rightly
# (a field more at the end, with a default): then only the sample changes.
STORED = {
    "person": (
        "9b01cf00000199c82cc3e881a57375622d319993cf00000199c82cc3e815bc6576656e742d312d535542534352"
        "495054494f4e5f52454e45574544b4535542534352495054494f4e5f52454e45574544dc001baa50524f445543"
        "54494f4eaf4150504c455f4150505f53544f5245c0c0c0c0c0a76d6f6e74686c79c0c0c0c0c0cf00000199c82c"
        "c000cf0000019a3f625400c0c0c0c0c0c0c0c0c0c0c0c092cf00000199c82cc3e813c00080009200a0808092cf"
        "00000199c82cc3e8a6757365722d3192cf00000199c82cc3e8a86465766963652d3192cf00000199c82cc3e8a1"
        "649205a6757365722d3281a86465766963652d3107af7b226964223a22757365722d31227d"
    ),
    "letter": (
        '{"id":"production.2.1760000000500-0","integration":"production","source":"app","shard":2,"'
        'cause":"8e479c9c9abe","reason":"rejected","field":"name","status":207,"event":"SUBSCRIPTIO'
        'N_RENEWED","stage":"send","message":"invalid: no such name","person":"user-1","event_id":"'
        'event-1-SUBSCRIPTION_RENEWED","event_time_ms":1760000001000,"received_ms":1760000000500,"f'
        'ailed_ms":1760000001000,"revision":"0123456789ab","first_failed_ms":1760000001000,"replays'
        '":0,"attempts":[],"operations":[],"raw":"{\\"event_name\\":\\"SUBSCRIPTION_RENEWED\\",\\"event_'
        'id\\":\\"event-1-SUBSCRIPTION_RENEWED\\",\\"event_created_at_ms\\":1760000001000,\\"user_id\\":\\"'
        'user-1\\",\\"environment\\":\\"PRODUCTION\\",\\"plan\\":\\"monthly\\",\\"purchasely_subscription_id\\'
        '":\\"sub-1\\"}","raw_base64":"","original":"","original_base64":"","edits":[],"ulid":"","res'
        'tored":null,"settled":"delivered","job":""}'
    ),
    "job": {
        "id": "replay-1",
        "by": "me",
        "filter": "--all",
        "integrations": "production",
        "created_ms": 5,
        "rate": 2.5,
        "matched": 9,
        "state": "running",
        "ended_ms": 0,
        "due_ms": 0,
        "behind_since_ms": 0,
        "message": "",
        "counts": "{}",
        "kind": "letters",
        "edit": "",
        "off_too": 0,
    },
    "run": "980192050092090103cccf0229c40401021348",
    "change": "97020503ccc80129a87265706c61792d31",
    "revision": (
        '{"text":"[sources.app]\\n","digest":"d1","by":"me","at_ms":5,"note":"note","origin":"file",'
        '"removed":["old"],"number":0}'
    ),
    "hold": {
        "kind": "unreachable",
        "by": "relay",
        "since_ms": 1,
        "failures": 2,
        "next_probe_ms": 3,
        "status": 503,
        "message": "down",
        "fingerprint": "a/b",
    },
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_format_that_changes_needs_a_new_schema_version(name):
    """What this release writes is what this version says."""
    assert (VERSION, SAMPLES[name]()) == (1, STORED[name])


def test_what_was_stored_is_read():
    """Each sample means what was written."""
    assert decode(bytes.fromhex(STORED["person"])) == person()
    assert decode_letter(STORED["letter"].encode()) == letter(settled="delivered")
    assert decode_run(bytes.fromhex(STORED["run"])) == RUN
    assert decode_change(b"5-0 delivered " + bytes.fromhex(STORED["change"])).change == CHANGE
    assert msgspec.json.decode(STORED["revision"], type=Revision) == REVISION
    assert msgspec.convert(STORED["hold"], Hold) == HOLD
    row = {name.encode(): str(value).encode() for name, value in STORED["job"].items()}
    assert msgspec.structs.replace(read_job(row), left=0, closed=False) == JOB
    del row[b"off_too"]  # of a release before it
    assert msgspec.structs.replace(read_job(row), left=0, closed=False) == JOB


@pytest.mark.parametrize("stored", [str(GROWN + 1).encode(), b"x", b""])
def test_a_newer_schema_is_refused_in_one_line(stored):
    """Whatever is not known is of a later release."""
    with pytest.raises(OperatorError, match="written by a newer release") as refused:
        check_schema(stored)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("stored", [VERSION, GROWN])
def test_a_known_schema_is_read(stored):
    """That of every Redis, and that of one whose shards grew."""
    check_schema(str(stored).encode())
