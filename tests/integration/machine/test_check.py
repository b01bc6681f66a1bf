"""`relay check` against a real server and a simulated Customer.io."""

import contextlib
import json
import os
import subprocess
import sys

import pytest
import redis
from click.testing import CliRunner

from config.integrations import load
from config.settings import Settings
from tests.support.servers import OwnRedis
from tests.support.waiting import until
from worker.cli.init import init
from worker.machine.inspection import look_at_keys
from worker.machine.servers import look_at_servers
from worker.simulator.accounts import Account
from worker.simulator.app import Options
from worker.simulator.serve import running
from worker.store.keys import SHARDS

FILE = """
[sources.app]
webhook_secret = "env:T_SECRET"

[integrations.good]
source = "app"
region = "eu"
site_id = "env:T_EU"
api_key = "env:T_KEY"
base_url = "{url}"

[integrations.abroad]
source = "app"
region = "eu"
site_id = "env:T_US"
api_key = "env:T_KEY"
base_url = "{url}"

[integrations.stranger]
source = "app"
region = "eu"
site_id = "env:T_NOBODY"
api_key = "env:T_KEY"
base_url = "{url}"

[integrations.nowhere]
source = "app"
region = "eu"
site_id = "env:T_NOBODY"
api_key = "env:T_KEY"
base_url = "http://127.0.0.1:9"

[integrations.asleep]
enabled = false
source = "app"
region = "eu"
site_id = "env:T_UNSET"
api_key = "env:T_UNSET"
"""
ENV = {
    "T_SECRET": "s3cr3t-signing",
    "T_EU": "site-eu",
    "T_US": "site-us",
    "T_NOBODY": "site-none",
    "T_KEY": "k3y-of-all",
}


@pytest.fixture(scope="module")
def customerio():
    """A simulated Customer.io with a workspace in each region."""
    accounts = (Account("site-eu", "k3y-of-all", "eu", 7), Account("site-us", "k3y-of-all", "us", 8))
    with running(Options(accounts=accounts)) as (url, _):
        yield url


@pytest.fixture
def path(tmp_path, customerio):
    path = tmp_path / "integrations.toml"
    path.write_text(FILE.format(url=customerio))
    return path


def test_each_key_is_asked_for_its_region(path):
    """A good key, one of another region, an unknown one and a dead address get their verdicts, a disabled one none."""
    facts = look_at_keys(load(path, ENV), 5)
    assert [(fact.subject, fact.level) for fact in facts] == [
        ("good", "ok"),
        ("abroad", "warning"),
        ("stranger", "wrong"),
        ("nowhere", "wrong"),
    ]
    assert "region eu, workspace 7" in facts[0].text
    assert 'region "us"' in facts[1].text
    assert "the key is refused" in facts[2].text
    assert "no answer" in facts[3].text


def settings(path, redis_url, **more):
    return Settings(redis_url=redis_url, integrations=path, **{"shards": 4, **more})


def levels(facts):
    return {f"{fact.area} {fact.subject}": fact.level for fact in facts}


def test_a_server_is_looked_at_with_its_broker(path, redis_url, redis_client):
    """Version, durability, memory, shards and the broker's database are all reported."""
    redis_client.set(SHARDS, 4)
    found = levels(look_at_servers(settings(path, redis_url)))
    assert found["redis version"] == found["redis shards"] == found["broker address"] == "ok"
    assert "redis append-only file" in found


def test_another_number_of_shards_is_wrong(path, redis_url, redis_client):
    """Events that are spread over four shards are not found by sixteen."""
    redis_client.set(SHARDS, 4)
    (fact,) = [f for f in look_at_servers(settings(path, redis_url, shards=16)) if f.subject == "shards"]
    assert (fact.level, fact.remedy) == ("wrong", "set RELAY_SHARDS=4, or use an empty Redis")


def test_a_server_that_is_not_there_is_wrong(path):
    """Nobody answers: one line, without the client's address with its password in it."""
    facts = look_at_servers(settings(path, "redis://:h1dden@127.0.0.1:9/0"))
    assert levels(facts) == {"redis address": "wrong"}
    assert "h1dden" not in repr(facts)
    assert "Connection refused" in facts[0].text


def test_a_broker_that_is_not_there_is_wrong(path, redis_url):
    """Redis is well, the broker is not: nothing would be delivered."""
    facts = look_at_servers(settings(path, redis_url, broker_url="redis://127.0.0.1:9/0"))
    assert levels(facts)["broker address"] == "wrong"


def run(*arguments, **env):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    command = [sys.executable, "-c", "from worker.cli import main; main()", "check", *arguments]
    return subprocess.run(command, env=clean | ENV | env, capture_output=True, text=True, check=False)


def test_the_command_finds_it_all_and_keeps_secrets(path, redis_url, customerio):
    """Exit 1, every area in one list, and nothing that somebody could sign or log in with."""
    done = run("--json", RELAY_INTEGRATIONS=str(path), RELAY_REDIS_URL=redis_url)
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr, told["next"]) == (1, "", None)
    assert {item["area"] for item in told["items"]} == {"file", "customer.io", "redis", "broker"}
    for secret in ENV.values():
        assert secret not in done.stdout


def test_the_file_and_the_keys_are_looked_at_before_there_is_a_redis(path, tmp_path):
    """The README checks what was written before anything runs: no Redis is one thing wrong, not the only thing said."""
    nothing = {"RELAY_DATA_DIR": str(tmp_path / "none")}
    done = run(RELAY_INTEGRATIONS=str(path), **nothing)
    assert (done.returncode, done.stderr) == (1, "")
    assert "1 source, 4 integrations, 1 more switched off" in done.stdout
    assert "Customer.io\n  ok       good " in done.stdout
    assert "wrong    address  no Redis: set RELAY_REDIS_URL, or start `relay up`" in done.stdout
    assert "no file to look at: set RELAY_INTEGRATIONS to one" in run(**nothing).stdout
    away = run(RELAY_REDIS_URL="redis://127.0.0.1:9/0")
    assert (away.returncode, away.stderr) == (1, "")
    assert "redis://127.0.0.1:9/0 does not serve (Connection refused)" in away.stdout


def test_offline_looks_at_the_file_alone(path):
    """No server is asked; a good file is exit 0."""
    done = run("--offline", RELAY_INTEGRATIONS=str(path))
    assert done.returncode == 0
    assert "1 source, 4 integrations, 1 more switched off" in done.stdout
    assert "Customer.io" not in done.stdout


def test_a_bad_file_is_told_by_its_lines(path):
    """Every mistake with its line; exit 1, since finding it is what the command is for."""
    path.write_text(path.read_text().replace('region = "eu"', 'region = "de"', 1))
    done = run("--offline", RELAY_INTEGRATIONS=str(path))
    assert done.returncode == 1
    assert f"wrong    {path}:7: integrations.good.region" in done.stdout


def test_strictly_a_misspelt_code_is_wrong(tmp_path):
    """A rename that silently never applies: a warning, exit 0; with --strict it is wrong, and fails a CI."""
    path = tmp_path / "i.toml"
    done = CliRunner().invoke(init, [str(path)])
    assert done.exit_code == 0
    env = {"PURCHASELY_WEBHOOK_SECRET": "s", "CUSTOMERIO_SITE_ID": "i", "CUSTOMERIO_API_KEY": "k"}
    assert run("--offline", "--strict", RELAY_INTEGRATIONS=str(path), **env).returncode == 0
    path.write_text(path.read_text().replace("# SUBSCRIPTION_STARTED =", "SUBSCRIPTION_STARTE ="))
    assert run("--offline", RELAY_INTEGRATIONS=str(path), **env).returncode == 0
    strict = run("--offline", "--strict", RELAY_INTEGRATIONS=str(path), **env)
    assert strict.returncode == 1
    assert "did you mean SUBSCRIPTION_STARTED?" in strict.stdout


def test_a_bad_setting_is_a_usage_error(path):
    """Exit 2 with the variable's name."""
    done = run(RELAY_INTEGRATIONS=str(path), RELAY_SHARDS="many")
    assert done.returncode == 2
    assert done.stderr.startswith("relay: RELAY_SHARDS: ")


def test_a_replica_that_confirms_late_is_named(tmp_path):
    """A 200 that waits for a disk which is written once a second: the check says so before the senders do."""
    primary = OwnRedis(tmp_path / "primary", {"repl_diskless_sync_delay": "0"})
    replica = OwnRedis(tmp_path / "replica", {"appendfsync": "everysec"})
    chosen = Settings(redis_url=primary.url, replicas_ack=1, replicas_ack_disk=True, shards=4)
    with contextlib.ExitStack() as stack:
        for one in (primary, replica):
            one.start()
            stack.callback(one.stop)

        def found():
            return [(fact.level, fact.text) for fact in look_at_servers(chosen) if fact.subject == "replicas"]

        assert [level for level, _ in found()] == ["wrong"]
        with redis.Redis(port=replica.port) as client:
            client.replicaof("127.0.0.1", primary.port)
            until(lambda: found()[0][0] == "warning", "it is online")
            assert f"127.0.0.1:{replica.port} writes to its disk once a second" in found()[0][1]
            client.config_set("appendfsync", "always")
        assert [level for level, _ in found()] == ["ok"]
        ((level, text),) = [
            (fact.level, fact.text)
            for fact in look_at_servers(Settings(redis_url=primary.url, shards=4))
            if fact.subject == "replicas"
        ]
        assert (level, text.startswith("they lag behind")) == ("ok", True)
