"""What a plan says is what happens: the same traffic through both configurations, counted at Customer.io."""

import json

from tests.support.payloads import history, payload
from tests.support.stack import DEFAULT_INTEGRATION
from tests.support.waiting import until

OLD = DEFAULT_INTEGRATION.replace('"*" = true', '"*" = true\nLARGE = false\nSUBSCRIPTION_STARTED = false')
NEW = DEFAULT_INTEGRATION.replace(
    '"*" = true', '"*" = true\nACTIVATE = "Access Granted"\nSUBSCRIPTION_RENEWED = false'
).replace("plan = true", "store = true")
KINDS = ("renewing", "ended", "trial_converted", "refunded", "paused", "code_lapsed")


def traffic():
    """Histories of forty people, and five events that are too large once they are enabled."""
    found = []
    for n in range(40):
        for k, event in enumerate(history(KINDS[n % len(KINDS)], user_id=f"user-{n}")):
            found.append({**event, "event_id": f"{n}-{k}"})
    found += [payload("LARGE", user_id=f"large-{n}", event_id=f"large-{n}", blob="x" * 40_000) for n in range(5)]
    return found


def sent(make_stack, integrations, events):
    """A relay that has delivered these events under a configuration."""
    stack = make_stack()
    stack.path.write_text(integrations.replace("{simulator}", stack.simulator))
    stack.start()
    for at in range(0, len(events), 50):
        assert stack.post(events[at : at + 50]).status_code == 200
    until(lambda: stack.account.accepted == len(events) and not stack.account.waiting, "all is settled")
    return stack


def names(stack):
    return {event["attributes"]["event_id"]: event["name"] for event in stack.arrived()}


def people(stack, events):
    found = {}
    for user in sorted({event["user_id"] for event in events}):
        person = stack.inspect(f"people/id/{user}")
        found[user] = person.get("attributes", {})
    return found


def test_a_plan_comes_true(make_stack):
    """Newly sent, no longer sent, renamed and newly dead events, and people with other properties: each number."""
    events = traffic()
    before = sent(make_stack, OLD, events)
    path = before.folder / "new.toml"
    path.write_text(NEW.replace("{simulator}", before.simulator))
    done = before.relay("config", "plan", str(path), "--json")
    (item,) = json.loads(done.stdout)["items"]
    after = sent(make_stack, NEW, events)
    old, new = names(before), names(after)
    assert item["events"] == len(events)
    assert item["newly_sent"]["events"] == len(new.keys() - old.keys()) > 0
    assert item["no_longer_sent"]["events"] == len(old.keys() - new.keys()) > 0
    assert item["renamed"]["events"] == sum(old[one] != new[one] for one in old.keys() & new.keys()) > 0
    assert item["newly_dead"]["events"] == after.account.dead - before.account.dead == 5
    were, are = people(before, events), people(after, events)
    assert item["people_differ"]["people"] == sum(were[user] != are[user] for user in were) > 0
