"""Every process runs the revision in force."""

import logging
import socket

import pytest
import redis

from config.settings import Settings
from tests.integration.revisions.conftest import ENVIRON, revision, text
from worker.app import Relay
from worker.errors import OperatorError
from worker.store.keys import REVISIONS


def test_a_file_that_owns_is_published_once(host, revisions):
    """Three hosts with one file: one revision, and all run it."""
    hosts = [host().start(text()) for _ in range(3)]
    assert [one.number for one in hosts] == [1, 1, 1]
    assert [(one.origin, one.text) for one in revisions.all()] == [("file", text())]


def test_a_new_revision_is_taken_up(host, revisions):
    """It is joined first and run then; before a second is over nobody asks again."""
    one = host().start(text())
    revisions.publish(revision(text("other")), 1)
    assert not one.look(0.5)
    assert one.names == ["production"]
    assert one.look(0.5)
    assert (one.number, one.names, one.adopted) == (2, ["other"], [2])
    assert one.live.loaded.integrations.integrations["other"].revision == 2
    assert not one.look()


def test_a_rolling_deploy_moves_forward_once(host, revisions, caplog):
    """A host with an older file that restarts changes nothing, runs what is in force, and says so."""
    old, new = host().start(text()), host().start(text("newer"))
    assert new.number == 2
    old.look()
    assert old.names == ["newer"]
    with caplog.at_level(logging.WARNING):
        again = host().start(text())
    assert (again.number, again.names, revisions.head()) == (2, ["newer"], 2)
    assert "was_revision=1 running=2" in caplog.text


def test_what_could_not_be_joined_is_not_run(host, revisions):
    """Redis away while the groups are made: the former configuration goes on, and a later look takes it up."""
    one = host().start(text())
    revisions.publish(revision(text("other")), 1)
    one.fault = redis.ConnectionError()
    assert not one.look()
    assert one.names == ["production"]
    one.fault = None
    assert one.look()
    assert one.names == ["other"]


def test_a_revision_that_is_not_understood_leaves_the_last_good_one(host, revisions, caplog):
    """A key of a later release: the process stays where it was, loudly and once; after a restart too."""
    one = host().start(text())
    revisions.publish(revision(text() + "[future]\nkey = 1\n"), 1)
    with caplog.at_level(logging.CRITICAL):
        assert not any([one.look(), one.look(), one.look()])
    assert one.number == 1
    assert [record.message for record in caplog.records if record.levelno == logging.CRITICAL] == [
        (
            "config_not_taken_up running=1 "
            'message="revision 2:10: future: unknown key; write integrations, plans or sources"'
        )
    ]
    one.file = None
    one.start()
    assert (one.number, one.names) == (1, ["production"]), "the last good one was on disk"


@pytest.mark.parametrize("poison", [{"head": b"\xff"}, {"head": b"9"}, {"head": b"2", "2": b"\xff\x00"}])
def test_a_poisoned_configuration_ends_nobody(host, redis_client, poison):
    """Foreign bytes in Redis: the process goes on with what it has."""
    one = host().start(text())
    redis_client.hset(REVISIONS, mapping=poison)
    assert not one.look()
    assert one.names == ["production"]
    redis_client.delete(REVISIONS)
    redis_client.set(REVISIONS, b"foreign")
    assert not one.look()
    assert one.names == ["production"]


def test_a_file_with_an_error_changes_nothing(host, revisions):
    """The process that brings it does not start, names the line, and nothing is published."""
    host().start(text())
    with pytest.raises(OperatorError, match=r"integrations.toml:8: integrations.production.late: .* is not possible"):
        host().start(text().replace('"env:KEY"', '"env:KEY"\nlate = "maybe"'))
    assert revisions.head() == 1


def test_what_redis_has_lost_is_published_again(host, revisions, redis_client):
    """An emptied server, or a replica that lagged behind, gets the revision in force back under its number."""
    one = host().start(text())
    revisions.publish(revision(text("other")), 1)
    one.look()
    redis_client.delete(REVISIONS)
    one.look()
    assert (revisions.head(), revisions.get(2).origin, revisions.get(2).text) == (2, "restored", text("other"))
    assert not one.look()
    assert one.number == 2


def test_a_number_that_was_given_again_is_another_revision(host, revisions, redis_client):
    """Lost in a fail-over, the next one published before anybody looked: all run what Redis has, not what it had."""
    one, other = host().start(text()), host().start()
    lost = revision(text("lost"))
    revisions.publish(lost, 1)
    one.look()
    redis_client.hdel(REVISIONS, "2", f"digest:{lost.digest}")
    redis_client.hset(REVISIONS, "head", "1")
    assert revisions.publish(revision(text("next")), 1) == 2
    assert (one.look(), other.look()) == (True, True)
    assert one.names == other.names == ["next"]
    assert not one.look()


def test_a_store_without_a_configuration_is_waited_for(host, revisions):
    """Nobody owns a file and Redis has none: nothing is served until the first one is applied."""
    one = host().start()
    assert (one.number, one.names) == (0, [])
    revisions.publish(revision(text()), 0)
    assert one.look()
    assert one.names == ["production"]


def test_redis_away_at_the_start(host, tmp_path, revisions):
    """A process that starts while Redis is away runs its last good configuration."""
    one = host().start(text())

    class Away:
        def head(self):
            raise redis.ConnectionError

        def in_force(self, _):
            raise redis.ConnectionError

    one.revisions, one.file = Away(), None
    one.start()
    assert (one.number, one.names) == (1, ["production"])


def test_what_was_on_disk_is_not_forced_upon_another_redis(host, revisions, redis_client):
    """Only what a process has seen in this Redis is published again: its folder may come from elsewhere."""
    one = host().start(text())
    revisions.publish(revision(text("second")), 1)
    one.look()

    class Away:
        def head(self):
            raise redis.ConnectionError

        def in_force(self, _):
            raise redis.ConnectionError

    one.revisions, one.file = Away(), None
    one.start()
    assert one.number == 2
    redis_client.delete(REVISIONS)
    revisions.publish(revision(text("elsewhere")), 0)
    one.live._revisions = revisions
    assert one.look()
    assert (one.number, one.names, revisions.head()) == (1, ["elsewhere"], 1)


def test_a_secret_that_is_missing_costs_one_integration(host, caplog):
    """Where a secret is missing its integration says so; the file is published all the same, and the others serve."""
    both = (
        text() + text("second", "NO_KEY").partition("\n[integ")[1] + text("second", "NO_KEY").partition("\n[integ")[2]
    )
    one = host().start(both)
    found = one.live.loaded.integrations.integrations
    assert one.number == 1
    assert found["production"].unresolved == ""
    assert "environment variable NO_KEY is not set" in found["second"].unresolved
    assert "secret_missing" in caplog.text
    other = host({**ENVIRON, "NO_KEY": "k"}).start(both)
    assert not any(one.unresolved for one in other.live.loaded.integrations.integrations.values())


def test_a_secret_in_a_file_is_read_again_when_it_changes(host, tmp_path):
    """A mounted secret that is replaced is used within a second, without a new revision."""
    path = tmp_path / "key"
    path.write_text("first\n")
    one = host().start(text().replace("env:KEY", f"file:{path}"))
    assert one.live.loaded.integrations.integrations["production"].api_key == "first"
    assert not one.look()
    path.write_text("second-key\n")
    assert one.look()
    assert one.live.loaded.integrations.integrations["production"].api_key == "second-key"
    assert one.number == 1
    path.unlink()
    assert one.look()
    assert "cannot be read" in one.live.loaded.integrations.integrations["production"].unresolved


def test_a_command_that_cannot_ask_does_not_say_that_there_is_no_configuration(tmp_path):
    """A frozen Redis, or a certificate that is not verified: it was answered with how to write the first one."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        chosen = Settings(redis_url=f"redis://127.0.0.1:{closed.getsockname()[1]}/0", data_dir=tmp_path)
        with pytest.raises(redis.ConnectionError):
            _ = Relay(chosen).integrations
