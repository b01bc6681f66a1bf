"""The log-in by a proxy in front, and everybody who would like to be it."""

import logging

import pytest

from config.settings import Settings
from tests.support.consoledoor import PROXY_SECRET, PUBLIC, Outside, running

SECRET = "X-Relay-Proxy-Secret"
ANNA = {"X-Forwarded-Email": "anna@example.com"}
OPS = {**ANNA, SECRET: PROXY_SECRET, "X-Forwarded-Groups": "all, ops"}
CHOSEN = {
    "console_login": "proxy,link",
    "console_url": PUBLIC,
    "console_roles": "ops=operator,boss@example.com=admin",
    "console_proxy_secret": PROXY_SECRET,
}


@pytest.fixture
def console(redis_client):
    with running(Settings(**CHOSEN), redis_client) as console:
        yield console


def test_who_the_proxy_knows_is_in(console):
    """With the role of their group, in one session."""
    anna = Outside(console.url)
    shown = anna.get("/", headers=OPS).json()
    assert (shown["login"], shown["role"], shown["via"]) == ("anna@example.com", "operator", "proxy")
    assert anna.post("/act", headers=OPS, data={"csrf": shown["csrf"]}).status_code == 200
    assert len(console.access.visitors.sessions.list()) == 1


def test_a_role_by_login(console):
    """Cloudflare says no groups."""
    headers = {"X-Forwarded-Email": "Boss@example.com", SECRET: PROXY_SECRET}
    assert Outside(console.url).get("/", headers=headers).json()["role"] == "admin"


@pytest.mark.parametrize(
    "headers",
    [
        ANNA,
        {**ANNA, SECRET: ""},
        {**ANNA, SECRET: PROXY_SECRET[:-1]},
        {**ANNA, SECRET: "Ü" * 30},
        {"X-Forwarded-Groups": "ops"},
        {SECRET: "guess"},
        {**OPS, "X-Forwarded-Email": "anna@example.com, boss@example.com"},
        {**OPS, "X-Forwarded-Email": "a" * 300},
    ],
)
def test_who_is_not_the_proxy_is_refused(console, headers, caplog):
    """With any page, and logged without what they sent."""
    headers = {name: value.encode("latin-1") for name, value in headers.items()}
    with caplog.at_level(logging.WARNING, "worker.console"):
        for path in ("/", "/act", "/login"):
            answer = Outside(console.url).get(path, headers=headers)
            assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False)
    assert "console_log_in_failed why=" in caplog.text
    for secret in ("anna", "boss", PROXY_SECRET[:-1], "guess"):
        assert secret not in caplog.text


def test_a_header_that_comes_twice_is_refused(console):
    """The client's own, which a proxy passes on that adds instead of replacing."""
    import http.client

    lines = [("Host", "console.example.com"), (SECRET, PROXY_SECRET), *ANNA.items()]
    lines += [("X-Forwarded-Groups", "ops"), ("x-forwarded-groups", "nobody")]
    connection = http.client.HTTPConnection("127.0.0.1", int(console.url.rpartition(":")[2]))
    connection.putrequest("GET", "/", skip_host=True)
    for name, value in lines:
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 403
    connection.close()


def test_the_session_alone_is_not_enough(console):
    """Who reaches the console past the proxy has a copy of the cookie at most."""
    anna = Outside(console.url)
    anna.get("/", headers=OPS)
    assert anna.get("/").status_code == 303
    assert anna.get("/", headers={SECRET: PROXY_SECRET}).status_code == 303


def test_the_groups_of_now_count(console):
    """Whoever is taken out of a group may do less with the next request."""
    anna = Outside(console.url)
    token = anna.get("/", headers=OPS).json()["csrf"]
    headers = {**OPS, "X-Forwarded-Groups": "all"}
    answer = anna.post("/act", headers=headers, data={"csrf": token})
    assert (answer.status_code, "has no role here" in answer.text) == (403, True)


def test_another_login_has_another_session(console):
    """Two people at one browser do not share what was shown to one of them."""
    anna = Outside(console.url)
    first = anna.get("/", headers=OPS).json()
    second = anna.get("/", headers={**OPS, "X-Forwarded-Email": "boss@example.com"}).json()
    assert (second["login"], second["role"]) == ("boss@example.com", "admin")
    assert first["csrf"] != second["csrf"]
    assert len(console.access.visitors.sessions.list()) == 1


def test_a_session_that_ended_is_begun_again_by_a_button(console):
    """An ended or idle session does not come back by itself."""
    anna = Outside(console.url)
    anna.get("/", headers=OPS)
    (session,) = console.access.visitors.sessions.list()
    console.access.visitors.sessions.end(session.session_id)
    assert anna.get("/act", headers=OPS).headers["Location"] == "/login?next=/act"
    assert "Continue as anna@example.com" in anna.get("/login?next=/act", headers=OPS).text
    answer = anna.post("/login", headers=OPS, data={"next": "/act"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/act")
    assert anna.get("/", headers=OPS).status_code == 200
    evil = anna.post("/login", headers=OPS, data={"next": "//evil.example"})
    assert evil.headers["Location"] == "/"


def test_no_session_is_begun_by_what_a_page_fetches(console):
    """Only by a person who opens a page."""
    anna = Outside(console.url)
    assert anna.get("/", headers={**OPS, "X-Relay-Live": "1"}).status_code == 401
    assert anna.post("/act", headers=OPS).status_code == 401
    assert console.access.visitors.sessions.list() == []


def test_a_link_works_behind_the_proxy_too(console):
    """For an admin who is in no group."""
    anna = Outside(console.url)
    headers = {**OPS, "X-Forwarded-Groups": "all"}
    assert anna.get("/", headers=headers).status_code == 403
    assert anna.get("/login", headers=headers).status_code == 200
    path = console.link()
    assert anna.get(path, headers=headers).status_code == 200
    assert anna.post(path, headers=headers).status_code == 303
    assert anna.get("/", headers=headers).json()["via"] == "link"
    assert anna.post("/login", headers=headers).headers["Location"] == "/"


def test_without_the_way_the_headers_mean_nothing(redis_client):
    """Whatever they say."""
    with running(Settings(console_login="link", console_url=PUBLIC, console_roles="*=admin"), redis_client) as console:
        assert Outside(console.url).get("/", headers=OPS).status_code == 303


def test_the_proxy_vouches_for_the_address(console):
    """So that one who guesses links does not shut out all others behind the proxy."""
    mallory, anna = Outside(console.url), Outside(console.url)
    behind = {SECRET: PROXY_SECRET}
    answers = [
        mallory.get(f"/login/link/{n}", headers={**behind, "X-Forwarded-For": "1.2.3.4, 203.0.113.9"}).status_code
        for n in range(11)
    ]
    assert (answers[0], answers[-1]) == (410, 429)
    link = console.link()
    assert anna.get(link, headers={**behind, "X-Forwarded-For": "203.0.113.9, 203.0.113.8"}).status_code == 200
    assert anna.get(link, headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 200
