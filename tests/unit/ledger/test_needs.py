"""What needs somebody, from what was read of a relay."""

import msgspec
import pytest

from worker.ledger.accounts import Account
from worker.ledger.audit import Finding
from worker.ledger.fleet import Fleet
from worker.ledger.headroom import Bound
from worker.ledger.metrics import Figures
from worker.ledger.needs import needs
from worker.ledger.past import Past
from worker.ledger.trends import Trend
from worker.store.archive_state import ArchiveState
from worker.store.holds import Hold
from worker.store.processes import Process
from worker.store.refusals import Refused

NOW_MS = 1_760_000_000_000
MINUTE_MS = 60_000


def process(role, **changes):
    one = Process("host", 7, role, "1.0", 3, NOW_MS - 3_600_000)
    return msgspec.structs.replace(one, **changes)


def figures(**changes):
    """A relay on which nothing needs anybody."""
    well = Figures(
        intake={"app": {"accepted": 5, "duplicates": 0, "conflicting": 0}},
        accounts=[Account("production", "app", enabled=True, accepted=5, delivered=5)],
        bounds=[Bound("memory", "", 10, 100), Bound("dead letters", "production", 0, 100)],
        fleet=Fleet(3, NOW_MS - 3_600_000, NOW_MS, [process("web"), process("worker"), process("beat")]),
        past=Past(NOW_MS, ArchiveState()),
    )
    return msgspec.structs.replace(well, **changes)


def held(kind, since_ms, by="relay"):
    hold = Hold(kind, by, since_ms, 3, 0, 503, "")
    return [Account("production", "app", enabled=True, hold=hold, accepted=9, delivered=7, waiting=2)]


def fleet(*processes):
    return Fleet(3, NOW_MS - 3_600_000, NOW_MS, list(processes))


def test_where_all_is_well_nobody_is_needed():
    """No list that cries wolf."""
    assert needs(figures(), [], NOW_MS) == []


def test_a_destination_that_is_away_for_a_moment_needs_nobody():
    """It comes back by itself; after five minutes somebody should know."""
    assert needs(figures(accounts=held("unreachable", NOW_MS - MINUTE_MS)), [], NOW_MS) == []
    assert needs(figures(accounts=held("unreachable", NOW_MS + MINUTE_MS)), [], NOW_MS) == []
    (need,) = needs(figures(accounts=held("unreachable", NOW_MS + 120 * MINUTE_MS)), [], NOW_MS)
    assert need.message.startswith("production is held for 0"), "by a host whose clock is ahead"
    (need,) = needs(figures(accounts=held("unreachable", NOW_MS - 6 * MINUTE_MS)), [], NOW_MS)
    assert (need.key, need.kind, need.integration, need.urgent) == ("held:production", "held", "production", True)
    assert need.message == "production is held for 6 min: unreachable (answer 503); 2 events wait"
    assert need.since_ms == NOW_MS - 6 * MINUTE_MS


def test_what_ends_a_hold_says_where_the_configuration_is_changed():
    """In the file that owns it, where one does; the alerts say it too."""
    wrong = figures(accounts=held("misdirected", NOW_MS))
    assert "publish that (relay config apply FILE)" in needs(wrong, [], NOW_MS)[0].advice
    assert "publish that (change /etc/f.toml, restart" in needs(wrong, [], NOW_MS, file="/etc/f.toml")[0].advice
    owned = figures(fleet=fleet(process("web", owner="store"), process("beat", owner="file")))
    assert owned.fleet.owning_file == "the integrations file on host"


def test_a_broker_that_is_away_is_what_is_said_of_all_that_waits():
    """More workers would not help, as was advised of each integration after ten minutes."""
    behind = Account("production", "app", enabled=True, accepted=9, delivered=7, waiting=2, oldest_ms=10 * MINUTE_MS)
    (need,) = needs(figures(accounts=[behind], broker="ConnectionRefusedError"), [], NOW_MS)
    assert (need.key, need.kind, need.urgent) == ("absent:broker", "absent", True)
    assert "the broker does not answer (ConnectionRefusedError)" in need.message
    assert "RELAY_BROKER_URL" in need.advice


def test_who_is_far_behind_and_not_held_needs_somebody():
    """Workers are missing or too few; a hold is a need of its own, and what is off sends nothing."""
    behind = Account("production", "app", enabled=True, accepted=9, delivered=7, waiting=2, oldest_ms=10 * MINUTE_MS)
    (need,) = needs(figures(accounts=[behind]), [], NOW_MS)
    assert (need.key, need.kind, need.urgent) == ("late:production", "late", False)
    assert need.message == "production is 10 min behind and is not held; 2 events wait"
    for change in (
        {"oldest_ms": 10 * MINUTE_MS - 1},
        {"enabled": False},
        {"hold": Hold("unreachable", "relay", NOW_MS, 3, 0, 503, "")},
    ):
        assert needs(figures(accounts=[msgspec.structs.replace(behind, **change)]), [], NOW_MS) == []


def test_senders_with_a_wrong_secret_need_somebody():
    """Where the source is ours and it goes on; what is refused for another cause, or of no source of ours, is not."""
    (need,) = needs(figures(), [], NOW_MS, refused=[Refused("app", 401, 35)])
    assert (need.key, need.kind, need.urgent) == ("refused:app", "refused", False)
    assert need.message == "35 requests for app had a wrong secret within the hour, and got 401"
    for harmless in (Refused("app", 401, 9), Refused("app", 422, 35), Refused("", 401, 35)):
        assert needs(figures(), [], NOW_MS, refused=[harmless]) == []


def test_a_refused_key_needs_somebody_at_once_and_a_hold_by_hand_is_not_urgent():
    """The first will not heal; the second was meant."""
    (refused,) = needs(figures(accounts=held("unauthorized", NOW_MS)), [], NOW_MS)
    assert refused.urgent
    (meant,) = needs(figures(accounts=held("operator", NOW_MS, "operator")), [], NOW_MS)
    assert not meant.urgent
    assert "relay resume" in meant.advice


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"intake": {"app": {"lost": 9, "restored": 4, "acknowledged": 0}}}, ["lost:app"]),
        ({"intake": {"app": {"lost": 9, "restored": 4, "acknowledged": 5}}}, []),
        ({"bounds": [Bound("memory", "", 95, 100)]}, ["bound:memory"]),
        ({"bounds": [Bound("dead letters", "production", 99, 100)]}, ["bound:dead_letters:production"]),
        ({"fleet": fleet(process("web"))}, ["absent:worker", "absent:beat"]),
        (
            {"fleet": fleet(process("web", revision=2), process("worker", missing=1), process("beat"))},
            ["config:secrets:worker:host", "config:behind:web:host"],
        ),
        (
            {"fleet": fleet(process("web", broken="f, line 3: x"), process("worker"), process("beat"))},
            ["config:file:host"],
        ),
        (
            {"fleet": fleet(process("web", owner="file"), process("worker"), process("beat"))},
            ["config:owners"],
        ),
        ({"past": Past(NOW_MS, ArchiveState(failing_since_ms=NOW_MS, reason="full"))}, ["archive"]),
    ],
)
def test_each_need_has_a_key_that_stays(changes, keys):
    """One alert differs from the next by it, so it has no count and no time in it."""
    assert [need.key for need in needs(figures(**changes), [], NOW_MS)] == keys


def test_books_that_do_not_balance_are_one_need():
    """However many findings there are; what Redis lost is a need of its own."""
    findings = [Finding("production", shard, "off by 1") for shard in (3, 4)]
    lost = [Finding("", 3, "Redis lost 9 events of source app after their 200")]
    (need,) = needs(figures(), findings + lost, NOW_MS)
    assert need.message == "the books do not balance: production, shard 3: off by 1 (and 1 more)"
    assert needs(figures(), lost, NOW_MS) == []


def test_the_urgent_come_first():
    """Whoever reads one line reads the right one."""
    found = needs(
        figures(accounts=held("operator", NOW_MS, "operator"), fleet=fleet(process("web"), process("beat"))), [], NOW_MS
    )
    assert [need.key for need in found] == ["absent:worker", "held:production"]


def test_what_failed_and_is_solved_needs_nobody():
    """Its dead letters were replayed or discarded: for the rest of the hour it was still to be done, with no way to."""
    trends = {"production": Trend(failed=30, settled=300)}
    assert needs(figures(), [], NOW_MS, trends) == []
    rejected = [Account("production", "app", enabled=True, accepted=5, delivered=5, properties=1)]
    assert [need.kind for need in needs(figures(accounts=rejected), [], NOW_MS, trends)] == ["failing"]


def test_trends_and_certificates_are_needs():
    """Failures that grow, silence, and a certificate that ends within three weeks."""
    day_ms = 86_400_000
    found = needs(
        figures(accounts=[Account("production", "app", enabled=True, accepted=35, delivered=5, dead=30)]),
        [],
        NOW_MS,
        {"production": Trend(failed=30, settled=300), "quiet": Trend(silent_h=6), "well": Trend()},
        {"Redis at h:1": NOW_MS + 2 * day_ms, "the console at c": NOW_MS + 20 * day_ms, "far": NOW_MS + 30 * day_ms},
    )
    assert [(need.key, need.urgent) for need in found] == [
        ("expiring:Redis at h:1", True),
        ("failing:production", False),
        ("silent:quiet", False),
        ("expiring:the console at c", False),
    ]
    assert found[0].message == "the certificate of Redis at h:1 ends in 2 d"
    assert found[1].message == "30 events of production failed within the hour (10 %), more than usual"
