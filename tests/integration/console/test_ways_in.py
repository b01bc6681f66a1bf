"""Ways into the console, attacked: a link by many at once, headers of a proxy in disguise, addresses that lead away."""

import http.client
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from config.roles import Role
from config.settings import Settings
from tests.support.consoledoor import HOST, PROXY_SECRET, PUBLIC, Outside, running
from worker.console.access.pace import FAILURES_OF_ONE
from worker.store.keys import link_key
from worker.store.tokens import digest_of

LINKS = {"console_login": "link"}
PROXY = {
    "console_login": "proxy",
    "console_url": PUBLIC,
    "console_roles": "*=admin",
    "console_proxy_secret": PROXY_SECRET,
}


@pytest.fixture
def console(redis_client):
    with running(Settings(**LINKS), redis_client) as console:
        yield console


def test_of_many_who_press_at_once_one_is_in(console):
    """By two processes that share nothing but Redis."""
    path = console.link(Role.ADMIN)
    with running(Settings(**LINKS), console.redis) as other, ThreadPoolExecutor(16) as pool:
        browsers = [one.browser() for one in (console, other) for _ in range(FAILURES_OF_ONE - 1)]
        codes = list(pool.map(lambda browser: browser.post(path).status_code, browsers))
    assert sorted(codes) == [303, *[410] * (len(codes) - 1)]
    assert len(console.access.visitors.sessions.list()) == 1


def test_a_link_that_is_over_or_made_up_lets_nobody_in(console):
    """Its time is up; a part of it, another case, something behind it; and a look does not use it up."""
    path = console.link()
    token = path.rpartition("/")[2]
    guesses = [token[:-1], token.swapcase(), f"{token}x", f"{token}%00", f"%2e%2e/{token}", digest_of(token)]
    for guess in guesses:
        assert console.browser().post(f"/login/link/{guess}").status_code in {404, 410}, guess
    assert console.browser().head(path).status_code in {200, 405}
    console.redis.pexpire(link_key(digest_of(token)), 0)
    assert console.browser().post(path).status_code == 410
    assert console.access.visitors.sessions.list() == []


def test_a_link_gives_the_role_that_it_was_made_for(console):
    """Whatever the form, the address or a header says."""
    anna = console.browser()
    wish = {"role": "admin", "login": "root"}
    answer = anna.post(f"{console.link(Role.VIEWER)}?role=admin", data=wish, headers={"X-Role": "admin"})
    assert answer.status_code == 303
    assert anna.get("/").json() | {"csrf": ""} == {"login": "anna", "role": "viewer", "via": "link", "csrf": ""}


def test_guesses_are_bounded_in_each_process(redis_client):
    """So many of one address in each: who does not know a link leaves nothing in Redis, not even a count."""
    with running(Settings(**LINKS), redis_client) as one, running(Settings(**LINKS), redis_client) as other:
        before = set(redis_client.keys("*"))
        for console in (one, other):
            guesses = [console.browser().post(f"/login/link/x{n}").status_code for n in range(FAILURES_OF_ONE + 3)]
            assert guesses == [410] * FAILURES_OF_ONE + [429] * 3
        assert set(redis_client.keys("*")) == before


def ask(console, headers, path="/"):
    """The status of a request with exactly these header lines."""
    connection = http.client.HTTPConnection("127.0.0.1", int(console.url.rpartition(":")[2]), timeout=10)
    connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
    for name, value in [("Host", HOST), *headers]:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.getheader("Set-Cookie")


SECRET, EMAIL, GROUPS = "X-Relay-Proxy-Secret", "X-Forwarded-Email", "X-Forwarded-Groups"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(SECRET, PROXY_SECRET), (EMAIL, "boss@example.com")], 200),
        ([(SECRET.lower(), PROXY_SECRET), (EMAIL.upper(), "boss@example.com")], 200),  # names have no case
        ([(EMAIL.lower(), "boss@example.com")], 403),
        ([(EMAIL, "")], 403),
        # what some servers make the same header of is another one
        ([(EMAIL.replace("-", "_"), "boss@example.com")], 303),
        ([(SECRET.replace("-", "_"), PROXY_SECRET), (EMAIL, "boss@example.com")], 403),
        ([(SECRET, PROXY_SECRET), (EMAIL.replace("-", "_"), "boss@example.com")], 303),
        ([(SECRET, PROXY_SECRET), (SECRET, PROXY_SECRET), (EMAIL, "boss@example.com")], 403),
        ([(SECRET, "wrong"), (SECRET, PROXY_SECRET), (EMAIL, "boss@example.com")], 403),
        ([(SECRET, PROXY_SECRET), (EMAIL, "anna@example.com"), (EMAIL.lower(), "boss@example.com")], 403),
        ([(SECRET, PROXY_SECRET), (EMAIL, "boss@example.com"), (GROUPS, "a"), (GROUPS, "b")], 403),
        ([(SECRET, PROXY_SECRET.upper()), (EMAIL, "boss@example.com")], 403),
        ([(SECRET, f"{PROXY_SECRET}\t"), (EMAIL, "boss@example.com")], 403),
        ([(SECRET, f"{PROXY_SECRET}, {PROXY_SECRET}"), (EMAIL, "boss@example.com")], 403),
    ],
)
def test_a_proxys_headers_in_disguise(redis_client, headers, status):
    """Only the very headers count, each once; who is refused is given no session."""
    with running(Settings(**PROXY), redis_client) as console:
        found, cookie = ask(console, headers)
        assert (found, cookie is not None) == (status, status == 200)


LEADING_AWAY = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%5cevil.example",
    "/%2fevil.example",
    "/.//evil.example",
    "/;//evil.example",
    "http:evil.example",
    "https:///evil.example",
    "/\t/evil.example",
    " //evil.example",
    "/%09/evil.example",
    "/\r\nLocation: https://evil.example",
    "/%0d%0aSet-Cookie:%20relay-local=planted",
    "/@evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "\u2044\u2044evil.example",
    "/login/link/x",
    "/logout",
]


@pytest.mark.parametrize("then", LEADING_AWAY)
def test_no_way_in_leads_away(console, redis_client, then):
    """Nor plants a header: neither for who is logged in, nor on the page of the log-in, nor from elsewhere."""
    anna = console.browser(Role.VIEWER)
    answer = anna.get("/login", params={"next": then})
    leads = urlsplit(urljoin(f"{console.url}/login", answer.headers["Location"]))
    assert (answer.status_code, f"{leads.scheme}://{leads.netloc}") == (303, console.url)
    assert "Set-Cookie" not in answer.headers
    assert not {"\r", "\n"} & set(answer.headers["Location"])
    with running(Settings(**PROXY), redis_client) as behind:
        vouched = {SECRET: PROXY_SECRET, EMAIL: "boss@example.com"}
        posted = Outside(behind.url).post("/login", data={"next": then}, headers=vouched)
        leads = urlsplit(urljoin(f"{PUBLIC}/login", posted.headers["Location"]))
        assert f"{leads.scheme}://{leads.netloc}" == PUBLIC
    shown = console.browser().get("/login", params={"next": then}).text
    assert "evil.example" not in unquote(shown) or "/login?next=" not in shown
