"""A resync is only for who may act: publishing, which editors may be allowed, is not enough."""

import re
import sys
from types import SimpleNamespace

import pytest

from config.roles import Role
from tests.support.consoledoor import site
from tests.support.deadstack import event, opened
from worker.app import Relay
from worker.console.drafts import Drafts
from worker.revisions.store import Revision, digest_of


@pytest.fixture
def parts(tmp_path, redis_url, customerio, monkeypatch):
    """A console whose configuration Redis owns and whose editors publish; one person is known."""
    with opened(tmp_path, redis_url, customerio, console_login="link", console_editors_publish=True) as stack:
        stack.deliver(event(1))
        made = Relay(stack.settings.model_copy(update={"integrations": None}), "console")
        text = stack.path.read_text()
        made.revisions.publish(Revision(text, digest_of(text), "a test", 1), 0)
        made.begin()
        # making Celery's application takes the settings of the whole process
        monkeypatch.setitem(sys.modules, "worker.tasks", SimpleNamespace(wake_job=lambda *_: True))
        yield made
        made.redis.close()


@pytest.mark.parametrize(("role", "jobs"), [(Role.EDITOR, 0), (Role.OPERATOR, 1)])
def test_a_resync_needs_more_than_the_right_to_publish(parts, role, jobs):
    """The box is shown to who may act; sent by somebody else all the same, it starts nothing, and the rest is done."""
    with site(parts) as console:
        browser = console.browser(role)
        text = parts.live.loaded.revision.text
        Drafts(parts.redis).save("anna", 1, text.replace("plan = true", 'plan = "tariff"'), "")
        review = browser.get("/review").text
        assert ('name="resync"' in review) == bool(jobs)
        found = {name: re.search(rf'name="{name}" value="(\w+)"', review)[1] for name in ("csrf", "hash")}
        typed = {f"typed.{n}": name for n, name in enumerate(re.findall(r"Type (\S+)</label>", review), 1)}
        sent = {"act": "publish", "note": "why", "resync": "production", **found, **typed}
        assert browser.post("/review", data=sent).headers["Location"] == "/published/2"
    assert parts.revisions.head() == 2
    assert len(parts.jobs.page(10)) == jobs
