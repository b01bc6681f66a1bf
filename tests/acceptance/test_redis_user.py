"""The relay as a Redis user with the rules of docs/redis.md, and with less."""

import re
from pathlib import Path

import pytest
import redis

from config.settings import Settings
from tests.support.pages import blocks
from tests.support.payloads import payload
from tests.support.servers import OwnRedis, installed
from tests.support.stack import Stack
from tests.support.waiting import until
from worker.machine.servers import PERMISSIONS, look_at_servers


def rules():
    """The rules of the page, in its own order."""
    line, of_sentinels = blocks("docs/redis.md", "redis")
    assert "+sentinel|masters" in of_sentinels  # tests of Sentinels have users with these
    return line.strip().removeprefix("ACL SETUSER relay on >PASSWORD ").split()


@pytest.fixture
def server(own_redis):
    return own_redis()


def user(server, *added):
    """A user with the page's rules and then these; its address."""
    with redis.Redis.from_url(server.url) as admin:
        admin.execute_command("ACL", "SETUSER", "relay", "reset", "on", ">s3cret", *rules(), *added)
    return f"redis://relay:s3cret@127.0.0.1:{server.port}/0"


def denied(server):
    """What the server refused so far: who, and which command or key."""
    with redis.Redis.from_url(server.url) as admin:
        return [(entry["context"], entry["object"]) for entry in admin.acl_log()]


def test_the_rules_of_the_page_suffice(server, tmp_path):
    """Events in and out, properties, dead letters and their replay, forgetting, books: the server refuses nothing."""
    stack = Stack(tmp_path / "stack", user(server), RELAY_TRIM_INTERVAL_S="1").start()
    try:
        assert stack.webhook(payload("SUBSCRIPTION_STARTED")).status_code == 200
        assert stack.post([payload("ACTIVATE", event_id="second"), {"event_id": "bad"}]).status_code == 200
        until(lambda: stack.arrived() and stack.account.dead == 1, "one is sent, one is a dead letter")
        for command in (
            ("status",),
            ("dead",),
            ("dead", "replay", "--reason", "no_event_name", "--yes"),
            ("trace", "second"),
            ("person", "user_42"),
            ("hold", "production"),
            ("resume", "production"),
            ("suppress", "add", "nobody"),
            ("forget", "user_42", "--yes"),
            ("config", "log"),
            ("actions",),
            ("reshard", "8", "--yes"),
        ):
            done = stack.relay(*command)
            assert "Redis does not serve" not in done.stderr, (command, done.stderr)
            assert "Traceback" not in done.stderr, (command, done.stderr)
        assert stack.parts.redis.get("relay:shards") == b"8"
        assert stack.relay("audit").returncode == 0
    finally:
        stack.stop()
    # each is asked for by who may do without
    assert set(denied(server)) - {("toplevel", "bgrewriteaof"), ("toplevel", "config|get")} == set()


def test_a_user_without_info_is_served(server, tmp_path):
    """It was a 503 every second; the warning is `relay check`'s."""
    url = user(server, "-info")
    stack = Stack(tmp_path / "stack", url).start()
    try:
        assert stack.webhook(payload("SUBSCRIPTION_STARTED")).status_code == 200
        until(stack.arrived, "it is sent")
    finally:
        stack.stop()
    facts = look_at_servers(Settings(redis_url=url, shards=4))
    assert {fact.level for fact in facts} == {"ok", "warning"}
    assert [fact.text for fact in facts if "INFO" in fact.text] != []


@pytest.mark.parametrize(
    ("added", "text"),
    [
        (("resetkeys", "~relay*"), "nothing is delivered"),
        (("resetkeys", "~other*"), "these keys or channels"),
        (("-hincrby",), "the command HINCRBY"),
        (("-brpop",), "the command BRPOP"),
        (("-time",), "the command TIME"),
        (("-hmget",), "the command HMGET"),
        (("-zremrangebyscore",), "the command ZREMRANGEBYSCORE"),
        (("-evalsha",), "the command EVALSHA"),
    ],
)
def test_check_names_what_is_missing(server, added, text):
    """Each of these was called ok, and nothing was stored or delivered."""
    wrong = [fact for fact in look_at_servers(Settings(redis_url=user(server, *added))) if fact.level == "wrong"]
    assert len(wrong) == 1
    assert text in wrong[0].text
    assert "docs/redis.md" in wrong[0].remedy


def test_check_names_what_redis_7_0_refuses(tmp_path):
    """Within a script it refuses in a sentence of its own: each command that was missing was called ok."""
    server = OwnRedis(tmp_path / "redis", {}, installed("redis-server"))
    server.start()
    try:
        for missing in ("xadd", "del"):
            facts = look_at_servers(Settings(redis_url=user(server, f"-{missing}")))
            (wrong,) = [fact.text for fact in facts if fact.level == "wrong"]
            assert f"(this user may not: the command {missing.upper()}); ingest answers 503" in wrong
    finally:
        server.stop()


def test_check_tries_each_command_of_the_scripts():
    """A script that is to use another one is not forgotten."""
    used = {
        found
        for script in Path("worker/store/lua").glob("*.lua")
        for found in re.findall(r"\bp?call\(\s*('[A-Z]+'(?:, '(?:CREATE|SETID|GROUPS|STREAM)')?)", script.read_text())
    }
    assert used
    assert [command for command in sorted(used) if f"{{{command}" not in PERMISSIONS] == []


def test_check_leaves_nothing_behind(server):
    """What was tried is gone again."""
    look_at_servers(Settings(redis_url=user(server)))
    with redis.Redis.from_url(server.url) as admin:
        assert admin.keys("*") == []
