"""What goes wrong on purpose: when, and with which answer."""

import msgspec
import pytest

from worker.simulator.faults import KINDS, Dice, Fault, Faults, read_fault

NOW_S = 1_772_013_598


def test_next_requests():
    """A fault strikes the next N requests and then no more; faults come in their order."""
    dice = Dice(Faults(arm={"status_500": Fault(next=2), "reset_after": Fault(next=1)}))
    assert [dice.draw() for _ in range(5)] == ["status_500", "status_500", "reset_after", "", ""]
    assert dice.counts == {"status_500": 2, "reset_after": 1}


def test_chance_is_repeatable():
    """With a seed chance falls the same way again, about as often as it was asked to."""
    faults = Faults(seed=7, arm={"slow": Fault(probability=0.2), "drip": Fault(probability=0.1)})
    first, second = Dice(faults), Dice(faults)
    drawn = [first.draw() for _ in range(2000)]
    assert drawn == [second.draw() for _ in range(2000)]
    assert 300 < drawn.count("slow") < 500
    assert 100 < drawn.count("drip") < 220


def test_a_load_does_not_use_up_what_it_was_given():
    """The faults handed in can be loaded again, whole."""
    faults = Faults(arm={"slow": Fault(next=1)})
    dice = Dice(faults)
    assert (dice.draw(), dice.draw()) == ("slow", "")
    dice.load(faults)
    assert dice.draw() == "slow"


@pytest.mark.parametrize(
    "body",
    [
        b'{"arm":{"status_418":{"next":1}}}',
        b'{"arm":{"slow":{"next":-1}}}',
        b'{"arm":{"slow":{"probability":2}}}',
        b'{"arm":{"slow":{"often":1}}}',
        b'{"armed":{}}',
        b'{"retry_after":"soon"}',
    ],
)
def test_unknown_faults_are_refused(body):
    """A misspelt fault is an error, not silence."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Faults)


@pytest.mark.parametrize(
    ("text", "kind", "fault"),
    [
        ("slow=next:3", "slow", Fault(next=3)),
        ("slow=0.25", "slow", Fault(probability=0.25)),
        ("slow=1", "slow", Fault(probability=1.0)),
        ("slow=.5", "slow", Fault(probability=0.5)),
    ],
)
def test_flag(text, kind, fault):
    """A flag says which fault, and the next how many or how likely."""
    assert read_fault(text) == (kind, fault)


@pytest.mark.parametrize("text", ["slow", "slow=2", "slow=next:", "slow=next:x", "=1", ""])
def test_flag_that_cannot_be_read(text):
    """Another flag is an error that says how one is written."""
    with pytest.raises(ValueError, match="KIND=next:N"):
        read_fault(text)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("status_")])
def test_statuses(kind):
    """An error applies nothing and has the status of its name."""
    refusal = Dice(Faults()).refusal(kind, "/api/v2/batch", NOW_S)
    assert refusal is not None
    assert refusal.status == int(kind[-3:])


@pytest.mark.parametrize("kind", ["slow", "reset_before", "reset_after", "truncated", ""])
def test_other_faults_are_no_refusals(kind):
    """What is done to the connection or after applying is no answer by itself."""
    assert Dice(Faults()).refusal(kind, "/", NOW_S) is None


@pytest.mark.parametrize(
    ("how", "header"),
    [
        ("none", None),
        ("seconds", b"30"),
        ("date", b"Wed, 25 Feb 2026 10:00:28 GMT"),
    ],
)
def test_retry_after(how, header):
    """A 429 says when to come again in neither, in the one, or in the other way."""
    dice = Dice(Faults(retry_after=how, retry_after_s=30))
    assert dict(dice.error(429, NOW_S).headers).get(b"retry-after") == header
    assert b"retry-after" not in dict(dice.error(500, NOW_S).headers)


def test_bodies():
    """An error has JSON, a page or nothing in it."""
    html = Dice(Faults(body="html")).error(502, NOW_S)
    assert dict(html.headers)[b"content-type"].startswith(b"text/html")
    assert html.body.startswith(b"<!DOCTYPE html>")
    assert Dice(Faults(body="empty")).error(502, NOW_S).body == b""
    assert Dice(Faults()).error(502, NOW_S).body.startswith(b'{"meta":')


def test_redirect():
    """A redirect keeps the path and leads elsewhere."""
    refusal = Dice(Faults(redirect_status=307)).refusal("redirect", "/api/v2/batch", NOW_S)
    assert refusal is not None
    assert refusal.status == 307
    assert dict(refusal.headers)[b"location"] == b"https://track-eu.customer.io/api/v2/batch"
