"""The log-in at an OpenID provider, a real one on this machine, which cheats when it is asked to."""

import logging
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc.jwk import RSAKey

from config.settings import Settings
from tests.support import oidcprovider
from tests.support.consoledoor import PUBLIC, Outside, running


@pytest.fixture
def provider():
    with oidcprovider.running() as provider:
        yield provider


def chosen(provider, **more):
    given = {
        "console_login": "oidc",
        "console_url": PUBLIC,
        "console_roles": "ops=operator,boss@example.com=admin",
        "console_oidc_issuer": provider.issuer,
        "console_oidc_client_id": oidcprovider.CLIENT_ID,
        "console_oidc_client_secret": oidcprovider.CLIENT_SECRET,
    }
    return Settings(**given | more)


@pytest.fixture
def console(redis_client, provider):
    with running(chosen(provider), redis_client) as console:
        yield console


def begun(browser, then="/"):
    """The way back that the provider gives the browser after the person said yes: a path of the console."""
    there = browser.get("/login/oidc", params={"next": then})
    assert there.status_code == 303
    back = requests.get(there.headers["Location"], allow_redirects=False, timeout=10).headers["Location"]
    assert back.startswith(f"{PUBLIC}/login/oidc/callback?")
    return back.removeprefix(PUBLIC)


def come_back(browser, path):
    """As a browser does: from the provider's page, with cookies that are Lax alone."""
    return browser.get(path, headers={"Sec-Fetch-Site": "cross-site"})


def test_who_the_provider_knows_is_in(console):
    """By a page of our own, as the cookie would not come along from the provider's; with the role of their group."""
    anna = Outside(console.url)
    assert "/login/oidc?next=/act" in anna.get("/login?next=/act").text
    shown = come_back(anna, begun(anna, "/act"))
    assert (shown.status_code, "0;url=/act" in shown.text) == (200, True)
    assert list(anna.held) == ["__Host-relay"]
    found = anna.get("/").json()
    assert (found["login"], found["role"], found["via"]) == ("anna@example.com", "operator", "oidc")


def test_the_cookie_of_the_way_there_comes_back_from_elsewhere(console):
    """It is Lax, as nothing else is, and for some minutes."""
    cookie = Outside(console.url).get("/login/oidc").headers["Set-Cookie"]
    assert cookie.startswith("__Host-relay-state=gAAAA")
    assert cookie.endswith("HttpOnly; Max-Age=600; Path=/; SameSite=Lax; Secure")


def test_a_public_client_has_pkce_alone(redis_client, provider):
    """No secret, and the provider checks the verifier."""
    provider.secret = ""
    with running(chosen(provider, console_oidc_client_secret=""), redis_client) as console:
        anna = Outside(console.url)
        assert come_back(anna, begun(anna)).status_code == 200


def test_claims_may_be_in_userinfo(console, provider):
    """As some providers have it."""
    provider.claims = {}
    provider.only_userinfo = {"email": "boss@example.com", "groups": "ops"}
    anna = Outside(console.url)
    assert come_back(anna, begun(anna)).status_code == 200
    assert anna.get("/").json()["role"] == "admin"


def test_an_answer_fits_one_browser_once(console):
    """Not another's (somebody else's log-in planted in mine), and not a second time."""
    anna, mallory = Outside(console.url), Outside(console.url)
    back = begun(mallory)
    assert come_back(anna, back).status_code == 400
    other = begun(anna)
    assert come_back(anna, back).status_code == 400
    assert anna.get("/").status_code == 303
    assert come_back(mallory, back).status_code == 200
    assert come_back(mallory, back).status_code == 400
    assert come_back(anna, other).status_code == 400  # its cookie went with the failure


def test_a_code_works_once(console):
    """Though the browser has its cookie still: the provider sees to that."""
    anna = Outside(console.url)
    back = begun(anna)
    held = dict(anna.held)
    assert come_back(anna, back).status_code == 200
    anna.held = held
    assert "code_refused" in come_back(anna, back).text


@pytest.mark.parametrize(
    "cheat",
    [
        {"claims": {"nonce": "another"}},
        {"claims": {"nonce": None}},
        {"claims": {"aud": "another-client"}},
        {"claims": {"aud": [oidcprovider.CLIENT_ID, "another-client"]}},
        {"claims": {"iss": "http://127.0.0.1:1"}},
        {"claims": {"exp": 1_764_000_000}},
        {"claims": {"iat": 4_100_000_000}},
        {"claims": {"email": None}, "discovery": {"userinfo_endpoint": None}},
        {"claims": {"email": "a\nb@example.com"}},
        {"claims": {"email_verified": False}},
        {"claims": {"email_verified": "false"}},
        {"claims": {"email_verified": 0}},
        {"claims": {"iss": None}},
        {"claims": {"aud": None}},
        {"claims": {"email": None}, "userinfo": {"sub": "another", "email": "boss@example.com"}},
        {"sign": "none"},
        {"sign": "secret"},
        {"sign": "other"},
        {"discovery": {"issuer": "http://127.0.0.1:1"}},
    ],
    ids=str,
)
def test_an_answer_that_is_not_right_lets_nobody_in(console, provider, cheat, caplog):
    """Whatever is wrong with it, and without a word of it in the log."""
    anna = Outside(console.url)
    back = begun(anna)
    provider.cheat = cheat
    console.access.provider._known = None
    with caplog.at_level(logging.WARNING, "worker.console"):
        answer = come_back(anna, back)
    assert answer.status_code == 502
    assert "__Host-relay" not in anna.held
    assert console.access.visitors.sessions.list() == []
    assert "console_log_in_failed why=oidc_" in caplog.text
    assert "example.com" not in caplog.text


def test_who_has_no_role_is_not_in(console, provider):
    """And is shown what to ask for."""
    provider.claims["groups"] = ["Ops", 7, None]
    anna = Outside(console.url)
    answer = come_back(anna, begun(anna))
    assert (answer.status_code, "anna@example.com has no role" in answer.text) == (403, True)
    assert anna.held == {}


def test_a_refusal_of_the_provider_is_said(console):
    """As one of the codes of the standard, never as its text."""
    anna = Outside(console.url)
    state = parse_qs(urlsplit(begun(anna)).query)["state"][0]
    answer = come_back(anna, f"/login/oidc/callback?error=access_denied&error_description=<b>evil&state={state}")
    assert (answer.status_code, "access_denied" in answer.text, "evil" in answer.text) == (502, True, False)


def test_endpoints_without_tls_are_refused(console, provider):
    """A code or a secret would go through the network for all to read."""
    provider.cheat = {"discovery": {"token_endpoint": "http://id.example.com/token"}}
    answer = Outside(console.url).get("/login/oidc")
    assert (answer.status_code, "endpoint_without_https" in answer.text) == (502, True)


def test_a_provider_that_is_away_is_said(redis_client, provider):
    """And the console goes on."""
    with running(chosen(provider, console_oidc_issuer="http://127.0.0.1:1"), redis_client) as console:
        answer = Outside(console.url).get("/login/oidc")
        assert (answer.status_code, "unreachable" in answer.text) == (502, True)
        assert Outside(console.url).get("/login").status_code == 200


def test_a_new_key_of_the_provider_is_fetched(console, provider):
    """It changes them now and then; otherwise they are kept."""
    anna, bert = Outside(console.url), Outside(console.url)
    assert come_back(anna, begun(anna)).status_code == 200
    back = begun(bert)
    assert provider.asked.count("/jwks") == 1
    provider.key = RSAKey.generate_key(2048, {"kid": "k2", "use": "sig", "alg": "RS256"})
    assert come_back(bert, back).status_code == 200
    assert provider.asked.count("/jwks") == 2


def test_nobody_is_sent_elsewhere_after_it(console):
    """Whatever the link to the log-in said."""
    anna = Outside(console.url)
    assert "evil" not in come_back(anna, begun(anna, "//evil.example")).text


def test_who_is_not_logged_in_leaves_nothing_in_redis(console):
    """Else anybody could fill the server that holds the events."""
    before = set(console.redis.keys("*"))
    for _ in range(20):
        Outside(console.url).get("/login/oidc")
    assert set(console.redis.keys("*")) - before <= {b"relay:console:key"}


def test_what_the_browser_keeps_cannot_be_made_up(console):
    """Nor is that of another relay worth anything."""
    anna = Outside(console.url)
    back = begun(anna)
    anna.held["__Host-relay-state"] = anna.held["__Host-relay-state"][:-4] + "AAAA"
    assert come_back(anna, back).status_code == 400
    back = begun(anna)
    console.redis.delete("relay:console:key")
    assert come_back(anna, back).status_code == 400
