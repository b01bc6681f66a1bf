"""Ways to log in: what each needs, and what is said when it is not there."""

import pytest

from config.settings import Settings
from tests.support.pages import blocks
from worker.console.access.ways import ways
from worker.errors import OperatorError

PUBLIC = {"console_url": "https://console.example.com", "console_roles": "*=viewer"}
PROXY = {**PUBLIC, "console_login": "proxy", "console_proxy_secret": "s" * 16}
OIDC = {
    **PUBLIC,
    "console_login": "oidc",
    "console_oidc_issuer": "https://id.example.com",
    "console_oidc_client_id": "relay",
}


def test_the_ways_that_are_on():
    """In the order they were written."""
    assert ways(Settings(console_login="link")) == ("link",)
    assert ways(Settings(**{**OIDC, **PROXY, "console_login": "oidc, proxy,link,"})) == ("oidc", "proxy", "link")


def test_without_a_way_it_does_not_start():
    """And says how to get one."""
    with pytest.raises(OperatorError, match=r"RELAY_CONSOLE_LOGIN=link .*relay console link.*docs/console\.md"):
        ways(Settings())


@pytest.mark.parametrize(
    ("given", "lacks"),
    [
        ({**PROXY, "console_url": ""}, "RELAY_CONSOLE_LOGIN=proxy needs RELAY_CONSOLE_URL"),
        ({**PROXY, "console_roles": ""}, "needs RELAY_CONSOLE_ROLES"),
        ({**PROXY, "console_proxy_secret": "s" * 15}, r"needs RELAY_CONSOLE_PROXY_SECRET \(16 characters"),
        ({**OIDC, "console_oidc_issuer": ""}, "needs RELAY_CONSOLE_OIDC_ISSUER"),
        ({**OIDC, "console_oidc_issuer": "http://id.example.com"}, r"RELAY_CONSOLE_OIDC_ISSUER \(https\)"),
        (
            {**OIDC, "console_oidc_client_id": "", "console_url": ""},
            "RELAY_CONSOLE_URL .* and RELAY_CONSOLE_OIDC_CLIENT",
        ),
        ({"console_login": "link", "console_url": "http://console.example.com"}, "is not https"),
    ],
)
def test_a_way_that_lacks_something_does_not_start(given, lacks):
    """Each thing is named."""
    with pytest.raises(OperatorError, match=lacks) as caught:
        ways(Settings(**given))
    assert "sss" not in str(caught.value)


@pytest.mark.parametrize(("block", "way"), [*zip(blocks("docs/console.md", "ini"), ["proxy", "oidc"], strict=True)])
def test_the_settings_of_the_page_are_a_way(block, way):
    """Each block of docs/console.md is whole, and is read alike by whatever reads environment files."""
    lines = [line for line in block.splitlines() if not line.startswith("#")]
    pairs = dict(line.split("=", 1) for line in lines)
    assert not any(character in value for value in pairs.values() for character in " #\"'")
    given = {name.removeprefix("RELAY_").lower(): value.replace("…", "s" * 16) for name, value in pairs.items()}
    assert set(given) <= set(Settings.model_fields)
    assert ways(Settings(**given)) == (way,)


def test_a_local_provider_may_do_without_tls():
    """To try it."""
    assert ways(Settings(**{**OIDC, "console_oidc_issuer": "http://127.0.0.1:9000"})) == ("oidc",)
