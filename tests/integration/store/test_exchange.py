"""Commands and their replies on a real connection, with something done in between."""

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.store.exchange import Exchange


@pytest.fixture
def client(redis_url):
    """A client that tries once more on a new connection, as the relay's does."""
    with redis.Redis.from_url(redis_url, protocol=2, retry=Retry(NoBackoff(), 2)) as made:
        yield made


def test_replies_come_in_order_errors_among_them(client):
    """One that fails says so in its place, and the others are not lost."""
    first, second, third = Exchange(client)([("SET", "a", "1"), ("INCR", "no such", "arguments"), ("GET", "a")])
    assert (first, third) == (b"OK", b"1")
    assert isinstance(second, redis.ResponseError)


def test_what_is_asked_meanwhile_is_answered_last(client, redis_client):
    """It is asked when the others have been sent, and sees what they did."""
    seen = []

    def meanwhile():
        seen.append(redis_client.ping())
        return [("MGET", "a", "b")]

    assert Exchange(client)([("SET", "a", "1")], meanwhile) == [b"OK", [b"1", None]]
    assert seen == [True]


def test_a_connection_that_breaks_meanwhile_costs_only_what_was_asked_then(client, redis_client):
    """The commands are sent again, on another connection; what is done meanwhile is done once."""
    client.client_setname("exchange")
    runs = []

    def meanwhile():
        runs.append(1)
        (own,) = [one for one in redis_client.client_list() if one["name"] == "exchange"]
        redis_client.client_kill_filter(_id=own["id"])
        return [("GET", "a")]

    assert Exchange(client)([("SET", "a", "1"), ("INCR", "a")], meanwhile) == [b"OK", 2]
    assert runs == [1]


def test_a_fault_meanwhile_leaves_no_answers_for_others(client):
    """Whoever uses the connection next gets the reply to their own command."""

    def meanwhile():
        raise MemoryError

    client.set("a", "1")
    with pytest.raises(MemoryError):
        Exchange(client)([("GET", "a")], meanwhile)
    assert client.ping() is True
    assert Exchange(client)([("GET", "b")]) == [None]


def test_a_server_that_is_away_is_said(client):
    """After the last attempt, as of any other command."""
    with (
        redis.Redis(port=9, retry=Retry(NoBackoff(), 1), protocol=2) as nobody,
        pytest.raises(redis.ConnectionError),
    ):
        Exchange(nobody)([("PING",)])


def test_what_is_asked_is_read_later_and_other_exchanges_go_on(client):
    """Each has a connection of its own; errors are values in their places."""
    exchange = Exchange(client)
    first, second = exchange.ask([("SET", "a", "1"), ("INCR", "no such", "arguments")]), exchange.ask([("GET", "a")])
    assert exchange([("SET", "b", "2")]) == [b"OK"]
    assert second.replies() == [b"1"]
    done, failed = first.replies()
    assert done == b"OK"
    assert isinstance(failed, redis.ResponseError)


def test_what_was_asked_on_a_connection_that_breaks_is_asked_again(client, redis_client):
    """Before the answers were read."""
    client.client_setname("asking")
    asked = Exchange(client).ask([("GET", "a"), ("PING",)])
    (own,) = [one for one in redis_client.client_list() if one["name"] == "asking"]
    redis_client.client_kill_filter(_id=own["id"])
    assert asked.replies() == [None, b"PONG"]


def test_dropped_answers_are_left_to_nobody(client):
    """Whoever uses the connection next gets the reply to their own command; to drop twice does nothing."""
    client.set("a", "1")
    asked = Exchange(client).ask([("GET", "a")])
    asked.drop()
    asked.drop()
    assert client.ping() is True
    assert asked.replies() == [b"1"]


def test_a_server_that_is_away_is_said_when_the_answers_are_read():
    """As of any other command."""
    with redis.Redis(port=9, retry=Retry(NoBackoff(), 1), protocol=2) as nobody:
        asked = Exchange(nobody).ask([("PING",)])
        with pytest.raises(redis.ConnectionError):
            asked.replies()
