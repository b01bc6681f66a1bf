"""A test event: shown as Customer.io would get it, and stored as the web door stores events."""

import orjson
import pytest

from tests.support.parts import make_parts
from worker.acts.record import Doer
from worker.acts.testing import make_test_event, preview_test_event, send_test_event
from worker.errors import OperatorError
from worker.store.actions import Actions
from worker.store.keys import shard_key


@pytest.fixture
def parts(tmp_path, redis_url):
    made = make_parts(tmp_path, redis_url, "production", "sandbox")
    path = made.settings.integrations
    head, tail = path.read_text().split("[integrations.sandbox]")
    path.write_text(f"{head}[integrations.sandbox]{tail.replace('PRODUCTION', 'SANDBOX')}")
    made.join()
    return made


def stored(parts):
    """The bytes in the streams."""
    keys = [shard_key(shard, "events", "app") for shard in range(2)]
    return [fields[b"b"] for key in keys for _, fields in parts.redis.xrange(key)]


def test_it_is_shown_as_customer_io_would_get_it(parts):
    """In the sandbox integration with its name and attributes; production does not take test purchases, and says so."""
    test = make_test_event(parts.integrations, "app", "RENEWAL_DISABLED", "anna@example.com")
    shown = {
        one["integration"]: one for one in preview_test_event(parts, test, [*parts.integrations.integrations.values()])
    }
    assert (shown["production"]["outcome"], shown["production"]["reason"]) == ("filtered", "environment")
    sent = shown["sandbox"]
    assert sent["outcome"] == "sent"
    (event,) = [one for one in sent["operations"] if one["action"] == "event"]
    assert (event["name"], event["identifiers"]) == ("RENEWAL_DISABLED", {"email": "anna@example.com"})
    assert event["attributes"]["relay_test"] is True
    assert sent["after"]["plan"] == "monthly"
    assert stored(parts) == []


def test_it_is_stored_once_and_wakes_the_workers(parts):
    """Whoever sends it again stores nothing; the record has who, what and the id, and nobody's name."""
    woken = []

    def wake(name, shard):
        woken.append((name, shard))
        return True

    test = make_test_event(parts.integrations, "app", "ACTIVATE", "anna")
    sent = send_test_event(parts, test, Doer("bob", "first run"), wake)
    assert sent.woken == {"production": True, "sandbox": True}
    shard, _, entry = sent.place.partition("/")
    assert parts.redis.xrange(shard_key(int(shard), "events", "app"), entry, entry)
    (raw,) = stored(parts)
    assert raw == test.raw
    assert sorted(name for name, _ in woken) == ["production", "sandbox"]
    assert send_test_event(parts, test, Doer("bob"), wake).place == ""
    assert len(stored(parts)) == 1
    first = Actions(parts.redis).newest(0, 10)[-1]
    assert (first.by, first.what, first.on, first.why) == (
        "bob",
        "test event",
        "ACTIVATE (SANDBOX) for app",
        "first run",
    )
    assert first.result == test.event_id
    assert not any("anna" in orjson.dumps([one.on, one.result]).decode() for one in Actions(parts.redis).newest(0, 10))


@pytest.mark.parametrize(
    ("source", "code", "person", "why"),
    [
        ("nobody", "ACTIVATE", "anna", "no source 'nobody'"),
        ("app", " ", "anna", "event code"),
        ("app", "ACTIVATE", " ", "name the person"),
        ("app", "ACTIVATE", "a\x1b[2J", "name the person"),
        ("app", "ACTIVATE", "x" * 151, "name the person"),
    ],
)
def test_what_cannot_be_one_is_said(parts, source, code, person, why):
    """A source, a code and a person are needed."""
    with pytest.raises(OperatorError, match=why):
        make_test_event(parts.integrations, source, code, person)
