"""Nobody is needed alone: a worker does for beat, two beats do no harm, and who is missing is said."""

import json
import signal

from tests.support.payloads import payload
from tests.support.waiting import until


def send(stack, *names):
    events = [payload("ACTIVATE", user_id=name) | {"event_id": name} for name in names]
    assert stack.post(events).status_code == 200


def arrived(stack):
    return sorted(event["attributes"]["event_id"] for event in stack.arrived())


def test_without_beat_a_worker_sweeps(make_stack):
    """Wake-ups that were lost are found though there never was a beat; status, readiness and metrics miss it."""
    stack = make_stack().start("simulator", "web")
    send(stack, "a", "b", "c")
    until(lambda: stack.broker.llen("relay"), "wake-ups are queued")
    stack.broker.flushdb()
    stack.start("worker")
    until(lambda: arrived(stack) == ["a", "b", "c"], "all arrive")
    until(lambda: "beat_is_silent round=sweep" in stack.log("worker"), "the log says so")
    missing = until(lambda: stack.http.get(f"{stack.web}/readyz").json()["missing"] == ["beat"], "beat is missing")
    assert missing
    told = json.loads(stack.relay("status", "--json").stdout)["wrong"]
    assert any("no beat process is alive" in one for one in told)
    assert 'relay_processes{role="beat"} 0.0' in stack.http.get(f"{stack.web}/metrics").text


def test_two_beats_and_two_workers_do_no_harm(make_stack):
    """Each event once, and books that balance; sweeps are as frequent as with one."""
    stack = make_stack().start()
    stack.start_as("beat-2", "beat").start_as("worker-2", "worker")
    for number in range(20):
        send(stack, *(f"{number}-{n}" for n in range(10)))
    until(lambda: len(stack.arrived()) == 200, "all arrive")
    until(lambda: stack.account.delivered == 200, "all are settled")
    assert (len(set(arrived(stack))), stack.findings) == (200, [])


def test_probes_say_who_is_alive_here(stack):
    """`relay worker --alive`, `relay beat --alive`: 0 while one is, 1 when none is, whatever Redis does."""
    for role in ("worker", "beat"):
        until(lambda role=role: stack.relay(role, "--alive").returncode == 0, f"{role} is alive")
    stack.server.kill()
    for role in ("worker", "beat"):
        found = stack.relay(role, "--alive")
        assert (found.returncode, found.stdout.split()[0]) == (0, role)
    stack.server.start()
    stack.kill("beat")
    stack.kill("worker", signal.SIGTERM)
    for role in ("worker", "beat"):
        found = stack.relay(role, "--alive")
        assert found.returncode == 1
        assert f"no {role} runs here" in found.stdout
