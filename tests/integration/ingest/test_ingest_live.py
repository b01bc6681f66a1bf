"""The web door takes up a new configuration without a restart."""

from types import SimpleNamespace

import pytest

from tests.support.door import ENVIRON, FILE, make_parts, running
from tests.support.payloads import payload
from tests.support.waiting import until
from worker.revisions.store import Revision, digest_of


@pytest.fixture
def environ(monkeypatch):
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def door(tmp_path, redis_url, environ):
    parts = make_parts(tmp_path, redis_url)
    parts.role = "web"
    parts.settings = parts.settings.model_copy(update={"data_dir": tmp_path})
    with running(parts) as found:
        until(lambda: parts.revisions.head() == 1, "the file is published")
        yield found


def publish(door, text):
    revisions = door.parts.revisions
    head = revisions.head()
    return revisions.publish(Revision(text, digest_of(text), "a test", 1), head)


def test_a_new_source_is_let_in(door):
    """404 before, 200 soon after its publication, by itself; its integration's group was there first."""
    assert door.post([payload("ACTIVATE")], source="later").status == 404
    text = FILE + '[sources.later]\ntokens = "env:D_TOKEN"\n[integrations.three]\nsource = "later"\nregion = "eu"\n'
    text += 'site_id = "env:D_TOKEN"\napi_key = "env:D_TOKEN"\n[integrations.three.events]\n"*" = true\n'
    publish(door, text)
    until(lambda: door.post([payload("ACTIVATE")], source="later").status == 200, "it is let in", within_s=20)
    groups = [
        group["name"]
        for shard in range(door.parts.settings.shards)
        for group in door.redis.xinfo_groups(f"relay:{{{shard}}}:events:later")
    ]
    assert groups == [b"three"] * door.parts.settings.shards
    until(lambda: [name for name, _ in door.wakes if name == "three"], "it is woken")


def test_a_removed_source_is_refused(door):
    """200 before, 404 after; what was stored stays."""
    assert door.post([payload("ACTIVATE")], source="tokens-only").status == 200
    publish(door, FILE.replace('[sources.tokens-only]\ntokens = ["env:D_TOKEN"]\n', ""))
    until(lambda: door.post([payload("ACTIVATE")], source="tokens-only").status == 404, "it is refused", within_s=20)
    assert len(door.stored("tokens-only")) == 1


def test_a_new_integration_of_a_known_source_is_woken(door):
    """Appends look at its marks from then on, and the answers are counted right in between."""
    text = (
        FILE + '[integrations.three]\nsource = "app"\nregion = "eu"\nsite_id = "env:D_TOKEN"\napi_key = "env:D_TOKEN"\n'
    )
    publish(door, text + '[integrations.three.events]\n"*" = true\n')
    sent = SimpleNamespace(count=0)

    def woken():
        sent.count += 1
        assert door.post([payload("ACTIVATE", event_id=f"e{sent.count}")]).json == {"accepted": 1, "duplicates": 0}
        return [name for name, _ in door.wakes if name == "three"]

    until(woken, "it is woken", within_s=20)
    assert len(door.stored()) == sent.count


def test_without_a_configuration_senders_come_again(tmp_path, redis_url, environ):
    """Redis owns the configuration and has none: 503 with Retry-After, so that Purchasely sends again; then 200."""
    parts = make_parts(tmp_path, redis_url)
    parts.role = "web"
    parts.settings = parts.settings.model_copy(update={"data_dir": tmp_path, "integrations": None})
    with running(parts) as door:
        answer = door.webhook(payload("ACTIVATE"))
        assert (answer.status, "retry-after" in answer.headers) == (503, True)
        publish(door, FILE)
        until(lambda: door.webhook(payload("ACTIVATE")).status == 200, "it is configured", within_s=20)


def test_a_sender_whose_secret_is_missing_here_comes_again(tmp_path, redis_url, environ, monkeypatch):
    """Refused with 503, not 401, where the secret is missing; the source's other secrets and sources are served."""
    monkeypatch.delenv("D_SECRET")
    parts = make_parts(tmp_path, redis_url)
    parts.role = "web"
    parts.settings = parts.settings.model_copy(update={"data_dir": tmp_path})
    with running(parts) as door:
        assert door.webhook(payload("ACTIVATE")).status == 503
        assert door.webhook(payload("ACTIVATE"), secret=ENVIRON["D_OLD_SECRET"]).status == 200
        assert door.webhook(payload("ACTIVATE"), source="signed-only").status == 503
        assert door.post([payload("ACTIVATE")], source="tokens-only").status == 200
        assert door.post([payload("ACTIVATE")], source="tokens-only", token="wrong").status == 401
