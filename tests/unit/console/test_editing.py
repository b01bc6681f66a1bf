"""Edits of the integrations file from a form: only what was changed, in a text that loads."""

import tomllib
from importlib import resources

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from config.integrations import parse
from config.secrets import Secrets
from tests.support.posted import posted
from worker.console.editing import TABS, edit
from worker.console.form import form_of
from worker.console.looking import look
from worker.errors import OperatorError
from worker.store.arrivals import Seen

EXAMPLE = resources.files("config").joinpath("integrations.toml").read_text("utf-8")
TERSE = """\
sources.app.tokens = "env:TOKEN"
[integrations.crm]
source = "app"
region = "us"
site_id = "env:SITE"
api_key = "env:KEY"
events = { SUBSCRIPTION_EXPIRED = "Over", LOYALTY = true }
event_attributes.rename = { plan = "tier" }
event_attributes.include = []
identity.id = ["crm_id"]
user_properties.plan = "tier"
"""
FILES = {"production": EXAMPLE, "sandbox": EXAMPLE, "crm": TERSE}

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def seal(secret):
    return f"sealed:{secret.encode().hex()}"


def no_key(_secret):
    raise OperatorError("no key to seal with")


def change(name, tab, text=None, **changes):
    """What comes of the form of a file with some fields changed."""
    text = text or FILES[name]
    return edit(text, name, tab, posted(form_of(text, name), tab, **changes), seal)


def saved(name, tab, text=None, **changes):
    """The integration's table after an edit without errors."""
    edited = change(name, tab, text, **changes)
    assert edited.errors == {}
    assert parse(edited.text, "f.toml", Secrets({}), lenient=True).integrations[name]
    return tomllib.loads(edited.text)["integrations"][name]


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("name", FILES)
def test_a_form_saved_as_it_is_changes_no_byte(name, tab):
    """Whatever the file looks like: comments, order, spaces, inline tables."""
    edited = change(name, tab)
    assert (edited.text, edited.errors, edited.changed) == (FILES[name], {}, False)


def test_an_event_is_switched_on_and_renamed():
    """One line each, where the file has it or behind the last one."""
    edited = change(
        "production",
        "events",
        events__ACTIVATE__on="on",
        events__RENEWAL_DISABLED__name=" Cancelled ",
        events__TRIAL_STARTED__on=None,
    )
    new = [line for line in edited.text.splitlines() if line not in EXAMPLE.splitlines()]
    assert [line.split("#")[0].strip() for line in new] == [
        "ACTIVATE = true",
        "TRIAL_STARTED = false",
        'RENEWAL_DISABLED = "Cancelled"',
    ]
    form = form_of(edited.text, "production")
    assert [(row.code, row.on, row.name) for row in form.events if row.code in {"ACTIVATE", "RENEWAL_DISABLED"}] == [
        ("ACTIVATE", True, ""),
        ("RENEWAL_DISABLED", True, "Cancelled"),
    ]


def test_all_events_switched_off_leaves_the_rows_as_they_are_shown():
    """What was sent by the switch for all is sent by a line of its own; a future code is not."""
    events = saved("sandbox", "events", events__all=None)["events"]
    assert events.pop("*") is False
    assert set(events.values()) == {True}
    assert len(events) == 44


def test_all_events_switched_on_takes_the_rows_with_it():
    """But for those that the file switches off itself, or that were changed in the same form."""
    off = change("sandbox", "events", events__all=None, events__ACTIVATE__on=None).text
    form = form_of(off, "sandbox")
    edited = change("sandbox", "events", off, events__all="on", events__DEACTIVATE__on=None)
    rows = {row.code: row.on for row in form_of(edited.text, "sandbox").events}
    assert form.differing == 43
    assert [code for code, on in rows.items() if not on] == ["ACTIVATE", "DEACTIVATE"]


def test_a_retired_code_speaks_for_its_successor():
    """Its name is shown at the successor; an edit is written under the code that is sent."""
    (row,) = [row for row in form_of(TERSE, "crm").events if row.code == "SUBSCRIPTION_TERMINATED"]
    assert (row.on, row.name) == (True, "Over")
    events = saved("crm", "events", events__SUBSCRIPTION_TERMINATED__name="Ended")["events"]
    assert events == {"SUBSCRIPTION_EXPIRED": "Over", "LOYALTY": True, "SUBSCRIPTION_TERMINATED": "Ended"}


def test_a_future_code():
    """One that the catalogue does not have is added by name, or by its row where the traffic has it."""
    assert saved("crm", "events", events__new__code="NEW_CODE", events__new__name="New")["events"]["NEW_CODE"] == "New"
    assert saved("crm", "events", events__SEEN__name="", events__SEEN__on="on")["events"]["SEEN"] is True
    edited = change("crm", "events", events__new__code="ACTIVATE")
    assert edited.errors == {"events.new.code": "ACTIVATE is in the list already; change its row"}


def test_names_that_customer_io_rejects_are_errors_at_their_row():
    """And nothing is written."""
    edited = change("production", "events", events__RENEWAL_DISABLED__name="é" * 51)
    assert edited.errors == {"events.RENEWAL_DISABLED.name": "the name is longer than 100 bytes; shorten it"}
    assert edited.text == EXAMPLE
    edited = change("production", "properties", properties__plan__name="email")
    assert list(edited.errors) == ["properties.plan.name"]


def test_properties():
    """On, off, and under another attribute name."""
    table = saved(
        "production",
        "properties",
        properties__store__on="on",
        properties__store__name="shop",
        properties__plan__on=None,
    )
    assert (table["user_properties"]["store"], table["user_properties"]["plan"]) == ("shop", False)


def test_an_account():
    """A key that was typed is sealed; one left empty stays; a reference is taken as it is."""
    table = saved("production", "account", enabled=None, region="US", api_key=" s3cret ")
    assert (table["enabled"], table["region"], table["site_id"]) == (False, "us", "env:CUSTOMERIO_SITE_ID")
    assert table["api_key"] == seal("s3cret")
    assert saved("production", "account", site_id="env:OTHER")["site_id"] == "env:OTHER"
    for wrong in ("two words", "env:lower", "schlüssel"):
        assert list(change("production", "account", api_key=wrong).errors) == ["api_key"]
    fields = posted(form_of(EXAMPLE, "production"), "account", api_key="s3cret")
    assert edit(EXAMPLE, "production", "account", fields, no_key).errors == {"api_key": "no key to seal with"}
    assert change("production", "account", region="mars").errors["region"].startswith('"mars" is not possible')


def test_people():
    """The integration's own chain and that of its source, which decides the shard."""
    edited = change("production", "people", identity__anonymous="profile", source__id="user_id\ncustomerio_user_id")
    data = tomllib.loads(edited.text)
    assert data["integrations"]["production"]["identity"]["anonymous"] == "profile"
    assert data["sources"]["my-app"]["identity"]["id"] == ["user_id", "customerio_user_id"]
    assert saved("crm", "people", identity__id="").get("identity", {}) == {}
    warned = dict(form_of(change("production", "people", identity__id="crm_id").text, "production").warnings)
    assert "decides the shard" in warned["identity.id"]


def test_advanced():
    """Environments, address, and what of the payload an event carries."""
    table = saved(
        "production",
        "advanced",
        environments=["PRODUCTION", "SANDBOX"],
        base_url="http://127.0.0.1:9",
        late="mark",
        exclude="device_id, placement",
        rename="store_country = country",
    )
    assert (table["environments"], table["base_url"], table["late"]) == (
        ["PRODUCTION", "SANDBOX"],
        "http://127.0.0.1:9",
        "mark",
    )
    assert table["event_attributes"] == {"exclude": ["device_id", "placement"], "rename": {"store_country": "country"}}
    assert "base_url" not in saved("production", "advanced", base_url="")
    assert list(change("production", "advanced", rename="plan").errors) == ["rename"]
    assert list(change("production", "advanced", environments=None).errors) == ["environments"]
    assert list(change("production", "advanced", base_url="ftp://x").errors) == ["base_url"]
    assert list(change("production", "advanced", source="nobody").errors) == ["source"]


def test_a_switch_that_is_not_shown_stays_as_it_is():
    """A page without the switch for sending must not stop it."""
    fields = posted(form_of(EXAMPLE, "production"), "advanced", late="mark")
    del fields["send"], fields["send.shown"]
    table = tomllib.loads(edit(EXAMPLE, "production", "advanced", fields, seal).text)["integrations"]["production"]
    assert (table["late"], table["send"]) == ("mark", True)
    assert saved("production", "advanced", send=None)["send"] is False


def test_what_came_this_week_and_would_stop_is_said_at_once():
    """A rename, or a switch turned off, of what was sent; not of what did not come, or was not sent before."""
    running = parse(EXAMPLE, "f.toml", Secrets({}), lenient=True).integrations["production"]
    seen = {"RENEWAL_DISABLED": Seen(12, 1), "TRIAL_STARTED": Seen(1, 1), "ACTIVATE": Seen(9, 1)}
    edits = {"RENEWAL_DISABLED.name": "Off", "TRIAL_STARTED.on": None, "ACTIVATE.on": "on", "DEACTIVATE.on": "on"}
    fields = posted(form_of(EXAMPLE, "production"), "events", **{f"events.{k}": v for k, v in edits.items()})
    text = edit(EXAMPLE, "production", "events", fields, seal).text
    rows = {row.code: row.warnings for row in form_of(text, "production", seen, None, running).events if row.warnings}
    assert set(rows) == {"RENEWAL_DISABLED", "TRIAL_STARTED"}
    assert rows["TRIAL_STARTED"][0].startswith("sent as TRIAL_STARTED until now, once in the last 7 days")
    assert all(not row.warnings for row in form_of(EXAMPLE, "production", seen, None, running).events)


def test_events_are_under_the_headings_of_the_catalogue():
    """As the page shows them, codes that are in no list last."""
    categories = form_of(EXAMPLE, "production", {"A_NEW_CODE": Seen(3, 1)}).categories
    headings = [heading for heading, _ in categories]
    assert (headings[0], headings[-1], len(set(headings))) == ("entitlement", "other codes", len(headings))
    assert [row.code for row in categories[-1][1]] == ["A_NEW_CODE"]


def test_rows_say_while_somebody_types_what_would_happen():
    """Two codes of one name at both rows, an error at its own; what was there before is no news; nothing is kept."""
    seen = {"A_NEW_CODE": Seen(3, 1)}
    edits = {"RENEWAL_DISABLED.name": "Off", "DEACTIVATE.on": "on", "DEACTIVATE.name": "Off", "ACTIVATE.on": "on"}
    edits |= {"ACTIVATE.name": "X" * 101}
    fields = posted(form_of(EXAMPLE, "production"), "events", **{f"events.{k}": v for k, v in edits.items()})
    screen = look(EXAMPLE, "production", "events", fields, seal, seen, None)
    said = {field: (wrong, warnings) for field, _, wrong, warnings in screen.facts["rows"] if wrong or warnings}
    assert screen.facts["new"] == ["ACTIVATE", "DEACTIVATE", "RENEWAL_DISABLED"]
    assert said["events.ACTIVATE.name"][0] == "the name is longer than 100 bytes; shorten it"
    assert said["events.DEACTIVATE.name"] == (
        "",
        ("the name of RENEWAL_DISABLED too: Customer.io cannot tell them apart",),
    )
    assert said["events.RENEWAL_DISABLED.name"][1] == (
        "the name of DEACTIVATE too: Customer.io cannot tell them apart",
    )
    assert said["events.A_NEW_CODE.name"][1][0].startswith("not in the catalogue")
    fields = posted(form_of(EXAMPLE, "production"), "properties", properties__plan__name="ä.b" * 60)
    screen = look(EXAMPLE, "production", "properties", fields, seal, {}, None)
    assert screen.facts["new"] == ["plan"]
    nothing = look(EXAMPLE, "production", "people", {}, seal, {}, None).facts
    assert (nothing["rows"], nothing["new"]) == ([], [])


def test_two_properties_under_one_name_are_said_while_somebody_types():
    """Where it would not load, with what it says then; where a family would overwrite one, as `relay check` warns."""
    edits = {"plan": "tier", "store": "tier", "subscription_status": "cumulated_revenue_in_eur"}
    edits = {f"properties.{name}.name": to for name, to in edits.items()}
    on = {f"{field.removesuffix('name')}on": "on" for field in edits} | {"properties.cumulated_revenue_in_*.on": "on"}
    fields = posted(form_of(EXAMPLE, "production"), "properties", **edits, **on)
    screen = look(EXAMPLE, "production", "properties", fields, seal, {}, None)
    said = {field: (wrong, warnings) for field, _, wrong, warnings in screen.facts["rows"] if wrong or warnings}
    assert sorted(said) == ["properties.store.name", "properties.subscription_status.name"]
    assert said["properties.store.name"][0] == '"tier" already holds the user property plan; write another name'
    assert "overwrites it; write another name" in said["properties.subscription_status.name"][1][0]


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({}, 1),
        ({"events.ACTIVATE.on": None}, 2),
        ({"events.ACTIVATE.name": "Access"}, 2),
        ({"events.ACTIVATE.name": "ACTIVATE"}, 1),
        ({"events.RENEWAL_DISABLED.name": ""}, 0),
        ({"events.all": None}, -1),
    ],
)
def test_how_many_rows_differ_is_as_typed_and_as_saved(changes, differing):
    """The count beside the switch for all rows follows what is typed, and is the same once that is saved."""
    text = TERSE.replace("LOYALTY = true }", 'LOYALTY = true, RENEWAL_DISABLED = "Off", "*" = true }').replace(
        'SUBSCRIPTION_EXPIRED = "Over", ', ""
    )
    fields = posted(form_of(text, "crm"), "events", **changes)
    codes = len(form_of(text, "crm").events)
    typed = look(text, "crm", "events", fields, seal, {}, None).facts["differing"]
    saved_text = edit(text, "crm", "events", fields, seal).text
    assert typed == form_of(saved_text, "crm").differing == (differing if differing >= 0 else codes)


def test_rows_that_the_file_does_not_mention_follow_the_switch_for_all_at_once():
    """Turned on, they are sent once that is saved: then the count and the warnings say so while it is not."""
    text = TERSE.replace("LOYALTY = true }", 'RENEWAL_DISABLED = "ACTIVATE" }')
    fields = posted(form_of(text, "crm"), "events", **{"events.all": "on"})
    screen = look(text, "crm", "events", fields, seal, {}, None)
    assert screen.facts["differing"] == form_of(edit(text, "crm", "events", fields, seal).text, "crm").differing == 2
    assert "ACTIVATE" in screen.facts["new"]


def test_a_new_code_that_is_wrong_is_said_where_it_was_typed():
    """It is in no row yet, so that its error was nowhere on the page."""
    fields = posted(form_of(EXAMPLE, "production"), "events", **{"events.new.code": "A_NEW_CODE"})
    fields["events.new.name"] = ["X" * 101]
    assert list(edit(EXAMPLE, "production", "events", fields, seal).errors) == ["events.new.code"]
    assert "shorten it" in look(EXAMPLE, "production", "events", fields, seal, {}, None).facts["code"]


TEXTS = st.text(max_size=8) | st.sampled_from(
    ["email", "ACTIVATE", "*", "a.b", '"', "env:X", "sealed:x", "é" * 60, "\n=\n"]
)


@st.composite
def tampered(draw):
    """A posted form with some fields changed, dropped, and some that nobody asked for."""
    name = draw(st.sampled_from(list(FILES)))
    tab = draw(st.sampled_from(TABS))
    fields = posted(form_of(FILES[name], name), tab)
    for _ in range(draw(st.integers(0, 4))):
        known = draw(st.sampled_from(sorted(fields) or ["enabled"]))
        match draw(st.sampled_from(["change", "drop", "invent"])):
            case "change":
                fields[known] = [draw(TEXTS)]
            case "drop":
                fields.pop(known, None)
            case "invent":
                fields[
                    draw(st.sampled_from([f"events.{draw(TEXTS)}.name", f"properties.{draw(TEXTS)}.on", draw(TEXTS)]))
                ] = [draw(TEXTS)]
    return name, tab, fields


@patient
@given(tampered())
@example(("crm", "events", {"events.*.name": [""], "events.*.on": ["on"]}))
def test_whatever_is_posted_the_text_loads(case):
    """Or there are errors, each with a sentence, and the text is the old one."""
    name, tab, fields = case
    edited = edit(FILES[name], name, tab, fields, seal)
    if edited.errors:
        assert edited.text == FILES[name]
        assert all(edited.errors.values())
    else:
        assert name in parse(edited.text, "f.toml", Secrets({}), lenient=True).integrations
        again = posted(form_of(edited.text, name), tab)
        assert edit(edited.text, name, tab, again, seal).text == edited.text
