"""The lines of `relay check`."""

import pytest

from tests.support.screens import WIDTHS, same_screen
from worker.cli.check import _show
from worker.machine.serverfacts import Fact


def test_each_line_names_what_it_is_about(capsys):
    """An integration whose name occurs in a warning is named all the same; what opens with it is not named twice."""
    _show(
        [
            Fact("file", "test", "warning", "takes SANDBOX: test purchases reach real people"),
            Fact("file", "a.toml", "wrong", "a.toml:3: integrations.test: unknown key"),
            Fact("file", "", "ok", "1 source"),
        ]
    )
    assert [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()[1:4]] == [
        "test  takes SANDBOX: test purchases reach real people",
        "a.toml:3: integrations.test: unknown key",
        "1 source",
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_found_fits_the_width(capsys, monkeypatch, width):
    """What is too long goes on below its own beginning; an address stays whole."""
    monkeypatch.setattr("worker.cli.check.terminal_width", lambda: width)
    remedy = "compare site_id and api_key (lines 8 and 9 of the file) with Customer.io's Track API credentials"
    _show(
        [
            Fact("file", "relay.toml", "ok", "1 source, 2 integrations"),
            Fact("customer.io", "production", "ok", "the key works, region eu, workspace 1"),
            Fact("customer.io", "crm-test", "wrong", "the key is refused: Unauthorized", remedy),
            Fact("redis", "address", "ok", "redis://redis.internal:6379/0"),
            Fact("redis", "eviction", "ok", "noeviction: a full server refuses new events and keeps the stored ones"),
        ]
    )
    text = capsys.readouterr().out
    same_screen(f"check-{width}", text)
    assert max(map(len, text.splitlines())) <= width
