"""Three-way merge: both changes are in the result, and what both changed is a conflict that somebody decides."""

import tomllib
from importlib import resources

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.rewrite import Rewrite
from config.statements import written_key
from worker.console.merging import Conflict, merge

EXAMPLE = resources.files("config").joinpath("integrations.toml").read_text("utf-8")
PRODUCTION = ("integrations", "production")

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def changed(*changes, text=EXAMPLE):
    rewrite = Rewrite(text)
    for place, values in changes:
        rewrite.change(place, values)
    return rewrite.text


def removed(*place):
    rewrite = Rewrite(EXAMPLE)
    rewrite.remove(place)
    return rewrite.text


def added(name, **values):
    rewrite = Rewrite(EXAMPLE)
    table = {"source": "my-app", "region": "eu", "site_id": "env:A", "api_key": "env:B", **values}
    rewrite.add(("integrations", name), table)
    return rewrite.text


def test_one_of_the_two_changed_nothing():
    """The other's text is the result, to the byte."""
    mine = changed((PRODUCTION, {"late": "mark"}))
    assert merge(EXAMPLE, mine, EXAMPLE).text == mine
    assert merge(EXAMPLE, EXAMPLE, mine).text == mine
    assert merge(EXAMPLE, mine, mine).text == mine


def test_different_keys_are_both_taken():
    """In another table, in the same one, removed and added."""
    mine = changed(
        ((*PRODUCTION, "events"), {"ACTIVATE": True, "SUBSCRIPTION_STARTED": None, "TRIAL_STARTED": "Trial"})
    )
    theirs = changed(((*PRODUCTION, "events"), {"DEACTIVATE": True}), (PRODUCTION, {"late": "mark"}))
    merged = merge(EXAMPLE, mine, theirs)
    assert (merged.conflicts, merged.errors) == ((), ())
    table = tomllib.loads(merged.text)["integrations"]["production"]
    assert table["events"] == {"*": True, "ACTIVATE": True, "DEACTIVATE": True, "TRIAL_STARTED": "Trial"}
    assert table["late"] == "mark"
    assert "# enable all, known and future" in merged.text


def test_the_same_key_is_a_conflict():
    """What is in force stays until somebody decides; then the decision holds."""
    key = "integrations.production.events.ACTIVATE"
    mine = changed(((*PRODUCTION, "events"), {"ACTIVATE": "Mine"}), (PRODUCTION, {"late": "mark"}))
    theirs = changed(((*PRODUCTION, "events"), {"ACTIVATE": None}))
    merged = merge(EXAMPLE, mine, theirs)
    assert merged.open == merged.conflicts == (Conflict(key, "false", '"Mine"', "no line"),)
    assert "ACTIVATE" not in tomllib.loads(merged.text)["integrations"]["production"]["events"]
    decided = merge(EXAMPLE, mine, theirs, {key: "mine"})
    assert decided.open == ()
    assert tomllib.loads(decided.text)["integrations"]["production"]["events"]["ACTIVATE"] == "Mine"
    assert merge(EXAMPLE, mine, theirs, {key: "theirs"}).open == ()


def test_a_secret_is_not_shown():
    """Neither reference nor sealed text, though it is a conflict."""
    mine, theirs = (
        changed((PRODUCTION, {"api_key": "sealed:mine"})),
        changed((PRODUCTION, {"api_key": "sealed:theirs"})),
    )
    (conflict,) = merge(EXAMPLE, mine, theirs).conflicts
    assert (conflict.mine, conflict.theirs) == ("another secret", "yet another secret")


def test_whole_integrations():
    """Added by one, removed by one, removed by one while the other changed it."""
    mine, theirs = added("mine"), changed((PRODUCTION, {"late": "mark"}), text=added("theirs"))
    merged = merge(EXAMPLE, mine, theirs)
    assert (merged.conflicts, merged.errors) == ((), ())
    assert set(tomllib.loads(merged.text)["integrations"]) == {"production", "sandbox", "mine", "theirs"}
    both = merge(EXAMPLE, added("same", late="mark"), added("same", late="skip"))
    assert [one.key for one in both.conflicts] == ["integrations.same.late"]
    gone = removed("integrations", "sandbox")
    assert merge(EXAMPLE, gone, changed((PRODUCTION, {"late": "mark"}))).conflicts == ()
    touched = changed((("integrations", "sandbox"), {"late": "mark"}))
    for first, second, mine_kept in ((gone, touched, False), (touched, gone, True)):
        place = "integrations.sandbox"
        (conflict,) = merge(EXAMPLE, first, second).conflicts
        assert (conflict.key, {conflict.mine, conflict.theirs}) == (place, {"present", "no line"})
        decided = tomllib.loads(merge(EXAMPLE, first, second, {place: "mine"}).text)
        assert ("sandbox" in decided["integrations"]) == mine_kept


def test_two_changes_that_do_not_fit_together_are_said():
    """Each loads, both together do not: two properties under one name."""
    properties = (*PRODUCTION, "user_properties")
    merged = merge(EXAMPLE, changed((properties, {"store": "shop"})), changed((properties, {"store_country": "shop"})))
    assert len(merged.errors) == 1
    assert "shop" in merged.errors[0]


VALUES = st.sampled_from([None, True, False, "One", "Two"])
EVENTS = st.dictionaries(st.sampled_from(["ACTIVATE", "DEACTIVATE", "TRIAL_STARTED", "NEW"]), VALUES, max_size=4)


@patient
@given(EVENTS, EVENTS, st.sampled_from(["mine", "theirs", None]))
def test_each_key_comes_from_who_changed_it(mine, theirs, choice):
    """And where both did, from who was chosen; nothing else differs."""
    place = (*PRODUCTION, "events")
    texts = [changed((place, values)) for values in (mine, theirs)]
    base, ours, other = (tomllib.loads(text)["integrations"]["production"]["events"] for text in (EXAMPLE, *texts))
    keys = {*base, *ours, *other}
    choices = {} if choice is None else {written_key((*place, key)): choice for key in keys}
    merged = merge(EXAMPLE, *texts, choices)
    result = tomllib.loads(merged.text)["integrations"]["production"]["events"]
    for key in keys:
        was, a, b = base.get(key), ours.get(key), other.get(key)
        wanted = b if a == was else a if b == was or choice == "mine" else b
        assert result.get(key) == wanted
    both = [
        key for key in keys if base.get(key) not in (ours.get(key), other.get(key)) and ours.get(key) != other.get(key)
    ]
    assert len(merged.conflicts) == len(both)
