"""An integration in shadow: everything is done but the request; what was shadowed is never sent by itself."""

import json
import shlex
import time

from tests.support.pages import commands
from tests.support.payloads import history, payload
from tests.support.stack import DEFAULT_INTEGRATION
from tests.support.waiting import until

LIVE = DEFAULT_INTEGRATION.replace('"*" = true', '"*" = true\nINSTALLMENT_PAID = false')
SHADOW = LIVE.replace('source = "app"', 'source = "app"\nsend = false')
PAST, MORE = 30, 5
SINCE = ("--since", "2h")


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


def shadowed(make_stack):
    """A relay in shadow that has received events, one of them without a name; and those events."""
    stack = make_stack(RELAY_INTEGRATIONS="")
    stack.spawn("simulator", f"relay simulate --port {stack.simulator_port} --workspace test-site:test-key:eu")
    stack.until_up("simulator")
    for name in ("web", "worker", "beat"):
        stack.start_as(name, name)
    until(lambda: len(status(stack)["processes"]) >= 3, "all processes wait for a configuration")
    put_in_force(stack, SHADOW)
    stack.until_up("web")
    now_ms = int(time.time() * 1000)
    past = [event for n in range(PAST // 5) for event in history("ended", user_id=f"user-{n}")][:PAST]
    for at, event in enumerate(past):
        event |= {"event_id": f"past-{at}", "event_created_at_ms": now_ms - (PAST - at) * 60_000}
    assert stack.post(past).json()["accepted"] == len(past)
    assert stack.post([{"environment": "PRODUCTION", "user_id": "nameless"}]).status_code == 200
    settled(stack, len(past) + 1)
    return stack, past


def built_in(events, path, **renamed):
    """An export of what the built-in integration has sent of these events, and an event of another program."""
    rows = [
        f"{e['user_id']},{renamed.get(e['event_name'], e['event_name'])},{e['event_created_at_ms'] // 1000 + 2}"
        for e in events
    ]
    path.write_text(
        "\n".join(["customer_id,event_name,timestamp", *rows, f"user-0,app_opened,{rows[0].split(',')[2]}"])
    )


def differing(stack, past, export):
    """One event is missing at Customer.io, one was never received here, one was filtered here, one name is another."""
    old = stack.folder / "old.csv"
    built_in([{**event, "event_created_at_ms": 1_760_000_000_000} for event in past], old)
    refused = stack.relay("compare", str(old), "--integration", "production")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "nothing of that time is kept" in refused.stderr
    extra = {**past[0], "user_id": "stranger"}
    switched_off = {**past[0], "event_name": "INSTALLMENT_PAID"}
    assert stack.post([{**switched_off, "event_id": "off"}]).status_code == 200
    settled(stack, len(past) + 2)
    first = past[0]["event_name"]
    built_in([*past[1:], extra], export, RENEWAL_DISABLED="Sub Cancelled")
    done = stack.relay("compare", str(export), "--integration", "production", *SINCE, "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    cancelled = sum(event["event_name"] == "RENEWAL_DISABLED" for event in past)
    assert (found["only_here"], found["only_there"]) == (1 + cancelled, 1)
    assert found["why"] == {"never received": 1}
    assert next(row for row in found["items"] if row["event"] == first)["only_here"] == 1
    sample = next(one for one in found["samples_here"] if one["event"] == first)
    assert (sample["person"], stack.relay("trace", sample["entry"]).returncode) == ("user-0", 0)
    renamed = {"cause": "other_name", "here": "RENEWAL_DISABLED", "there": "Sub Cancelled", "events": cancelled}
    assert found["hints"][0] == renamed
    built_in([*past, extra, switched_off], export)
    found = json.loads(stack.relay("compare", str(export), "--integration", "production", *SINCE, "--json").stdout)
    assert found["why"] == {"never received": 1, "filtered: event_off": 1}
    mended = '"*" = true\nRENEWAL_DISABLED = "Sub Cancelled"'
    put_in_force(stack, SHADOW.replace('"*" = true', mended).replace("\nINSTALLMENT_PAID = false", ""))
    built_in([*past, switched_off], export, RENEWAL_DISABLED="Sub Cancelled")
    again = stack.relay("compare", str(export), "--integration", "production", *SINCE)
    assert "Nothing differs" in again.stdout, "of what was never sent, the file in force decides"


def test_a_switch_over_sends_nothing_of_the_shadow_and_everything_after_it(make_stack):
    """In shadow: figures, trace and person say what would be sent. Then only what comes, and what is asked for."""
    stack, past = shadowed(make_stack)

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

    export = stack.folder / "customerio.csv"
    built_in(past, export)
    compared = stack.relay("compare", str(export), "--integration", "production", *SINCE)
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert f"{len(past)} events in both, 0 only here, 0 only at Customer.io" in compared.stdout
    assert "left out, since they are no events of Purchasely's: app_opened 1" in compared.stdout
    differing(stack, past, export)

    put_in_force(stack, LIVE)
    stack.relay("jobs", "abort", job)
    live = [payload("SUBSCRIPTION_RENEWED", user_id=f"user-{n}", event_id=f"live-{n}") for n in range(MORE)]
    assert stack.post(live).status_code == 200
    until(lambda: len(stack.arrived()) == MORE, "what comes after the switch arrives")
    assert {event["attributes"]["event_id"] for event in stack.arrived()} == {f"live-{n}" for n in range(MORE)}

    missing = json.loads(stack.relay("replay", "--integration", "production", "--dry-run", "--json").stdout)["plan"]
    assert (missing["would_send"], missing["shadowed"], missing["already"]) == (0, len(past), MORE)
    asked = stack.relay("replay", "--integration", "production", "--only", "shadowed", "--person", "user-1", "--yes")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    mine = {event["event_id"] for event in past if event["user_id"] == "user-1"}
    assert {event["attributes"]["event_id"] for event in stack.arrived()} == {f"live-{n}" for n in range(MORE)} | mine
    assert stack.relay("resync", "--integration", "production", "--yes").returncode == 0
    assert stack.inspect("people/id/user-0")["attributes"]["plan"]
    assert stack.relay("audit").returncode == 0


def test_the_page_is_true(make_stack):
    """Every command of docs/switching-over.md does what the page says, in its order."""
    stack, past = shadowed(make_stack)
    built_in(past[1:], stack.folder / "customerio.csv")
    (stack.folder / "live.toml").write_text(LIVE.replace("{simulator}", stack.simulator))
    said = {}
    for command in (typed.removeprefix("relay ") for typed in commands("docs/switching-over.md")):
        done = stack.relay(*shlex.split(command), cwd=stack.folder)
        said[command] = done.stdout + done.stderr
        assert done.returncode == command.startswith("compare"), said[command]
    assert "shadow" in said["status"] or "live" in said["status"]
    (gap,) = [text for command, text in said.items() if "--only shadowed" in command and "--yes" in command]
    assert f"is done: delivered {len(past)}" in gap
    assert len(stack.arrived()) == len(past)
    assert stack.inspect("people/id/user-0")["attributes"]["plan"]
    assert "no dead letters" in stack.relay("dead").stdout.lower()
