"""Where a request came to and from, and where it may be sent on to."""

import pytest
from falcon import testing
from falcon.asgi import Request

from config.settings import Settings
from worker.console.access.places import Place, Places, is_own, local_path

PUBLIC = Settings(console_url="https://console.example.com")
HERE = Place("https://console.example.com", is_https=True)


def request(**headers: str) -> Request:
    """A request with these headers; `_` in a name is `-`."""
    scope = testing.create_scope()
    scope["headers"] = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
    return Request(scope, testing.ASGIRequestEventEmitter())


def test_the_public_address_is_a_place():
    """By its name, whatever the case."""
    assert Places(PUBLIC).of(request(Host="Console.example.com")) == HERE


def test_a_port_that_goes_without_saying_is_not_said():
    """Browsers leave it out of `Host` and `Origin`."""
    assert Places(Settings(console_url="https://console.example.com:443")).of(request(Host=HERE.origin[8:])) == HERE


@pytest.mark.parametrize("host", ["127.0.0.1:8081", "localhost:8081", "[::1]:8081"])
@pytest.mark.parametrize("chosen", [Settings(), PUBLIC], ids=["local", "public"])
def test_a_local_name_is_a_place(host, chosen):
    """A tunnel to the machine ends there."""
    assert Places(chosen).of(request(Host=host)) == Place(f"http://{host}", is_https=False)


@pytest.mark.parametrize("host", ["evil.example", "console.example.com.evil.example", "10.0.0.1:8081", "[", ""])
def test_any_other_name_is_none(host):
    """A name that was made to resolve to this machine (DNS rebinding) does not serve the console's pages."""
    assert Places(PUBLIC).of(request(Host=host)) is None


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"Sec_Fetch_Site": "same-origin", "Origin": "null"}, True),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "https://console.example.com"}, True),
        ({"Origin": "https://console.example.com"}, True),
        ({"Sec_Fetch_Site": "cross-site", "Origin": "https://console.example.com"}, False),
        ({"Sec_Fetch_Site": "same-site"}, False),
        ({"Sec_Fetch_Site": "none"}, False),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://console.example.com"}, False),
        ({}, False),
    ],
)
def test_only_pages_of_the_console_change_something(headers, own):
    """A form of another site, a sandboxed frame and a request that says nothing of itself are refused."""
    assert is_own(request(**headers), HERE) is own


@pytest.mark.parametrize(
    "asked",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "\\/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/ /evil",
        "/\r\nSet-Cookie: a=b",
        "/löschen",
        "",
        "/login?next=/login",
        "/logout",
    ],
)
def test_nobody_is_sent_elsewhere_after_the_log_in(asked):
    """Only an address within the console is gone on to (open redirects)."""
    assert local_path(asked) == "/"


@pytest.mark.parametrize("asked", ["/", "/integrations/production?tab=events", "/logs", "/people?id=a%2Fb"])
def test_the_page_that_was_asked_for_comes_after_the_log_in(asked):
    """A link to a page still leads there."""
    assert local_path(asked) == asked
