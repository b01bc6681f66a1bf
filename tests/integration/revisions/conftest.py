"""Revisions over an empty Redis."""

import pytest

from config.secrets import Secrets
from worker.revisions.lastgood import LastGood
from worker.revisions.live import Live
from worker.revisions.store import Revision, Revisions, digest_of

ENVIRON = {"SECRET": "s", "SITE": "site", "KEY": "key"}
TEXT = """\
[sources.app]
webhook_secret = "env:SECRET"
[integrations.{name}]
source = "app"
region = "eu"
site_id = "env:SITE"
api_key = "env:{key}"
[integrations.{name}.events]
"*" = true
"""


def text(name="production", key="KEY"):
    return TEXT.format(name=name, key=key)


def revision(content, **given):
    return Revision(content, digest_of(content), **{"by": "ann", "at_ms": 1, **given})


@pytest.fixture
def revisions(redis_client):
    return Revisions(redis_client)


class Host:
    """One process: its own file (None: Redis owns the configuration), data folder and clock."""

    def __init__(self, folder, revisions, environ):
        self.folder = folder
        self.clock_s = 100.0
        self.adopted = []
        self.secrets = Secrets(environ)
        self.file = None
        self.revisions = revisions
        self.fault = None

    def start(self, content=None):
        if content is not None:
            self.file = self.folder / "integrations.toml"
            self.folder.mkdir(exist_ok=True)
            self.file.write_text(content)
        self.live = Live(
            self.revisions, self.secrets, self.file, LastGood(self.folder), self._adopt, lambda: self.clock_s
        )
        self.live.begin("a test")
        return self

    def _adopt(self, loaded):
        if self.fault:
            raise self.fault
        self.adopted.append(loaded.number)

    def look(self, after_s=1.0):
        self.clock_s += after_s
        return self.live.look()

    @property
    def number(self):
        return self.live.loaded.number

    @property
    def names(self):
        return list(self.live.loaded.integrations.integrations)


@pytest.fixture
def host(tmp_path, revisions):
    made = []

    def make(environ=ENVIRON, store=revisions):
        made.append(Host(tmp_path / f"host-{len(made)}", store, environ))
        return made[-1]

    return make
