"""The Procfile's own web process: how it starts, and how it stops."""

import json
import os
import signal
import socket
import threading

import pytest
import redis

from tests.support.door import bearer
from tests.support.servers import free_port
from tests.support.stack import Stack, procfile
from tests.support.waiting import elapse, until


@pytest.fixture
def stack(tmp_path, own_redis):
    """A web process over a server of its own; `stack.server` is that one."""
    server = own_redis()
    made = Stack(tmp_path / "stack", server.url)
    made.server = server
    yield made
    made.stop()


def start(stack, grace_s=600):
    """Start the Procfile's web process; a stop that waits for the end of its grace time fails the test."""
    command = procfile()["web"]
    assert "graceful-shutdown 10" in command
    stack.spawn("web", command.replace("graceful-shutdown 10", f"graceful-shutdown {grace_s}"))
    stack.until_up("web")


def lines(stack):
    return stack.log("web")


def wakes_sent(stack):
    with redis.Redis.from_url(stack.server.url.replace("/0", "/1")) as broker:
        return [json.loads(message)["headers"]["argsrepr"] for message in broker.lrange("relay", 0, -1)]


def test_what_was_accepted_is_answered_and_woken(stack):
    """SIGTERM while Redis is slow: the answer still comes, the wake-ups are in the broker, the log has no traceback."""
    start(stack)
    assert stack.post([{"event_id": f"first-{n}", "user_id": str(n)} for n in range(40)]).status_code == 200
    os.kill(stack.server._process.pid, signal.SIGSTOP)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(stack.post([{"event_id": "x", "user_id": "jeff"}])))
    waiting.start()
    elapse(0.3)
    os.killpg(stack.processes["web"].pid, signal.SIGTERM)
    elapse(0.3)
    os.kill(stack.server._process.pid, signal.SIGCONT)
    waiting.join()
    code = stack.processes["web"].wait(60)
    assert answers[0].status_code == 200
    assert answers[0].headers["connection"] == "close"
    assert code in {0, -signal.SIGTERM}
    assert len(wakes_sent(stack)) == 4
    assert "Traceback" not in lines(stack)


def test_wake_ups_are_sent_before_the_end(stack, own_redis):
    """A slow broker, an answer and a stop at the same moment: whoever was to be woken is."""
    broker = own_redis()
    stack.env["RELAY_BROKER_URL"] = broker.url
    start(stack)
    with redis.Redis.from_url(broker.url) as looking:
        assert stack.webhook({"event_id": "a", "user_id": "jeff"}).status_code == 200
        until(lambda: looking.llen("relay") == 1, "the first wake-up, which loads Celery, is sent")
        looking.client_pause(300)
        assert stack.post([{"event_id": f"b-{n}", "user_id": str(n)} for n in range(40)]).status_code == 200
        assert stack.kill("web", signal.SIGTERM) in {0, -signal.SIGTERM}
        assert looking.llen("relay") == 4


def test_a_broker_that_is_away_does_not_matter_to_the_sender(stack):
    """Events are stored and answered; the stop does not wait for it."""
    stack.env["RELAY_BROKER_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    start(stack)
    for number in range(8):
        assert stack.webhook({"event_id": str(number), "user_id": str(number)}).status_code == 200
    stack.kill("web", signal.SIGTERM)
    assert "Traceback" not in lines(stack)


def test_half_a_request_does_not_hold_up_the_stop_for_ever(stack):
    """A sender that never ends its request is let go at the end of the grace time, with a 503 and no traceback."""
    start(stack, grace_s=1)
    with socket.create_connection(("127.0.0.1", stack.web_port), timeout=30) as one:
        one.sendall(bearer("/v1/events/app", "Content-Length: 10") + b"{")
        elapse(0.2)
        os.killpg(stack.processes["web"].pid, signal.SIGTERM)
        reply = one.recv(65536)
    assert reply.startswith(b"HTTP/1.1 503")
    assert b"retry-after" in reply
    stack.processes["web"].wait(60)
    assert "Traceback" not in lines(stack)


def test_a_wrong_set_up_ends_the_start_with_one_line(stack):
    """Exit code 2, what to change, and no traceback."""
    with redis.Redis.from_url(stack.server.url) as client:
        client.set("relay:shards", 4)
    good = dict(stack.env)
    wrong = {
        "shards": ({"RELAY_SHARDS": "3"}, "set RELAY_SHARDS=4"),
        "setting": ({"RELAY_SHARDS": "many"}, "RELAY_SHARDS"),
        "file": ({"RELAY_INTEGRATIONS": "/nowhere.toml"}, "/nowhere.toml"),
    }
    for name, (changes, _) in wrong.items():
        stack.env = good | changes
        stack.spawn(name, "uvicorn --factory worker.ingest.app:create --port 0")
    for name, (_, message) in wrong.items():
        assert stack.processes[name].wait(30) == 2
        assert message in stack.log(name)
        assert "Traceback" not in stack.log(name)


def test_it_starts_without_its_server(stack):
    """And serves when it comes."""
    stack.server.kill()
    stack.spawn("web", f"uvicorn --factory worker.ingest.app:create --port {stack.web_port} --no-access-log")
    until(lambda: "redis_away" in lines(stack), "it says that Redis is away")

    def status():
        try:
            return stack.http.get(f"{stack.web}/readyz", timeout=5).status_code
        except OSError:
            return 0

    until(lambda: status() == 503, "it listens")
    stack.server.start()
    until(lambda: status() == 200, "it is ready")
    assert "Traceback" not in lines(stack)
