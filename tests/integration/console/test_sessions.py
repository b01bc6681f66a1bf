"""Sessions and one-time links in a real server."""

import threading

import pytest

from config.roles import Role
from config.settings import Settings
from worker.store.keys import SESSIONS, session_key
from worker.store.links import find_link, link_address, new_link, take_link
from worker.store.sessions import IDLE_MS, LONGEST_MS, Sessions
from worker.store.tokens import digest_of

NOW_S = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions(redis_client, clock):
    return Sessions(redis_client, clock)


def everything(client):
    """Every key and value of the database, as one text."""
    found = b""
    for key in client.keys("*"):
        value = client.get(key) if client.type(key) == b"string" else repr(client.zrange(key, 0, -1)).encode()
        found += key + value
    return found.decode()


def test_a_session_is_found_by_its_token_and_by_nothing_else(sessions):
    """Each log-in has a token of its own."""
    token, session_id = sessions.begin("anna", Role.EDITOR, "link")
    other, _ = sessions.begin("anna", Role.EDITOR, "link")
    assert token != other
    found = sessions.find(digest_of(token))
    assert (found.login, found.role, found.via) == ("anna", Role.EDITOR, "link")
    assert sessions.find(token) is None
    assert sessions.find(session_id + "x") is None


def test_who_reads_redis_cannot_enter(sessions, redis_client):
    """Neither a session's token nor a link's is kept."""
    token, _ = sessions.begin("anna", Role.ADMIN, "link")
    link = new_link(redis_client, Role.ADMIN, "anna", 60)
    assert token not in everything(redis_client)
    assert link not in everything(redis_client)


def test_a_session_ends_when_idle(sessions, redis_client):
    """Every sign of its person gives it half an hour more; a page that refreshes itself does not."""
    _, session_id = sessions.begin("anna", Role.VIEWER, "link")
    key = session_key(session_id)
    redis_client.pexpire(key, 5000)
    assert sessions.find(session_id, seen=False)
    assert redis_client.pttl(key) <= 5000
    assert sessions.find(session_id)
    assert redis_client.pttl(key) > IDLE_MS - 5000
    redis_client.pexpire(key, 0)
    assert sessions.find(session_id) is None


def test_a_session_ends_after_eight_hours(sessions, clock):
    """Whatever its person does."""
    _, session_id = sessions.begin("anna", Role.VIEWER, "link")
    clock.now_s += LONGEST_MS / 1000 - 1
    assert sessions.find(session_id)
    clock.now_s += 1
    assert sessions.find(session_id) is None
    assert sessions.list() == []


def test_an_ended_session_is_out_at_once_and_stays_out(sessions):
    """A request that comes at the same moment does not bring it back."""
    _, session_id = sessions.begin("anna", Role.VIEWER, "link")
    assert sessions.end(session_id)
    assert sessions.find(session_id) is None
    assert sessions.list() == []
    assert not sessions.end(session_id)


def test_the_list_has_who_is_logged_in(sessions, redis_client, clock):
    """Newest first; what has expired is forgotten."""
    _, gone = sessions.begin("old", Role.VIEWER, "oidc")
    clock.now_s += 100
    sessions.begin("anna", Role.VIEWER, "link")
    clock.now_s += 1
    sessions.begin("bert", Role.ADMIN, "proxy")
    redis_client.delete(session_key(gone))
    assert [(one.session.login, one.session.via) for one in sessions.list()] == [("bert", "proxy"), ("anna", "link")]
    assert redis_client.zcard(SESSIONS) == 2


def test_damaged_records_let_nobody_in(sessions, redis_client):
    """Nor do they end the list."""
    _, session_id = sessions.begin("anna", Role.VIEWER, "link")
    redis_client.set(session_key(session_id), b'{"login":"anna","role":"root"}')
    assert sessions.find(session_id) is None
    assert sessions.list() == []


def test_a_link_works_once(redis_client):
    """To look at it does not use it up."""
    token = new_link(redis_client, Role.OPERATOR, "anna", 60)
    assert find_link(redis_client, token) == find_link(redis_client, token)
    link = take_link(redis_client, token)
    assert (link.login, link.role) == ("anna", Role.OPERATOR)
    assert take_link(redis_client, token) is None
    assert find_link(redis_client, token) is None


def test_of_many_who_use_a_link_at_the_same_time_one_gets_in(redis_client):
    """The first; all others find it used."""
    token = new_link(redis_client, Role.ADMIN, "anna", 60)
    barrier, won = threading.Barrier(16), []

    def use():
        barrier.wait()
        won.append(take_link(redis_client, token))

    threads = [threading.Thread(target=use) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in won if one]) == 1


def test_a_link_expires(redis_client):
    """After the time it was made for."""
    token = new_link(redis_client, Role.ADMIN, "anna", 60)
    (key,) = redis_client.keys("relay:console:link:*")
    assert 0 < redis_client.ttl(key) <= 60
    redis_client.pexpire(key, 0)
    assert take_link(redis_client, token) is None


@pytest.mark.parametrize(
    ("chosen", "base"),
    [
        (Settings(), "http://127.0.0.1:8081"),
        (Settings(console_host="0.0.0.0", console_port=9), "http://127.0.0.1:9"),
        (Settings(console_host="::1"), "http://[::1]:8081"),
        (Settings(console_url="https://console.example.com"), "https://console.example.com"),
    ],
)
def test_a_links_address(chosen, base):
    """Where people open the console."""
    assert link_address(chosen, "t0ken") == f"{base}/login/link/t0ken"
