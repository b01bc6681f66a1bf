"""Who may see the metrics, on which port, and what a web process counts of itself."""

import http.client
import socket
import threading

import pytest
from pydantic import SecretStr

from tests.support.door import make_parts, running
from tests.support.servers import free_port
from worker.errors import OperatorError
from worker.ingest.app import build
from worker.ingest.metrics_port import MetricsPort


def ask(port, path="/metrics", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_answers_are_counted_by_route_and_status(door):
    """A source's name, which anybody may choose, is no label."""
    before = door.ask("GET", "/metrics").body.decode()
    door.webhook({"event_id": "a", "event_name": "E", "user_id": "u"})
    door.post({"event_id": "b", "event_name": "E", "user_id": "u"}, token="wrong")
    door.post({"event_id": "b", "event_name": "E", "user_id": "u"}, source="stranger-7")
    after = door.ask("GET", "/metrics").body.decode()

    def count(text, name):
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    for name, more in [
        ('relay_http_requests_total{route="webhook",status="200"}', 1),
        ('relay_http_requests_total{route="events",status="401"}', 1),
        ('relay_http_requests_total{route="events",status="404"}', 1),
        ('relay_http_request_duration_seconds_count{route="events"}', 2),
    ]:
        assert count(after, name) - count(before, name) == more, name
    assert "stranger" not in after
    assert "process_resident_memory_bytes" in after


@pytest.fixture
def parts(tmp_path, redis_url, environ):
    """A door of one's own, not yet built."""

    def make(**changes):
        return make_parts(tmp_path, redis_url, **changes)

    return make


def test_a_token_guards_the_metrics(parts):
    """Without it nobody sees them, and the answer says how."""
    with running(parts(metrics_token=SecretStr("see-me"))) as door:
        refused = door.ask("GET", "/metrics")
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert door.ask("GET", "/metrics", headers={"Authorization": "Bearer see-you"}).status == 401
        assert door.ask("GET", "/metrics", headers={"Authorization": "Bearer see-me"}).status == 200


def test_a_port_of_their_own(parts):
    """The web door has them no longer; the token is asked for there, too."""
    port = free_port()
    with running(parts(metrics_port=port, metrics_token=SecretStr("see-me"))) as door:
        assert door.ask("GET", "/metrics").status == 404
        assert ask(port)[0] == 401
        status, text = ask(port, Authorization="Bearer see-me")
        assert (status, "relay_exporter 1.0" in text) == (200, True)
        assert ask(port, "/other", Authorization="Bearer see-me")[0] == 404
    with pytest.raises(ConnectionRefusedError):
        ask(port)


def test_a_port_that_is_taken_ends_the_start(parts):
    """With what to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OperatorError, match="RELAY_METRICS_PORT"):
        build(parts(metrics_port=taken.getsockname()[1]))


def test_a_reading_that_hangs_is_one_reading(caplog):
    """Others wait for their turn, and a fault is a 503 without a word of it."""
    gate, readings = threading.Event(), []

    def read():
        readings.append(1)
        gate.wait(10)
        raise ValueError("jeff@example.com")

    port = MetricsPort("127.0.0.1", 0, read, lambda _: True)
    port.start()
    answers = []
    askers = [threading.Thread(target=lambda: answers.append(ask(port.port))) for _ in range(3)]
    try:
        for one in askers:
            one.start()
        gate.set()
        for one in askers:
            one.join(20)
    finally:
        port.stop()
    assert [status for status, _ in answers] == [503] * 3
    assert "jeff" not in str(answers) + caplog.text
