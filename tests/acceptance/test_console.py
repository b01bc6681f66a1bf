"""The console as its operator runs it: the Procfile's own process, links from a shell, signals."""

import json
import signal

import pytest
import requests

from tests.support.consoledoor import Browser
from tests.support.servers import free_port
from tests.support.waiting import until


@pytest.fixture
def stack(make_stack):
    """A relay of which only the console runs."""
    port = free_port()
    stack = make_stack(RELAY_CONSOLE_LOGIN="link", RELAY_CONSOLE_PORT=str(port))
    stack.console = f"http://127.0.0.1:{port}"
    return stack.start("console")


def answers(stack):
    try:
        return requests.get(f"{stack.console}/healthz", timeout=2).status_code == 200
    except requests.ConnectionError:
        return False


def link(stack, *options):
    """The path of a link that somebody with a shell made."""
    made = json.loads(stack.relay("console", "link", "--json", *options).stdout)
    assert made["url"].startswith(f"{stack.console}/login/link/")
    return made["url"].removeprefix(stack.console)


def test_somebody_with_a_shell_lets_somebody_in(stack):
    """Once; the session outlives the console, which is killed, and ends with a stop in good order."""
    until(lambda: answers(stack), "the console answers")
    browser, path = Browser(stack.console), link(stack, "--role", "operator", "--login", "anna", "--for", "5m")
    assert browser.post(path).status_code == 303
    assert browser.post(path).status_code == 410
    assert browser.get("/").status_code == 200
    stack.kill("console")
    stack.start("console")
    until(lambda: answers(stack), "the console answers again")
    assert browser.get("/").status_code == 200
    actions = stack.relay("actions", "--json").stdout
    assert "anna as operator" in actions
    assert '"log in"' in actions
    process = stack.processes["console"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) in {0, -signal.SIGTERM}
    said = (stack.folder / "console.log").read_text()
    assert path.rpartition("/")[2] not in said
    assert "anna" not in said


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "nobody could log in to the console: set RELAY_CONSOLE_LOGIN=link"),
        ({"RELAY_CONSOLE_LOGIN": "oidc"}, "RELAY_CONSOLE_LOGIN=oidc needs RELAY_CONSOLE_URL"),
        ({"RELAY_CONSOLE_LOGIN": "saml"}, "is no way to log in; there are: link, proxy, oidc"),
        ({"RELAY_CONSOLE_LOGIN": "link", "RELAY_CONSOLE_ROLES": "x"}, "is not GROUP=ROLE"),
    ],
)
def test_without_a_way_in_it_does_not_start(make_stack, settings, says):
    """It says how to get one, and exits 2, so that no service manager starts it again."""
    stack = make_stack(**settings, RELAY_CONSOLE_PORT=str(free_port()))
    done = stack.relay("console")
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
