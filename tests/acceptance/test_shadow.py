"""An integration in shadow: everything is done but the request; what was shadowed is never sent by itself."""

import json

from tests.support.payloads import history, payload
from tests.support.stack import DEFAULT_INTEGRATION
from tests.support.waiting import until

SHADOW = DEFAULT_INTEGRATION.replace('source = "app"', 'source = "app"\nsend = false')
PAST, GAP, LIVE = 30, 4, 5


def put_in_force(stack, text):
    """A revision of this text, taken up by every process."""
    stack.path.write_text(text.replace("{simulator}", stack.simulator))
    done = stack.relay("config", "apply", str(stack.path), "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    stack.parts.live.look(force=True)
    number = stack.parts.live.loaded.number

    def all_run_it():
        alive = [one for one in status(stack)["processes"] if one["alive"]]
        return len(alive) >= 3 and all(one["revision"] == number for one in alive)

    until(all_run_it, f"every process runs revision {number}")


def status(stack):
    return json.loads(stack.relay("status", "--json").stdout)


def settled(stack, number):
    until(lambda: stack.account.accepted == number and not stack.account.waiting, f"{number} events are settled")


def test_a_switch_over_sends_nothing_of_the_shadow_and_everything_after_it(make_stack):
    """In shadow: figures, trace and person say what would be sent. Then only what comes, and what is asked for."""
    stack = make_stack(RELAY_INTEGRATIONS="")
    stack.spawn("simulator", f"relay simulate --port {stack.simulator_port} --workspace test-site:test-key:eu")
    stack.until_up("simulator")
    for name in ("web", "worker", "beat"):
        stack.start_as(name, name)
    until(lambda: len(status(stack)["processes"]) >= 3, "all processes wait for a configuration")
    put_in_force(stack, SHADOW)
    stack.until_up("web")

    past = [event for n in range(PAST // 5) for event in history("renewing", user_id=f"user-{n}")][:PAST]
    for at, event in enumerate(past):
        event["event_id"] = f"past-{at}"
    assert stack.post(past).json()["accepted"] == len(past)
    assert stack.post([{"environment": "PRODUCTION", "user_id": "nameless"}]).status_code == 200
    settled(stack, len(past) + 1)

    (item,) = status(stack)["items"]
    assert (item["state"], item["shadowed"], item["delivered"], item["dead"]) == ("shadow", len(past), 0, 1)
    assert stack.relay("audit").returncode == 0
    (passed,) = json.loads(stack.relay("trace", "past-0", "--json").stdout)["integrations"]
    assert (passed["outcome"], passed["reason"], passed["name"]) == ("filtered", "shadow", past[0]["event_name"])
    assert passed["rule"] == "integrations.production.send"
    assert "in shadow: would have been sent as" in stack.relay("person", "user-0").stdout
    assert json.loads(stack.relay("person", "user-0", "--json").stdout)["properties"]["production"]["plan"]["value"]
    for command in (("replay", "--integration", "production"), ("resync", "--integration", "production")):
        refused = stack.relay(*command, "--yes")
        assert refused.returncode == 2
        assert "is in shadow" in refused.stderr
    letters = json.loads(
        stack.relay(
            "dead", "replay", "--reason", "no_event_name", "--yes", "--no-wait", "--include-failing", "--json"
        ).stdout
    )
    job = letters["job"]["id"]
    until(lambda: "in shadow" in stack.relay("jobs", "show", job).stdout, "a replay of dead letters waits")
    assert stack.arrived() == []
    assert stack.inspect("people")["items"] == []

    put_in_force(stack, DEFAULT_INTEGRATION)
    stack.relay("jobs", "abort", job)
    live = [payload("SUBSCRIPTION_RENEWED", user_id=f"user-{n}", event_id=f"live-{n}") for n in range(LIVE)]
    assert stack.post(live).status_code == 200
    until(lambda: len(stack.arrived()) == LIVE, "what comes after the switch arrives")
    assert {event["attributes"]["event_id"] for event in stack.arrived()} == {f"live-{n}" for n in range(LIVE)}

    missing = json.loads(stack.relay("replay", "--integration", "production", "--dry-run", "--json").stdout)["plan"]
    assert (missing["would_send"], missing["shadowed"], missing["already"]) == (0, len(past), LIVE)
    asked = stack.relay("replay", "--integration", "production", "--only", "shadowed", "--person", "user-1", "--yes")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    mine = {event["event_id"] for event in past if event["user_id"] == "user-1"}
    assert {event["attributes"]["event_id"] for event in stack.arrived()} == {f"live-{n}" for n in range(LIVE)} | mine
    assert stack.relay("resync", "--integration", "production", "--yes").returncode == 0
    assert stack.inspect("people/id/user-0")["attributes"]["plan"]
    assert stack.relay("audit").returncode == 0
