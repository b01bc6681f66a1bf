"""The guard of the console, attacked from outside."""

import html
import re

import pytest
import redis

from config.roles import Role
from config.settings import Settings
from tests.support.consoledoor import HOST, PUBLIC, Browser, Outside, Page, running
from worker.console.access.guard import CSP, ClosedApp
from worker.console.access.pace import FAILURES_OF_ONE
from worker.console.access.roles import Permission
from worker.store import connect
from worker.store.actions import Actions
from worker.store.address import read_address

LINKS = {"console_login": "link"}


@pytest.fixture
def console(redis_client):
    with running(Settings(**LINKS), redis_client) as console:
        yield console


@pytest.fixture
def public(redis_client):
    with running(Settings(**LINKS, console_url=PUBLIC), redis_client) as console:
        yield console


def location(answer):
    assert answer.status_code == 303
    return answer.headers["Location"]


def test_nothing_is_shown_to_who_is_not_logged_in(console):
    """Pages lead to the log-in and then back; what a page fetches says that the session is over."""
    nobody = console.browser()
    assert location(nobody.get("/")) == "/login"
    assert location(nobody.get("/people/a%22b?tab=x%20y")) == "/login?next=/people/a%2522b%3Ftab%3Dx%2520y"
    assert nobody.get("/act", headers={"HX-Request": "true"}).status_code == 401
    assert nobody.get("/act", headers={"Accept": "text/event-stream"}).status_code == 401
    assert nobody.post("/act").status_code == 401


def test_a_link_lets_in_once_and_says_who(console):
    """The first look does not use it up, as a preview in a chat would; who came in is in the actions."""
    path, anna = console.link(Role.EDITOR), console.browser()
    for _ in range(2):
        shown = anna.get(path)
        assert (shown.status_code, "Log in as anna" in shown.text) == (200, True)
        assert "Set-Cookie" not in shown.headers
    assert location(anna.post(path)) == "/"
    assert anna.get("/").json() | {"csrf": ""} == {"login": "anna", "role": "editor", "via": "link", "csrf": ""}
    other = console.browser()
    assert other.post(path).status_code == 410
    assert other.get(path).status_code == 410
    (action,) = Actions(console.redis).newest(0, 9)
    assert (action.by, action.what, action.result) == ("anna", "log in", "editor by link")


def test_the_cookie_is_for_this_host_alone(public):
    """Over https it is `__Host-`, Secure, HttpOnly and Strict; only a local name has one without Secure."""
    cookie = Outside(public.url).post(public.link()).headers["Set-Cookie"]
    assert re.fullmatch(r"__Host-relay=[\w-]{43}; HttpOnly; Path=/; SameSite=Strict; Secure", cookie)
    cookie = Browser(public.url).post(public.link()).headers["Set-Cookie"]
    assert re.fullmatch(r"relay-local=[\w-]{43}; HttpOnly; Path=/; SameSite=Strict", cookie)


def test_a_cookie_of_the_local_name_is_worth_nothing_at_the_public_address(public):
    """Another site of the same domain can set a cookie without `__Host-`, and none with it."""
    anna = Outside(public.url)
    assert anna.post(public.link()).status_code == 303
    (token,) = anna.held.values()
    anna.held = {"relay-local": token, "relay": token}
    assert location(anna.get("/")) == "/login"
    anna.held = {"__Host-relay": token}
    assert anna.get("/").status_code == 200


def test_two_cookies_of_one_name_are_none(public):
    """One of them is somebody else's."""
    anna = Outside(public.url)
    anna.post(public.link())
    (token,) = anna.held.values()
    double = {"Cookie": f"__Host-relay={token}; __Host-relay=evil"}
    anna.held = {}
    assert location(anna.get("/", headers=double)) == "/login"


@pytest.mark.parametrize("host", ["evil.example", f"{HOST}.evil.example", "10.0.0.1"])
def test_another_name_that_leads_here_is_refused(console, host):
    """DNS rebinding: the page of a stranger whose name was made to mean this machine."""
    anna = console.browser(Role.ADMIN)
    assert anna.get("/", headers={"Host": host}).status_code == 421
    assert anna.post(console.link(), headers={"Host": host}).status_code == 421
    assert anna.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example.com"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": None, "Origin": "null"},
        {"Sec-Fetch-Site": None, "Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": None},
    ],
)
def test_another_sites_form_changes_nothing(console, headers):
    """Though the browser sends the cookie, and though it had the token."""
    anna = console.browser(Role.OPERATOR)
    token = anna.csrf()
    assert anna.post("/act", data={"csrf": token}, headers=headers).status_code == 403
    assert anna.post("/act", data={"csrf": token}).json() == {"done": "anna"}
    assert console.browser().post(console.link(), headers=headers).status_code == 403  # nor logs anybody in


def test_a_form_without_the_token_of_its_session_changes_nothing(console):
    """None, an empty one, a wrong one, another session's, and that of the session before."""
    anna, bert = console.browser(Role.OPERATOR), console.browser(Role.OPERATOR)
    before = anna.csrf()
    assert anna.post(console.link()).status_code == 303
    for fields in ({}, {"csrf": ""}, {"csrf": "x" * 64}, {"csrf": bert.csrf()}, {"csrf": before}):
        assert anna.post("/act", data=fields).status_code == 403
    assert anna.post("/act", headers={"X-CSRF-Token": ""}, data={"csrf": anna.csrf()}).status_code == 403
    assert anna.post("/act", headers={"X-CSRF-Token": anna.csrf()}).status_code == 200


def inside(answer):
    """Where the form of a page leads, and its hidden fields."""
    (place,) = re.findall(r'<form method="post" action="([^"]+)">', answer.text)
    return place, [
        (name, html.unescape(value)) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', answer.text)
    ]


def test_what_was_entered_outlives_the_session(console):
    """A form that was open for too long was lost with all that was typed: it is sent again after the log-in."""
    anna = console.browser(Role.OPERATOR)
    typed = [("name", 'Ren<e>"wed'), ("tag", "a"), ("tag", "b"), ("empty", "")]
    token = anna.csrf()
    anna.post("/logout", data={"csrf": token})
    for _ in range(2):  # pressed too early, it is there still
        refused = anna.post("/act?x=1", data=[*typed, ("csrf", token)])
        assert refused.status_code == 401
        assert inside(refused) == ("/act?x=1", typed)
    assert anna.post(console.link()).status_code == 303
    place, fields = inside(refused)
    asked = anna.post(place, data=fields)
    assert (asked.status_code, asked.headers["Cache-Control"]) == (403, "no-store")
    place, fields = inside(asked)
    assert fields[:-1] == typed
    assert anna.post(place, data=fields).json() == {"done": "anna"}


def test_a_stranger_gets_no_large_form_back(console):
    """Nor anything that is no form."""
    stranger = console.browser()
    for body in ({"data": {"x": "y" * 200_000}}, {"json": {"x": "y"}}, {}):
        answer = stranger.post("/act", **body)
        assert (answer.status_code, "<form" in answer.text) == (401, False)


def test_nothing_is_changed_by_a_get(console):
    """Nor by any method but POST."""
    anna = console.browser(Role.ADMIN)
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        assert anna.request(method, "/act", headers={"X-CSRF-Token": anna.csrf()}).status_code == 405
    assert anna.get("/logout").status_code == 405
    assert anna.post("/people/x", headers={"X-CSRF-Token": anna.csrf()}).status_code == 405


@pytest.mark.parametrize(
    ("role", "status"), [(Role.VIEWER, 403), (Role.EDITOR, 403), (Role.OPERATOR, 200), (Role.ADMIN, 200)]
)
def test_a_role_does_what_it_may(console, role, status):
    """And the answer says what it lacks."""
    anna = console.browser(role)
    answer = anna.post("/act", data={"csrf": anna.csrf()})
    assert answer.status_code == status
    assert status == 200 or f"the role {role}" in answer.text


def test_the_session_is_new_at_each_log_in(console):
    """A cookie that somebody put into the browser before is worth nothing after (session fixation)."""
    mallory = console.browser(Role.VIEWER)
    planted = mallory.cookies["relay-local"]
    anna = console.browser()
    anna.cookies.set("relay-local", planted, domain="127.0.0.1", path="/")
    anna.post(console.link(Role.ADMIN))
    assert anna.cookies.get("relay-local", domain="127.0.0.1") != planted
    assert location(mallory.get("/")) == "/login"
    made_up = console.browser()
    made_up.cookies.set("relay-local", "x" * 43, domain="127.0.0.1", path="/")
    assert location(made_up.get("/")) == "/login"


def test_who_logs_out_is_out(console):
    """Also with a copy of the cookie."""
    anna = console.browser(Role.VIEWER)
    token, copy = anna.csrf(), dict(anna.cookies)
    assert anna.post("/logout").status_code == 403
    assert anna.post("/logout", data={"csrf": token}).status_code == 200
    assert dict(anna.cookies) == {}
    assert location(console.browser().get("/", cookies=copy)) == "/login"


def test_an_ended_session_is_out_at_once(console):
    """An admin sees who is in, and ends it; that is in the actions."""
    anna, admin = console.browser(Role.OPERATOR), console.browser(Role.ADMIN)
    visitors = console.access.visitors
    newest, oldest = visitors.sessions.list()
    assert (newest.session.role, oldest.session.role) == (Role.ADMIN, Role.OPERATOR)
    viewer = type("V", (), {"login": "admin"})
    assert visitors.end(viewer, oldest.session_id)
    assert location(anna.get("/")) == "/login"
    assert admin.get("/").status_code == 200
    assert Actions(console.redis).newest(0, 1)[0].what == "end session"


def test_guesses_are_slowed_down(console):
    """From one address; who is logged in works on, and a good link works again later."""
    anna, mallory = console.browser(Role.VIEWER), console.browser()
    good = console.link()
    answers = [mallory.post(f"/login/link/guess-{n}").status_code for n in range(FAILURES_OF_ONE + 2)]
    assert answers == [410] * FAILURES_OF_ONE + [429, 429]
    refused = mallory.post(good)
    assert (refused.status_code, 0 < int(refused.headers["Retry-After"]) <= 300) == (429, True)
    assert anna.get("/").status_code == 200
    console.access.pace.__init__()
    assert mallory.post(good).status_code == 303


@pytest.mark.parametrize("path", ["/", "/act", "/healthz", "/login", "/login/link/x", "/nowhere", "/%00", "/logout"])
@pytest.mark.parametrize("role", [None, Role.ADMIN])
def test_every_answer_has_the_headers(public, path, role):
    """No script of another site, no frame, no guess of types, no referrer, nothing kept (clickjacking, caches)."""
    anna = Outside(public.url)
    if role:
        anna.post(public.link(role))
    headers = anna.get(path).headers
    assert headers["Content-Security-Policy"] == CSP
    assert "unsafe" not in CSP
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cache-Control"] == ("public, max-age=60" if path == "/healthz" else "no-store")
    assert headers["Strict-Transport-Security"].startswith("max-age=")


def test_a_local_name_is_not_made_https_for_ever(console):
    """HSTS there would break every other service of the machine."""
    assert "Strict-Transport-Security" not in console.browser().get("/login").headers


@pytest.mark.parametrize(
    "then", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_elsewhere(console, then):
    """Neither by the log-in page nor by a page that is opened from elsewhere (open redirects)."""
    nobody, anna = console.browser(), console.browser(Role.VIEWER)
    assert location(anna.get("/login", params={"next": then})) == "/"
    assert "evil" not in nobody.get("/login", params={"next": then}).text
    shown = nobody.get("//evil.example/", headers={"Sec-Fetch-Site": "cross-site"})
    assert "evil" not in shown.text


def test_a_link_to_a_page_works_for_who_is_logged_in(console):
    """A browser keeps a Strict cookie back when it comes from elsewhere: a page of our own leads on."""
    stranger = console.browser()
    shown = stranger.get("/people/a%22b?x=%3Cscript%3E", headers={"Sec-Fetch-Site": "cross-site"})
    assert shown.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/people/a%22b?x=%3Cscript%3E">' in shown.text


def test_pages_of_the_log_in_escape_what_they_show(console):
    """A login may be anything."""
    shown = console.browser().get(console.link(login="<script>alert(1)</script>"))
    assert "<script>" not in shown.text
    assert "&lt;script&gt;" in shown.text


def test_a_page_that_refreshes_itself_does_not_keep_the_session_open(console):
    """Only what a person does is a sign of them."""
    anna = console.browser(Role.VIEWER)
    (key,) = console.redis.keys("relay:console:session:*")
    for headers in ({"X-Relay-Live": "1"}, {"Accept": "text/event-stream"}):
        console.redis.pexpire(key, 60_000)
        assert anna.get("/", headers=headers).status_code == 200
        assert console.redis.pttl(key) <= 60_000
    assert anna.get("/").status_code == 200
    assert console.redis.pttl(key) > 60_000


def test_large_and_foreign_forms_are_refused(console):
    """Without being kept in memory."""
    anna = console.browser(Role.OPERATOR)
    assert anna.post("/act", data=b"x" * 2_000_001).status_code == 413
    assert anna.post("/act", data=iter([b"x" * 1_000_000] * 3)).status_code == 413
    assert anna.post("/act", json={"csrf": anna.csrf()}).status_code == 415


def test_pages_are_seen_while_redis_is_away(own_redis):
    """By who was logged in; nothing is changed, nobody gets in, and after it all is as before."""
    server = own_redis()
    client = connect.open_once(read_address(server.url, "RELAY_REDIS_URL"), 2.0)
    with running(Settings(**LINKS), client) as console:
        anna, stranger = console.browser(Role.OPERATOR), console.browser()
        token, link = anna.csrf(), console.link()
        stranger.cookies.set("relay-local", "x" * 43, domain="127.0.0.1", path="/")
        server.kill()
        assert anna.get("/").json()["login"] == "anna"
        assert anna.post("/act", data={"csrf": token}).status_code == 503
        assert stranger.get("/").status_code == 503
        assert console.browser().post(link).status_code == 503
        server.start()
        assert anna.post("/act", data={"csrf": token}).status_code == 200
        assert console.browser().post(link).status_code == 303
    client.close()


def test_a_session_that_ends_is_not_remembered(console):
    """What is kept for the time that Redis is away does not let in who was logged out before."""
    anna = console.browser(Role.OPERATOR)
    copy = dict(anna.cookies)
    anna.post("/logout", data={"csrf": anna.csrf()})
    console.access.visitors.sessions._redis = redis.Redis(port=1)
    assert console.browser().get("/", cookies=copy).status_code == 503


class Silent:
    """A resource that does not say who may use it."""

    async def on_get(self, req, resp):
        """Nothing."""


class Empty(Page):
    """A resource that Falcon takes for none."""

    def __len__(self):
        return 0


def test_a_route_that_says_nothing_does_not_start():
    """Nor one that goes past the guard."""
    app = ClosedApp(middleware=[])
    with pytest.raises(TypeError, match="does not say who may use it"):
        app.add_route("/x", Silent())
    with pytest.raises(TypeError, match="does not say who may use it"):
        app.add_route("/x", Page())
    with pytest.raises(TypeError, match="the guard does not see"):
        app.add_route("/x", Empty(GET=Permission.LOOK))
    with pytest.raises(TypeError, match="sinks"):
        app.add_sink(print, "/")
    with pytest.raises(TypeError, match="static"):
        app.add_static_route("/s", "/tmp")
