"""`relay config`: plan, apply, roll back; who did it is kept."""

import json
import os
import subprocess
import sys
import tomllib

import pytest

from config.settings import Settings
from tests.integration.revisions.conftest import text
from tests.support.payloads import payload
from worker.app import Relay
from worker.store.keys import REVISIONS, shard_key


class Shell:
    """Runs `relay` in a process of its own, without a terminal."""

    def __init__(self, folder, redis_url):
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
        self.env = {**clean, "RELAY_REDIS_URL": redis_url, "RELAY_DATA_DIR": str(folder), "RELAY_SHARDS": "2"}
        self.parts = Relay(Settings(redis_url=redis_url, shards=2, data_dir=folder))

    def write(self, content):
        path = self.folder / "new.toml"
        path.write_text(content)
        return str(path)

    def __call__(self, *arguments, code=0, stdin="", **env):
        command = [sys.executable, "-c", "from worker.cli import main; main()", *arguments]
        done = subprocess.run(
            command, env=self.env | env, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout) if "--json" in arguments and code != 2 else done.stdout + done.stderr

    def apply(self, content, *arguments, code=0):
        return self("config", "apply", self.write(content), "--yes", "--json", "--by", "ann", *arguments, code=code)

    def store(self, *events):
        """Events in the streams, as the door would put them."""
        for n, event in enumerate(events):
            key = shard_key(n % 2, "events", "app")
            self.parts.redis.xadd(key, {"b": json.dumps(event)})


@pytest.fixture
def relay(tmp_path, redis_url):
    shell = Shell(tmp_path, redis_url)
    yield shell
    shell.parts.redis.close()


def test_the_first_file_and_the_next(relay):
    """An empty store takes its first revision by `apply`; log, show and export tell it; so does `actions`."""
    assert "no configuration yet" in relay("config", "show", code=2)
    shown = relay("status")
    assert "no configuration yet: write the first one with `relay config apply FILE`" in shown
    assert "processes alive: none" in shown
    assert relay.apply(text(), "-m", "first")["revision"] == 1
    assert relay.apply(text("production", "OTHER_KEY"), "-m", "rotated")["revision"] == 2
    assert [(one["revision"], one["by"], one["note"]) for one in relay("config", "log", "--json")["items"]] == [
        (2, "ann", "rotated"),
        (1, "ann", "first"),
    ]
    assert relay("config", "export", "1") == text()
    assert relay("config", "show", "--json")["text"] == text("production", "OTHER_KEY")
    (newest, _) = relay("actions", "--json")["items"]
    assert (newest["by"], newest["what"], newest["on"], newest["why"]) == (
        "ann",
        "config apply",
        "revision 2",
        "rotated",
    )


def test_one_integration_is_a_file_of_its_own(relay):
    """What is exported of it is taken by another relay, and says the same of it; one that is not there is named."""
    both = text() + text("second").partition("[integrations")[1] + text("second").partition("[integrations")[2]
    relay.apply(both)
    one = relay("config", "export", "--integration", "second")
    assert "production" not in one
    assert tomllib.loads(one)["integrations"]["second"] == tomllib.loads(both)["integrations"]["second"]
    assert "there is no integration 'third'" in relay("config", "export", "--integration", "third", code=2)
    relay.parts.redis.flushall()
    assert relay.apply(one)["revision"] == 1


def test_the_same_file_again_changes_nothing(relay):
    """What is in force already is not published again."""
    relay.apply(text())
    assert relay.apply(text()) == {"revision": 1, "published": False}


def test_the_plan_counts_what_would_change(relay):
    """Newly sent, no longer sent, renamed: events, people and samples; nothing is changed by asking."""
    relay.apply(text().replace('"*" = true', "ACTIVATE = true\nDEACTIVATE = true"))
    relay.store(
        *(payload("ACTIVATE", user_id="ann", event_id=f"a{n}") for n in range(4)),
        payload("DEACTIVATE", user_id="bob", event_id="d"),
        payload("SUBSCRIPTION_STARTED", user_id="eve", event_id="s"),
    )
    new = relay.write(text().replace('"*" = true', 'ACTIVATE = "Access"\nSUBSCRIPTION_STARTED = true'))
    plan = relay("config", "plan", new, "--json", "--exit-code", code=1)
    (item,) = plan["items"]
    assert (item["integration"], item["change"], item["events"]) == ("production", "changed", 6)
    assert [(item[name]["events"], item[name]["kinds"]) for name in ("renamed", "newly_sent", "no_longer_sent")] == [
        (4, {"ACTIVATE -> Access": 4}),
        (1, {"SUBSCRIPTION_STARTED": 1}),
        (1, {"DEACTIVATE": 1}),
    ]
    sample = item["newly_sent"]["samples"][0]
    assert (sample["event_id"], sample["person"], sample["before"]) == ("s", "eve", "not sent: event_off")
    assert plan["coverage"]["events"] == 6
    assert 'integration production: event ACTIVATE: sent as "ACTIVATE" -> sent as "Access"' in plan["difference"]
    said = relay("config", "plan", new)
    assert "4 events renamed" in said
    assert relay("config", "plan", relay.write(relay("config", "export")), "--exit-code") == (
        "nothing differs from revision 1\n"
    )
    assert relay.parts.revisions.head() == 1


def test_what_is_warned_of_first_now_is_in_the_plan(relay):
    """As the console's review has it; what runs already was warned of, and is not repeated."""
    relay.apply(text().replace('"*" = true', '"*" = true\nACTIVATEE = true'))
    new = relay.write(text().replace('"*" = true', '"*" = true\nACTIVATEE = true\nSUBSCRIPTION_STRATED = true'))
    (line,) = relay("config", "plan", new, "--json", "--offline")["warnings"]
    assert line.startswith("integrations.production.events.SUBSCRIPTION_STRATED: ")
    assert f"warning: {line}" in " ".join(relay("config", "plan", new, "--offline").split())


def test_other_spaces_are_no_other_attributes(relay):
    """The bytes differ where attributes are written again; only events that have the excluded field count."""
    relay.apply(text())
    relay.store(*(payload("ACTIVATE", event_id=f"e{n}") | ({"note": "x"} if n == 3 else {}) for n in range(6)))
    new = text() + '[integrations.production.event_attributes]\nexclude = ["note"]\n'
    (item,) = relay("config", "plan", relay.write(new), "--json")["items"]
    assert (item["events"], item["changed"]["events"]) == (6, 1)


def test_removing_an_integration_takes_its_name(relay):
    """What waits and what is dead is counted; `--yes` alone removes nothing; with the name its keys go, others stay."""
    both = text() + "[integrations.second]" + text("second").partition("[integrations.second]")[2]
    relay.apply(both)
    relay.parts.live.look(force=True)
    relay.parts.join()
    relay.store(*(payload("ACTIVATE", event_id=f"e{n}") for n in range(10)))
    relay.parts.redis.hset(shard_key(0, "dead", "second"), "second.0.1-1", "{}")
    relay.parts.redis.set("relay:{1}:person:second:abc", "x")
    relay.parts.redis.set("relay:{1}:person:production:abc", "x")
    (item,) = relay("config", "plan", relay.write(text()), "--json")["items"]
    assert (item["change"], item["waiting"], item["dead"]) == ("removed", 10, 1)
    assert "add --remove second" in relay.apply(text(), code=2)
    assert relay.parts.revisions.head() == 1
    assert relay.apply(text(), "--remove", "second")["removed"] == ["second"]
    left = {key.decode() for key in relay.parts.redis.keys("*second*")}
    assert left == set()
    groups = [
        group["name"] for shard in (0, 1) for group in relay.parts.redis.xinfo_groups(f"relay:{{{shard}}}:events:app")
    ]
    assert groups == [b"production"] * 2
    assert relay.parts.redis.exists("relay:{1}:person:production:abc")
    changed = text().replace("eu", "us")
    assert "does not remove it" in relay.apply(changed, "--remove", "production", code=2)


def test_a_rollback_is_a_new_revision(relay):
    """The old content, a new number, through the same plan."""
    relay.apply(text())
    relay.apply(text().replace('"*" = true', '"*" = false\nACTIVATE = "A"'))
    assert relay("config", "rollback", "1", "--yes", "--json")["revision"] == 3
    assert relay("config", "export") == text()
    assert relay("config", "log", "--json")["items"][0]["origin"] == "rollback"
    assert "nothing differs in what it says" in relay("config", "diff", "1")
    assert "all other events: sent → not sent" in relay("config", "diff", "1", "2")


def test_a_file_with_an_error_is_refused_with_its_line(relay):
    """Nothing changes, and the message says where."""
    relay.apply(text())
    said = relay.apply(text().replace('region = "eu"', 'region = "mars"'), code=2)
    assert 'new.toml:5: integrations.production.region: "mars" is not possible' in said
    assert relay.parts.revisions.head() == 1


def test_where_a_file_owns_nothing_is_applied(relay):
    """The message says who owns it and what to do; a roll-back is possible all the same."""
    relay.apply(text())
    relay.apply(text("production", "OTHER"))
    file = relay.write(text())
    said = relay("config", "apply", file, "--yes", code=2, RELAY_INTEGRATIONS=file)
    assert "owns the configuration (RELAY_INTEGRATIONS)" in said
    assert "ran before, as revision 1, and no start publishes it again" in relay(
        "config", "plan", file, RELAY_INTEGRATIONS=file
    )
    assert "ran before" not in relay("config", "plan", file)
    assert relay("config", "rollback", "1", "--yes", "--json", RELAY_INTEGRATIONS=file)["revision"] == 3
    assert "ran before" not in relay("config", "plan", file, RELAY_INTEGRATIONS=file)
    for number, says in (("3", False), ("2", True)):
        said = relay("config", "rollback", number, "--yes", RELAY_INTEGRATIONS=file)
        assert (f"{file} still says otherwise" in said) == says


def test_a_poisoned_store_is_said_in_one_line(relay):
    """Foreign bytes where the revisions are: every command names the key, exit 2, no traceback."""
    relay.parts.redis.set(REVISIONS, b"\xff")
    for command in (
        ["config", "log"],
        ["config", "show"],
        ["config", "export"],
        ["config", "apply", relay.write(text()), "--yes"],
    ):
        said = relay(*command, code=2)
        assert REVISIONS in said
        assert "Traceback" not in said


def test_sealed_secrets(relay):
    """`relay seal` makes what only the keys open; a new key in front and `reseal` let the old one go."""
    old, new = relay("seal", "--new-key").strip(), relay("seal", "--new-key").strip()
    sealed = relay("seal", stdin="hush\n", RELAY_SECRET_KEYS=old).strip()
    assert sealed.startswith("sealed:")
    assert "hush" not in sealed
    file = relay.write(text().replace("env:KEY", sealed))
    assert "1 secret sealed again" in relay("config", "reseal", file, RELAY_SECRET_KEYS=f"{new},{old}")
    content = (relay.folder / "new.toml").read_text()
    assert sealed not in content
    printed = relay("config", "reseal", "-", stdin=content, RELAY_SECRET_KEYS=f"{new},{old}")
    assert "1 secret sealed again" in printed
    assert printed.count("sealed:") == 1
    from config.integrations import parse
    from config.secrets import Secrets
    from worker.revisions.keyring import unseal

    def key(*keys):
        secrets = Secrets({"SECRET": "s", "SITE": "i"}, lambda token: unseal(keys, token))
        return parse(content, "f", secrets, lenient=True).integrations["production"]

    assert key(new).api_key == "hush"
    assert "none of the keys in RELAY_SECRET_KEYS" in key(old).unresolved
    assert "set RELAY_SECRET_KEYS" in key().unresolved


def test_the_record_names_no_person(relay):
    """Neither a filter by person nor a suppression leaves an identifier behind; who knows it can recognise it."""
    relay.apply(text())
    relay("suppress", "add", "ann@example.com", "--by", "bob", "-m", "asked us")
    from worker.cli.acting import record
    from worker.store.actions import discreet

    shown = f"--person ({discreet('ann@example.com')})"  # as a job has it, which others may look at
    for on in ("--person ann@example.com --since 1", "--person 'ann@example.com'", '--person "ann@example.com"', shown):
        record(relay.parts, "dead discard", on, by="bob")
    told = relay("actions", "--json", "--limit", "5")
    assert "ann@" not in json.dumps(told)
    assert all(discreet("ann@example.com") in one["on"] for one in told["items"])
    assert [one["on"] for one in told["items"][:2]] == [shown, shown]
    assert (told["items"][4]["what"], told["items"][4]["why"]) == ("suppress add", "asked us")


def test_holding_and_reading_need_no_secret(relay):
    """No variable of the file is set here: hold, resume, status, audit, explain and the dead letters work."""
    relay.apply(text())
    relay.parts.live.look(force=True)
    relay.parts.join()
    relay("hold", "production", "-m", "noise", "--by", "bob")
    assert relay("status", "--json")["items"][0]["state"] == "held"
    relay("resume", "production")
    relay("audit")
    relay("dead")
    assert [(one["what"], one["by"], one["why"]) for one in relay("actions", "--json")["items"]][1] == (
        "hold",
        "bob",
        "noise",
    )
