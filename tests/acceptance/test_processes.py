"""`relay web`, `relay worker`, `relay beat`: what a service manager starts, and stops by SIGTERM."""

import json
import signal

from tests.support.stack import Stack
from tests.support.waiting import until


def test_the_processes_as_commands_of_relay(make_stack):
    """They serve as those of the Procfile do, and each ends well when it is asked to.

    uvicorn has done its shutdown when it ends by the signal that asked for it, which service managers count as success.
    """
    stack: Stack = make_stack().start("simulator")
    for name in ("web", "worker", "beat"):
        stack.spawn(name, f"relay {name}")
    stack.until_up("web")
    stack.webhook({"event_name": "ACTIVATE", "event_id": "by-command", "user_id": "ada", "environment": "PRODUCTION"})
    until(lambda: len(stack.arrived()) == 1, "the event arrives")
    for name in ("web", "beat", "worker"):
        stack.processes[name].send_signal(signal.SIGTERM)
        assert stack.processes[name].wait(timeout=60) in {0, -signal.SIGTERM if name == "web" else 0}, name


def test_senders_with_a_wrong_secret_are_seen_by_the_commands(make_stack):
    """By `relay status` and `relay alerts`, with the source, and no word of what was sent."""
    stack: Stack = make_stack().start("web")
    event = {"event_name": "ACTIVATE", "event_id": "e", "user_id": "ada"}
    for _ in range(12):
        assert stack.webhook(event, secret="WR0NG").status_code == 401
    assert stack.http.post(f"{stack.web}/v1/events/N0BODY", json=event, timeout=60).status_code == 404

    def refused():
        return json.loads(stack.relay("status", "--json").stdout)["refused"]

    wanted = [{"source": "app", "status": 401, "requests": 12}, {"source": "", "status": 404, "requests": 1}]
    until(lambda: refused() == wanted, "the web process has handed on what it counted", every_s=0.5)
    said = stack.relay("status").stdout
    assert "app: 12 requests refused within the hour: wrong secret (401) 12" in said
    assert "no source of ours: 1 request refused within the hour: no such source (404) 1" in said
    needs = {item["key"]: item["message"] for item in json.loads(stack.relay("alerts", "--json").stdout)["items"]}
    assert needs["refused:app"] == "12 requests for app had a wrong secret within the hour, and got 401"
    assert not {"WR0NG", "N0BODY"} & set(said.split())
