"""Addresses of Redis."""

import pytest

from config.settings import Settings
from worker.errors import OperatorError
from worker.store.address import Address, read_address
from worker.store.broker import find_broker
from worker.store.connect import find_url, has_address

SECRET = "h1dden"


def test_an_address_that_may_not_be_read_is_said(tmp_path):
    """`relay up` runs as another user: its folder is for itself alone. It was a traceback."""
    left, chosen = tmp_path / "redis.url", Settings(redis_url="", data_dir=tmp_path)
    assert not has_address(chosen)
    left.symlink_to(left)  # whoever runs the tests may read all others
    with pytest.raises(OperatorError, match=r"redis\.url cannot be read \(Too many levels.*run this as the user"):
        find_url(chosen)
    assert has_address(chosen)
    left.unlink()
    left.write_bytes(b"\xff")
    with pytest.raises(OperatorError, match=r"redis\.url cannot be read \(UnicodeDecodeError\)"):
        find_url(chosen)


def read(url):
    return read_address(url, "RELAY_REDIS_URL")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", Address(scheme="redis", host="localhost")),
        ("redis://db.example", Address(scheme="redis", host="db.example")),
        ("redis://10.0.0.5:7000/3", Address(scheme="redis", host="10.0.0.5", port=7000, db=3)),
        ("redis://10.0.0.5/?db=3", Address(scheme="redis", host="10.0.0.5", db=3)),
        ("redis://10.0.0.5?db=3", Address(scheme="redis", host="10.0.0.5", db=3)),
        ("redis://[::1]:7000/1", Address(scheme="redis", host="::1", port=7000, db=1)),
        ("redis://[::1]", Address(scheme="redis", host="::1")),
        ("redis://:p%40ss@h/", Address(scheme="redis", host="h", password="p@ss")),
        ("redis://:a#b/c@d@h:1/2", Address(scheme="redis", host="h", port=1, db=2, password="a#b/c@d")),
        ("redis://us%3Aer:pa:ss@h", Address(scheme="redis", host="h", username="us:er", password="pa:ss")),
        ("unix:///run/redis/redis.sock?db=2", Address(scheme="unix", path="/run/redis/redis.sock", db=2)),
        ("unix://u:p@/run/a%20b.sock", Address(scheme="unix", path="/run/a b.sock", username="u", password="p")),
        (
            "redis+sentinel://u:p@a:1,[::1],b/main/2?sentinel_password=s",
            Address(
                scheme="redis+sentinel",
                sentinels=(("a", 1), ("::1", 26379), ("b", 26379)),
                service="main",
                db=2,
                username="u",
                password="p",
                sentinel_login=("", "s"),
            ),
        ),
        (
            "rediss+cluster://u:p@a:1,[::1],b?ssl_cert_reqs=none",
            Address(
                scheme="rediss+cluster",
                cluster=(("a", 1), ("::1", 6379), ("b", 6379)),
                username="u",
                password="p",
                tls={"ssl_cert_reqs": "none", "ssl_check_hostname": False},
            ),
        ),
        ("redis://h?protocol=3", Address(scheme="redis", host="h", unused=("protocol",))),
        ("redis://h?socket_timeout=5", Address(scheme="redis", host="h", figures={"socket_timeout": 5.0})),
    ],
)
def test_an_address_is_read_once_and_whole(url, address):
    """Every form that redis-py takes, and a password as it is."""
    assert read(url) == address


def test_certificates_are_verified_unless_it_says_otherwise():
    """Whoever wants it otherwise has to write it."""
    assert read("rediss://h").tls == {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    assert read("rediss://h?ssl_cert_reqs=none").tls == {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    assert read("redis://h").tls is None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("foo", "is not an address of Redis"),
        (f"http://{SECRET}@h", "is not an address of Redis"),
        (f"redis://:{SECRET}?x@h", r"write a \? in a password as %3F"),
        (f"redis://user:{SECRET}", "the port is not a number"),
        (f"redis://:{SECRET}@h:70000", "the port is not a number"),
        (f"redis://:{SECRET}@h/zero", "the database is not a number"),
        (f"redis://:{SECRET}@h?db=-1", "the database is not a number"),
        (f"redis://:{SECRET}@h?socket_timeout=0", "socket_timeout is not a number of seconds"),
        (f"redis://:{SECRET}@h?ssl_cert_reqs=none", "ssl_cert_reqs needs rediss://"),
        (f"rediss://:{SECRET}@h?ssl_cert_reqs=optional", "ssl_cert_reqs is required or none"),
        (f"rediss://:{SECRET}@h?ssl_ca_cert=/x", "did you mean ssl_ca_certs?"),
        (f"rediss://:{SECRET}@h?ssl_ca_certs=/nowhere", "there is no file /nowhere"),
        (f"unix://{SECRET}", "write the whole path"),
        (f"redis+cluster://:{SECRET}@/0", "write redis.cluster://HOST:PORT,HOST:PORT"),
        (f"redis+cluster://:{SECRET}@h:1/2", "a cluster has no database but 0"),
        (f"redis+sentinel://:{SECRET}@h:1", "write redis.sentinel://HOST:PORT,HOST:PORT/SERVICE/DB"),
        *[
            (f"{scheme}://:{SECRET}@{host}", "the host is neither a name nor an address")
            for scheme in ("redis", "rediss", "redis+cluster")
            for host in ("[::1", "::1", "[::1]x:1", "[]", "[1.2.3.4]", "h h", "h%00h", "h%0Ah", "h..h", "h" * 254)
        ],
        (f"redis://:{SECRET}@a,b/0", "several servers are redis.sentinel:// or redis.cluster://"),
        (f"redis+sentinel://:{SECRET}@a,[::1/main", "the host is neither a name nor an address"),
        (f"redis://:{SECRET}@h/00000000000000000001", "the database is not a number"),
        (f"unix://:{SECRET}@/run/a%00b", "write the whole path"),
    ],
)
def test_an_address_that_cannot_be_read_is_one_line_without_its_password(url, message):
    """`#` and `?` unescaped used to end in a traceback with a part of the password."""
    with pytest.raises(OperatorError, match=message) as caught:
        read(url)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_is_in_no_representation():
    """Neither the place nor the repr may name it."""
    address = read(f"redis://user:{SECRET}@h/1?client_name={SECRET}")
    assert address.place == repr(address) == "redis://h:6379/1"


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://h:1/3", "redis://h:1/4"),
        ("redis://h:1/0?db=3&socket_timeout=5&protocol=3", "redis://h:1/4"),
        ("redis://u:a#b@[::1]:1/0", "redis://u:a%23b@[::1]:1/1"),
        ("redis+sentinel://:p@a:1,b:2/main", "sentinel://:p@a:1/1;sentinel://:p@b:2/1"),
        ("unix://:p@/run/r.sock?db=2", "redis+socket://:p@/run/r.sock?virtual_host=3"),
    ],
)
def test_the_broker_is_the_next_database_without_options(url, broker):
    """Kombu would hand each option of the query to its connection, which knows none of them."""
    assert find_broker(Settings(redis_url=url)).url == broker


def test_the_broker_verifies_as_the_events_do():
    """Kombu by itself verifies nothing."""
    assert find_broker(Settings(redis_url="rediss://h")).use_ssl == read("rediss://h").tls
    assert find_broker(Settings(redis_url="redis://h", broker_url="rediss://b")).use_ssl == read("rediss://b").tls


def test_another_broker_is_left_to_celery():
    """Its address is whatever Celery knows."""
    broker = find_broker(Settings(redis_url="redis://h", broker_url="amqp://guest@h//"))
    assert (broker.url, broker.address) == ("amqp://guest@h//", None)
