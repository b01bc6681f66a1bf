"""What `relay up` prints once it is up, at four widths: files under tests/golden/cli."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from config.integrations import parse
from config.secrets import Secrets
from tests.support.screens import WIDTHS, same_screen
from worker.cli.printing import Styled
from worker.cli.up_picture import block
from worker.machine.serverfacts import Fact

FILE = """
[sources.app]
webhook_secret = "env:SECRET"

[sources.upstream]
tokens = ["env:TOKEN"]

[integrations.production]
source = "app"
region = "eu"
site_id = "env:SITE"
api_key = "env:KEY"
[integrations.production.events]
"*" = true

[integrations.crm]
source = "upstream"
region = "eu"
send = false
site_id = "env:SITE"
api_key = "env:OTHER"
[integrations.crm.events]
ACTIVATEE = true
"""
SECRETS = {"SECRET": "s" * 20, "TOKEN": "t" * 20, "SITE": "site", "KEY": "key", "OTHER": "other"}
REFUSED = Fact(
    "keys", "production", "wrong", "Customer.io refuses the key (401)", "correct KEY, and start the relay again"
)


def up(revision=3, **settings):
    """A relay that is up, as far as the picture looks at it."""
    relay = SimpleNamespace(
        settings=SimpleNamespace(data_dir=Path("/var/lib/relay"), integrations=None, **settings),
        integrations=parse(FILE, "the file", Secrets(SECRETS)),
        live=SimpleNamespace(loaded=SimpleNamespace(number=revision)),
    )
    return SimpleNamespace(
        relay=relay,
        web_url="http://127.0.0.1:8080",
        with_console=True,
        embedded=SimpleNamespace(server="Valkey 9.1"),
        console_link=lambda _by: "http://127.0.0.1:8081/login?token=T0KEN",
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_a_relay_that_is_up_fits_the_width(width, monkeypatch):
    """What is wrong and what is odd is wrapped; addresses and commands stay whole, to be pasted."""
    monkeypatch.setenv("RELAY_BY", "ann")
    pieces = block(up(), 2.34, [REFUSED], width)
    lines = ["".join(piece.text if isinstance(piece, Styled) else piece for piece in line) for line in pieces]
    same_screen(f"up-{width}", "\n".join(lines) + "\n")
    long = [line for line in lines if len(line) > width]
    assert all("http://" in line or "relay status" in line or "/var/lib" in line for line in long)
