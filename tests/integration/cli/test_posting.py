"""Posting to a door that answers as a test says."""

import hashlib
import hmac
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.waiting import until
from worker.cli.posting import Poster, RefusedError, Sent, route, signing, with_token
from worker.errors import OperatorError

OK = (200, {"Content-Type": "application/json"}, {"accepted": 2, "duplicates": 1})
LATER = (503, {"Retry-After": "7"}, {"title": "Not stored", "detail": "Redis cannot store events just now (memory)"})


class Door(http.server.ThreadingHTTPServer):
    """Answers in turn, the last answer for ever; keeps what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.answers = [OK]
        self.requests = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        answers = self.server.answers
        status, headers, content = answers.pop(0) if len(answers) > 1 else answers[0]
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


@pytest.fixture
def door():
    with Door() as door:
        thread = threading.Thread(target=door.serve_forever, args=(0.01,))
        thread.start()
        yield door
        door.shutdown()
        thread.join()


@pytest.fixture
def slept():
    return []


@pytest.fixture
def told():
    return []


@pytest.fixture
def poster(door, slept, told):
    poster = Poster(route(door.url, "my app", signed=False), with_token("t0ken"), 60, told.append, slept.append)
    yield poster
    poster.close()


def test_a_chunk_is_ndjson_with_the_token(door, poster):
    """One request for many events; the door's counts come back."""
    assert poster.post([b'{"a":1}', b'{"b":2}', b'{"c":3}']) == Sent(3, 2, 1, 1)
    ((path, headers, body),) = door.requests
    assert path == "/v1/events/my%20app"
    assert (headers["Authorization"], headers["Content-Type"]) == ("Bearer t0ken", "application/x-ndjson")
    assert body == b'{"a":1}\n{"b":2}\n{"c":3}'


def test_a_netrc_does_not_replace_the_token(door, poster, tmp_path, monkeypatch):
    """Credentials that lie about for the host stay out of it."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    poster.post([b"{}"])
    assert door.requests[0][1]["Authorization"] == "Bearer t0ken"


def test_a_proxy_of_the_surroundings_does_not_get_the_token(door, slept, monkeypatch):
    """HTTP_PROXY is for what leaves this machine: to loopback the token goes directly."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with Door() as proxy:
        proxy.timeout = 0
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        for host in ("127.0.0.1", "localhost"):
            address = route(door.url.replace("127.0.0.1", host), "app", signed=False)
            direct = Poster(address, with_token("t0ken"), 0, lambda _: None, slept.append)
            assert direct.post([b"{}"]).requests == 1
            direct.close()
        proxy.handle_request()
        assert (len(door.requests), proxy.requests) == (2, [])


def test_later_is_tried_again_as_asked(door, poster, slept, told):
    """A 503 is waited for as long as the door says, and reported."""
    door.answers = [LATER, LATER, OK]
    assert poster.post([b"{}"]).accepted == 2
    assert [wait_s >= 7 for wait_s in slept] == [True, True]
    assert told[0].startswith("503 Not stored: Redis cannot store events just now (memory); trying again for up to")


def test_patience_ends(door, slept):
    """A door that stays away is given up, with its last words."""
    door.answers = [LATER]
    impatient = Poster(route(door.url, "app", signed=False), with_token("t"), 0, lambda _: None, slept.append)
    with pytest.raises(RefusedError, match="503 Not stored"):
        impatient.post([b"{}"])
    impatient.close()
    assert slept == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {}, {"title": "Unauthorized", "detail": "a token is needed"}), "401 Unauthorized: a token is needed"),
        ((422, {}, {"title": "Not an event"}), "422 Not an event"),
        ((404, {}, b"<html>"), "404 Not Found"),
        ((302, {"Location": "http://elsewhere.invalid"}, b""), "302 Found"),
        ((200, {}, b"<html>welcome"), "answers 200, but not as the relay does"),
    ],
)
def test_a_refusal_is_told_and_not_repeated(door, poster, slept, answer, message):
    """What will not get better by itself is not tried again."""
    door.answers = [answer]
    with pytest.raises(RefusedError, match=message):
        poster.post([b"{}"])
    assert slept == []


def test_nobody_at_the_address_is_told_at_once(slept):
    """Before anybody has ever answered, a wrong address is the likelier reason."""
    poster = Poster("http://127.0.0.1:9/v1/events/app", with_token("t"), 60, lambda _: None, slept.append)
    with pytest.raises(OperatorError, match=r"nobody answers at http://127.0.0.1:9"):
        poster.post([b"{}"])
    poster.close()
    assert slept == []


def test_a_certificate_that_is_not_known_is_said(door, tmp_path, monkeypatch):
    """Not that nobody answers; and an authority of one's own is believed on this machine too."""
    authority = Authority(tmp_path, "own")
    door.socket = authority.context("127.0.0.1").wrap_socket(door.socket, server_side=True)

    def post(host):
        poster = Poster(f"https://{host}:{door.server_port}/x", with_token("t"), 60, lambda _: None)
        try:
            return poster.post([b"{}"])
        finally:
            poster.close()

    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(OperatorError, match=r"no authority that is known here has signed it.*REQUESTS_CA_BUNDLE"):
            post(host)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.pem))
    assert post("127.0.0.1").accepted == 2
    with pytest.raises(OperatorError, match="it is of another host"):
        post("localhost")


def test_a_door_that_goes_away_is_waited_for(door, poster, slept, told):
    """Once it has answered, a lost connection is tried again."""
    poster.post([b"{}"])
    answers = iter(["away", "back"])
    poster._session.post = lambda *a, _post=poster._session.post, **k: (
        _post(*a, **k) if next(answers) == "back" else _post("http://127.0.0.1:9", **k)
    )
    assert poster.post([b"{}"]).accepted == 2
    assert (len(slept), told[0].split(";")[0]) == (1, "no connection")


def test_a_signature_is_purchaselys():
    """The public test vector of the webhook contract."""
    headers = signing(b"foobar", lambda: 1698322022.9)(b'{"a_random_key":"a_random_value_ad"}')
    assert headers["X-PURCHASELY-TIMESTAMP"] == "1698322022"
    assert headers["X-PURCHASELY-REQUEST-SIGNATURE"] == (
        "f3c2a452e9ea72f41107321aeaf7999f1054148866a710c9b23f9f501785e2a4"
    )


FILE = """
[sources.app]
webhook_secret = "env:T_SECRET"
tokens = ["env:T_TOKEN"]
"""


@pytest.fixture
def send(door, tmp_path):
    """Runs `relay send`."""
    path = tmp_path / "integrations.toml"
    path.write_text(FILE)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    clean |= {"RELAY_INTEGRATIONS": str(path), "T_SECRET": "signing", "T_TOKEN": "t0ken"}

    def run(*arguments, text, url=door.url, **env):
        where = ["--url", url] if url else []
        command = [sys.executable, "-c", "from worker.cli import main; main()", "send", *where, *arguments]
        return subprocess.run(command, env=clean | env, input=text, capture_output=True, text=True, check=False)

    return run


def test_the_command_sends_what_it_reads(door, send):
    """Standard input to the only source of the file, with its token."""
    done = send("-", text='[{"a": 1}, {"b": 2}, {"c": 3}]')
    assert (done.returncode, done.stdout) == (0, "2 accepted, 1 duplicate, in 1 request\n")
    ((path, headers, _),) = door.requests
    assert (path, headers["Authorization"]) == ("/v1/events/app", "Bearer t0ken")


def test_the_command_signs_single_events(door, send):
    """With --sign it speaks as Purchasely does: one event a request."""
    done = send("-", "--sign", "--json", text='{"a": 1}\n{"b": 2}\n')
    assert json.loads(done.stdout) == {"events": 2, "accepted": 4, "duplicates": 2, "requests": 2}
    for path, headers, body in door.requests:
        assert path == "/webhooks/purchasely/app"
        signed = headers["X-PURCHASELY-TIMESTAMP"].encode() + body
        expected = hmac.new(b"signing", signed, hashlib.sha256).hexdigest()
        assert headers["X-PURCHASELY-REQUEST-SIGNATURE"] == expected


def test_a_service_needs_no_integrations_file(door, send):
    """With a source and a variable for the token, nothing else is read."""
    arguments = ("-", "--source", "other", "--token-env", "MY_TOKEN")
    done = send(*arguments, text="{}", MY_TOKEN="mine", RELAY_INTEGRATIONS="/nowhere")
    assert (done.returncode, door.requests[0][1]["Authorization"]) == (0, "Bearer mine")


def test_without_an_address_it_is_the_door_that_up_opens(door, send):
    """On this machine, on the port that RELAY_PORT names."""
    port = door.url.rpartition(":")[2]
    done = send("-", text="{}", url=None, RELAY_PORT=port)
    assert (done.returncode, len(door.requests)) == (0, 1), done.stderr


def test_a_refusal_is_exit_1(door, send):
    """What was refused is reported on standard error, what was sent on standard output."""
    door.answers = [(401, {}, {"title": "Unauthorized", "detail": "no"})]
    done = send("-", "--json", text="{}")
    assert (done.returncode, json.loads(done.stdout)["events"]) == (1, 0)
    assert done.stderr == "relay: after 0 events: 401 Unauthorized: no\n"


def test_a_line_that_is_no_event_is_named(send):
    """What came before it is sent; the place is named."""
    done = send("-", "--sign", text='{"a": 1}\n{"b": 2}\nnonsense\n{"c": 3}\n')
    assert done.returncode == 1
    assert done.stderr == "relay: <stdin>: line 3 is not JSON; sent before it: 2 events\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "nobody"], "no source is called nobody; there are: app"),
        (["--token-env", "NOT_SET"], "environment variable NOT_SET is not set, or empty"),
        (["--url", "foo"], "foo is no address; --url is like https://relay.example.com"),
        (["--url", "http://[::1"], "http://[::1 is no address; --url is like https://relay.example.com"),
    ],
)
def test_a_wrong_set_up_is_exit_2(send, arguments, message):
    """One line, before anything is sent."""
    done = send("-", *arguments, text="{}")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"relay: {message}\n")


def test_an_example_is_sent_through_the_door(door, send):
    """Marked as a test, of the sandbox, about the person that is named; signed as Purchasely's, if so wanted."""
    done = send("--example", "RENEWAL_DISABLED", "--person", "me@example.com", "--sign", "--json", text="")
    assert done.returncode == 0, done.stderr
    ((path, _, body),) = door.requests
    event = json.loads(body)
    assert path == "/webhooks/purchasely/app"
    assert (event["event_name"], event["environment"], event["relay_test"]) == ("RENEWAL_DISABLED", "SANDBOX", True)
    assert event["customerio_user_email"] == "me@example.com"
    assert json.loads(done.stdout)["event_id"] == event["event_id"]


def test_an_example_is_named_so_that_it_can_be_traced(door, send):
    """Nobody else knows its id: the next command is printed whole."""
    done = send("--example", "ACTIVATE", "--person", "anna", "--sign", text="")
    ((_, _, body),) = door.requests
    assert done.stdout.splitlines()[-1] == f"what becomes of it: relay trace {json.loads(body)['event_id']}"


@pytest.mark.parametrize(
    "arguments",
    [(), ("--example", "ACTIVATE"), ("-", "--example", "ACTIVATE", "--person", "a")],
)
def test_a_file_or_an_example(send, arguments):
    """One of the two, and the example's person."""
    assert send(*arguments, text="{}").returncode == 2


def test_what_is_refused_goes_to_a_file_with_the_reason(door, send, tmp_path):
    """The rest is sent; exit 1."""
    bad = (422, {}, {"title": "Not an event", "detail": "item 2"})
    door.answers = [bad, OK, bad, OK]
    refused = tmp_path / "refused.ndjson"
    ran = send("-", "--refused", str(refused), text='{"a":1}\n{"a":2}\n')
    assert ran.returncode == 1
    assert [body for _, _, body in door.requests] == [b'{"a":1}\n{"a":2}', b'{"a":1}', b'{"a":2}']
    assert json.loads(refused.read_bytes()) == {"reason": "422 Not an event: item 2", "event": {"a": 2}}


def test_lines_that_are_no_event_go_there_too(door, send, tmp_path):
    """What is around them is sent, at once and when it is resumed; without such a file they end it."""
    door.answers = [OK, (401, {}, {"title": "Unauthorized"})]
    file, refused = tmp_path / "mixed.ndjson", tmp_path / "refused.ndjson"
    file.write_bytes(b'{"a":1}\n{oops\n[2]\n{"a":3}\n{"a":4}\n')
    assert send(str(file), "--sign", "--resume", "--refused", str(refused), text="").returncode == 1
    door.answers = [OK, OK]
    assert send(str(file), "--sign", "--resume", "--refused", str(refused), text="").returncode == 0
    assert [body for _, _, body in door.requests] == [b'{"a":1}', b'{"a":3}', b'{"a":3}', b'{"a":4}']
    assert [json.loads(line) for line in refused.read_bytes().splitlines()] == [
        {"reason": "line 2 is not JSON", "line": "{oops"},
        {"reason": "line 3 is no JSON object", "line": "[2]"},
    ]
    assert "line 2 is not JSON" in send(str(file), text="").stderr


def test_a_csv_file_that_is_not_utf_8_or_has_long_rows(door, send, tmp_path):
    """The first says how to convert it; of the second the row goes to the file of what was refused."""
    file, refused = tmp_path / "a.csv", tmp_path / "refused.ndjson"
    file.write_bytes(b"event_name,user_id\nACTIVATE,J\xf6rg\n")
    assert "it is not UTF-8; convert it first: iconv" in send(str(file), "--csv", text="").stderr
    file.write_bytes(b"event_name,user_id\nACTIVATE,a\nACTIVATE,b,c\n")
    assert send(str(file), "--csv", "--refused", str(refused), text="").returncode == 1
    assert json.loads(refused.read_bytes())["reason"] == "line 3 has more cells than the head"
    assert json.loads(door.requests[-1][2]) == {"event_name": "ACTIVATE", "user_id": "a"}


def test_a_resumed_file_goes_on_where_it_ended(door, send, tmp_path):
    """What was answered 200 is not sent again; at the end the note is gone."""
    door.answers = [OK, (401, {}, {"title": "Unauthorized"})]
    file = tmp_path / "long.ndjson"
    file.write_bytes(b'{"a":1}\n{"a":2}\n{"a":3}\n')
    assert send(str(file), "--rate", "1000", "--resume", "--sign", text="").returncode == 1
    door.answers = [OK]
    assert send(str(file), "--resume", "--sign", text="").returncode == 0
    assert [body for _, _, body in door.requests] == [b'{"a":1}', b'{"a":2}', b'{"a":2}', b'{"a":3}']
    assert not (tmp_path / "long.ndjson.sent").exists()


def test_ctrl_c_says_how_far_it_came(door, tmp_path):
    """It was "Aborted!": whoever stops a long file wants to know what is there, and whether to send it again."""
    path = tmp_path / "events.ndjson"
    notes = Path(f"{path}.sent")
    path.write_text('{"a": 1}\n' * 1_000)
    command = [sys.executable, "-c", "from worker.cli import main; main()", "send", str(path), "--url", door.url]
    env = os.environ | {"MY_TOKEN": "mine"}
    more = ["--source", "other", "--token-env", "MY_TOKEN", "--rate", "5", "--resume"]
    with subprocess.Popen([*command, *more], env=env, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: notes.exists() and b"10" in notes.read_bytes(), "two requests; then it waits a second")
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=60)
    assert process.returncode == 1
    sent = re.search(r"relay: stopped after (\d+) events: the same command goes on from there$", message)
    assert json.loads(notes.read_text()) == {"events": int(sent[1])}


def test_a_csv_file_is_events_by_its_column_map(door, send):
    """Empty cells are left out, times are numbers."""
    rows = "type,customer,event_created_at_ms,plan\nRENEWED,u1,1764115200000,\n"
    assert send("-", "--csv", "--map", "type=event_name", "--map", "customer=user_id", text=rows).returncode == 0
    ((_, _, body),) = door.requests
    assert json.loads(body) == {"event_name": "RENEWED", "user_id": "u1", "event_created_at_ms": 1764115200000}
