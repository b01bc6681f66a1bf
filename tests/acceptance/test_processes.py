"""`relay web`, `relay worker`, `relay beat`: what a service manager starts, and stops by SIGTERM."""

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
        assert stack.processes[name].wait(timeout=30) in {0, -signal.SIGTERM if name == "web" else 0}, name
