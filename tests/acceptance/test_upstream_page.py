"""The examples of docs/upstream.md, run as a developer pastes them."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.support.pages import blocks
from tests.support.stack import DEFAULT_INTEGRATION, TOKEN
from tests.support.waiting import until

PAGE = "docs/upstream.md"
FILE = DEFAULT_INTEGRATION.replace("sources.app", "sources.my-app").replace('source = "app"', 'source = "my-app"')


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """A relay with the page's source; its environment for the examples."""
    from tests.support.servers import OwnRedis
    from tests.support.stack import Stack

    folder = tmp_path_factory.mktemp("upstream")
    server = OwnRedis(folder / "redis", {"appendfsync": "everysec"})
    server.start()
    stack = Stack(folder, server.url, FILE)
    stack.env |= {"RELAY_URL": stack.web, "UPSTREAM_TOKEN": TOKEN, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    stack.start()
    yield stack
    stack.stop()
    server.stop()


def run(command, text, stack):
    """What an example printed; it must succeed."""
    done = subprocess.run(
        command, input=text, env=stack.env, capture_output=True, text=True, timeout=60, check=False, cwd=stack.folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_the_curl_examples(door):
    """One event, two as NDJSON, and a request that is wrong: nothing of it is stored."""
    one, many, wrong = blocks(PAGE, "sh")
    assert json.loads(run(["/bin/bash", "-e"], one, door)) == {"accepted": 1, "duplicates": 0}
    assert json.loads(run(["/bin/bash", "-e"], one, door)) == {"accepted": 0, "duplicates": 1}
    assert json.loads(run(["/bin/bash", "-e"], many, door)) == {"accepted": 2, "duplicates": 0}
    refused = json.loads(run(["/bin/bash", "-e"], wrong, door))
    assert refused["status"] == 422
    assert "position 1" in refused["detail"]


def test_the_python_example(door):
    """It stores an event once, however often it sends it."""
    (example,) = blocks(PAGE, "python")
    said = run([sys.executable, "-"], example, door)
    assert said.strip() == "{'accepted': 1, 'duplicates': 0} {'accepted': 0, 'duplicates': 1}"
    until(lambda: any(e["attributes"]["event_id"] == "order-1002-renewed" for e in door.arrived()), "it arrives")


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node here")
def test_the_node_example(door):
    """The same."""
    (example,) = blocks(PAGE, "js")
    said = run(["node", "--input-type=module", "-"], example, door)
    assert said.strip() == "{ accepted: 1, duplicates: 0 } { accepted: 0, duplicates: 1 }"


def test_the_examples_repeat_what_cannot_be_stored(door):
    """While the relay is away both wait and try again, and then it is stored once."""
    door.kill("web")
    (example,) = blocks(PAGE, "python")
    example = example.replace("order-1002", "order-later").replace("min(60, 2**attempt)", "2")
    waiting = subprocess.Popen([sys.executable, "-c", example], env=door.env, stdout=subprocess.PIPE, text=True)
    assert waiting.poll() is None
    door.start("web")
    said, _ = waiting.communicate(timeout=60)
    assert said.strip() == "{'accepted': 1, 'duplicates': 0} {'accepted': 0, 'duplicates': 1}"
