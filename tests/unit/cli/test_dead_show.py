"""What `relay dead show` prints of a letter, at four widths: files under tests/golden/cli."""

import pytest

from tests.support.deadletter import letter
from tests.support.screens import WIDTHS, same_screen
from worker.cli.dead import show

NOW_MS = 1_760_000_600_000
LETTER = letter(
    {
        "event_name": "SUBSCRIPTION_RENEWED",
        "event_id": "e-1",
        "user_id": "ann",
        "environment": "PRODUCTION",
        "plan": "monthly",
        "event_created_at_ms": 1_760_000_000_000,
    },
    attempts=[
        {"at_ms": 1_760_000_000_700, "status": 0, "took_ms": 5000, "message": "timeout"},
        {"at_ms": 1_760_000_000_900, "status": 207, "took_ms": 38, "message": "name: invalid: no such name"},
    ],
    operations=['{"type":"person","action":"event","identifiers":{"id":"ann"},"name":"SUBSCRIPTION_RENEWED"}'],
    replays=1,
)
TOLD = {
    "advice": "fix what it names, by [event_attributes] exclude or rename, another name in [events] or an edit",
    "now": {"outcome": "dead", "reason": "rejected", "message": "refused by Customer.io as before"},
    "previous": {"event": "ACTIVATE", "time_ms": 1_759_990_000_000, "became": "delivered"},
    "next": None,
    "curl": 'curl -sS -X POST https://track-eu.customer.io/api/v2/batch \\\n  --data-binary {"batch":[]}',
}
FIX = [("fix", "the name in [events]; then relay dead replay 1"), ("publish", "relay config apply FILE")]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_letter_fits_the_width(width, monkeypatch, capsys):
    """What is said of it is wrapped; the event, and what is to be pasted, stay as they are."""
    monkeypatch.setattr(show, "terminal_width", lambda: width)
    monkeypatch.setattr(show.time, "time_ns", lambda: NOW_MS * 1_000_000)
    show._show(LETTER, TOLD, FIX, full=False)
    printed = capsys.readouterr().out
    same_screen(f"dead-show-{width}", printed)
    head, _, _ = printed.partition("\nas received:")
    assert max(map(len, head.splitlines())) <= width
