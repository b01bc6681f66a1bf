"""The page of one failure: the ways that apply, each tried on its letters, and the steps to the last replay."""

import re
from pathlib import Path

import pytest

from config.roles import Role
from tests.support.consoledoor import site, text_of
from tests.support.deadstack import event, opened
from worker.acts.publishing import publish
from worker.acts.record import Doer
from worker.ledger.figures import Ledger
from worker.ledger.sampling import take_sample
from worker.store.samples import Samples

NEW = "LOYALTY_TIER_CHANGED"
LATER_MS = 1_795_000_000_000


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio, monkeypatch):
    """A relay whose configuration is the store's; Customer.io refused five events by their name, one has none."""
    with opened(tmp_path, redis_url, customerio, console_login="link", data_dir=tmp_path) as stack:
        monkeypatch.setattr("worker.app.relay", lambda: stack.parts)
        monkeypatch.setattr("worker.tasks.wake_job", lambda _, job_id: stack.jobs_woken.append(job_id))
        stack.parts.role = "console"
        stack.parts.begin()
        stack.faults(reject_event_names=frozenset({NEW}))
        stack.deliver(*[event(number, NEW) for number in range(5)], event(9, None, event_id="nameless"))
        yield stack


def group(stack, reason="rejected"):
    """The number of the group of that reason."""
    from worker.console.failures import read_groups

    (one,) = [one for one in read_groups(stack.parts) if one.reason == reason]
    return one.number


def form(page: str) -> dict[str, str]:
    """What the form would send as it is: the token, the chosen way, what is written in it."""
    inside = re.search(r'<form[^>]*class="ways.*?</form>', page, re.DOTALL)[0]
    found = {"csrf": re.search(r'name="csrf" value="(\w+)"', inside)[1]}
    for field in re.findall(r"<input[^>]*>", inside):
        name, value = (re.search(rf'{key}="([^"]*)"', field) for key in ("name", "value"))
        if 'type="radio"' in field and " checked" not in field:
            continue
        if 'type="checkbox"' not in field and value:
            found[name[1]] = value[1]
    return found


def hidden(page: str) -> dict[str, str]:
    """What the form of a review carries, with all that it asks for."""
    typed = {f"typed.{number}": "production" for number in range(1, 3)}
    return dict(re.findall(r'<input type="hidden" name="(csrf|failure|hash)" value="(\w+)"', page)) | typed


def ways(page: str) -> dict[str, str]:
    """What is said of each way that may be chosen, by its name; the chosen one is `chosen`."""
    found = {}
    for kind, more in re.findall(r'<input type="radio" name="choice" value="(\w+)"([^>]*)>', page):
        if " checked" in more:
            found["chosen"] = kind
        found[kind] = text_of(re.search(rf'id="said-{kind}">(.*?)</p>', page, re.DOTALL)[1])
    return found


def test_each_way_that_applies_is_tried_on_its_letters(console, stack):
    """Unchanged they would be refused again; a name made of the code would pass and is chosen; nothing was sent."""
    before = len(stack.arrived())
    page = console.browser(Role.OPERATOR).get(f"/failures/{group(stack)}").text
    assert ways(page) == {
        "unchanged": "0 would pass; 5 would be refused again: what Customer.io refused has not changed",
        "name": "5 would pass; try 3 first",
        "chosen": "name",
        "off": "0 would pass; 5 would be filtered: the event filter has it off",
        "field": "Not tried yet: write the field and its value.",
        "discard": "Saved first; undo for 7 days.",
    }
    assert 'name="name" value="Loyalty Tier Changed"' in page
    assert "Tried on all 5; nothing was sent." in text_of(page)
    assert "What Customer.io says" in page
    assert "in the last hour 5" in text_of(page)  # the table behind the bars of the list
    assert f"/integrations/production?tab=events&amp;find={NEW}" in page
    assert len(stack.arrived()) == before


def test_a_way_that_cannot_help_is_not_shown(console, stack):
    """An event without a name has no other name, and is not switched off; the field that is missing is suggested."""
    page = console.browser(Role.OPERATOR).get(f"/failures/{group(stack, 'no_event_name')}").text
    found = ways(page)
    assert list(found) == ["unchanged", "field", "discard"]  # and none of them is chosen: nothing would pass
    assert 'name="path" value="event_name"' in page
    assert "What Customer.io says" not in page  # it was never sent
    assert "/integrations/production?tab=" not in page  # no setting gives an event a name


def test_what_is_written_into_a_way_is_tried(console, stack):
    """A name that is too long, one that is refused still, a field and its value; the way stays chosen."""
    browser, number = console.browser(Role.OPERATOR), group(stack)
    sent = form(browser.get(f"/failures/{number}").text)
    answer = browser.post(f"/failures/{number}", data={**sent, "name": "X" * 101, "act": "name"})
    found = ways(browser.get(answer.headers["Location"]).text)
    assert found["chosen"] == "name"
    assert "100 bytes" in found["name"]
    nameless = group(stack, "no_event_name")
    sent = form(browser.get(f"/failures/{nameless}").text)
    answer = browser.post(f"/failures/{nameless}", data={**sent, "act": "field", "value": "RENEWAL_DISABLED"})
    found = ways(browser.get(answer.headers["Location"]).text)
    assert (found["chosen"], found["field"]) == ("field", "1 would be changed; then 1 would pass")


def test_where_a_file_owns_the_configuration_the_change_is_taken_there(console, stack):
    """Review knows the failure, and offers the change instead of publishing it."""
    browser, number = console.browser(Role.OPERATOR), group(stack)
    here = f"/failures/{number}"
    answer = browser.post(here, data={**form(browser.get(here).text), "act": "review"})
    assert answer.headers["Location"] == f"/review?failure={number}"
    page = browser.get(answer.headers["Location"]).text
    assert f'<a href="{here}">Failure {number}</a>' in page
    assert "Loyalty Tier Changed" in page
    assert "Get the change" in page
    assert "Publish revision" not in page


@pytest.fixture
def owned(stack, monkeypatch):
    """The same relay, with the configuration in the store."""
    monkeypatch.setattr(stack.parts, "settings", stack.parts.settings.model_copy(update={"integrations": None}))
    return stack


def test_after_publishing_three_are_tried_and_then_the_others_replayed(console, owned):
    """Each step leads to the next one: the failure, the job of three, the other two; the revision counts all five."""
    take_sample(Samples(owned.parts.redis), Ledger(owned.parts).accounts)
    browser, number = console.browser(Role.OPERATOR), group(owned)
    here = f"/failures/{number}"
    browser.post(here, data={**form(browser.get(here).text), "act": "review"})
    page = browser.get(f"/review?failure={number}").text
    answer = browser.post("/review", data={**hidden(page), "act": "publish"})
    assert answer.headers["Location"] == f"{here}?published=2"
    page = browser.get(answer.headers["Location"]).text
    assert "Revision 2 is in force" in text_of(page)
    assert ways(page)["chosen"] == "unchanged"
    assert ways(page)["unchanged"] == "5 would pass"
    assert "name" not in ways(page)  # it has that name
    answer = browser.post(here, data={**form(page), "act": "try", "rate": "200"})
    job = answer.headers["Location"]
    page = browser.get(job).text
    assert (owned.job(job.rpartition("/")[2]).matched, "Replay the other" in page) == (3, False)
    assert "Abort" in browser.get(here).text
    owned.work()
    page = browser.get(job).text
    assert "Replay the other 2 at 200/s" in page
    inside = re.search(rf'<form method="post" action="{here}".*?</form>', page, re.DOTALL)[0]
    fields = dict(re.findall(r'name="(csrf|rate)" value="(\w+)"', inside))
    answer = browser.post(here, data={**fields, "act": "replay"})
    owned.work()
    assert {one.name for one in owned.arrived()} == {"Loyalty Tier Changed"}
    assert len(owned.arrived()) == 5
    assert f"Nothing of failure {number} is left" in text_of(browser.get(answer.headers["Location"]).text)
    assert "Nothing of it is failed any more" in text_of(browser.get(here).text)
    assert "production 5 1 0" in text_of(browser.get("/published/2").text)  # one of another group failed then


def test_an_event_that_is_sent_no_longer_leaves_the_failures(console, owned):
    """Published, nothing of it would pass; what is replayed then is filtered, and that is the next step."""
    browser, number = console.browser(Role.OPERATOR), group(owned)
    here = f"/failures/{number}"
    browser.post(here, data={**form(browser.get(here).text), "choice": "off", "act": "review"})
    page = browser.get(f"/review?failure={number}").text
    answer = browser.post("/review", data={**hidden(page), "act": "publish"})
    assert answer.headers["Location"] == f"{here}?published=2"
    page = browser.get(answer.headers["Location"]).text
    assert ways(page)["chosen"] == "unchanged"
    assert ways(page)["unchanged"] == "0 would pass; 5 would be filtered: the event filter has it off"
    assert "Replay 5<" in page
    browser.post(here, data={**form(page), "act": "replay"})
    owned.work()
    assert [one.reason for one in owned.letters()] == ["no_event_name"]
    assert owned.arrived() == []


def test_a_revision_that_is_in_force_no_more_is_not_said_to_be(console, owned):
    """The page of before, loaded again after somebody else has published."""
    browser, number = console.browser(Role.OPERATOR), group(owned)
    assert "Revision 1 is in force" in text_of(browser.get(f"/failures/{number}?published=1").text)
    text = owned.parts.live.loaded.revision.text
    publish(owned.parts, text + "# a remark\n", "console", 1, (), Doer("ben"))
    owned.parts.live.look(force=True)
    assert "Revision 1" not in text_of(browser.get(f"/failures/{number}?published=1").text)
    assert browser.get(f"/failures/{number}?published=99").status_code == 404


def test_enter_tries_what_is_chosen(console, stack):
    """The first button of the form is the one that Enter presses: it tries, whichever way is chosen."""
    browser, number = console.browser(Role.OPERATOR), group(stack)
    here = f"/failures/{number}"
    page = browser.get(here).text
    inside = re.search(r'<form[^>]*class="ways.*?</form>', page, re.DOTALL)[0]
    assert re.search(r'<button[^>]*name="act" value="(\w+)"', inside)[1] == "look"
    sent = {**form(page), "act": "look", "path": "plan", "value": "yearly"}
    for choice in ("name", "field", "unchanged"):
        page = browser.get(browser.post(here, data={**sent, "choice": choice, "name": "Tier"}).headers["Location"]).text
        assert ways(page)["chosen"] == choice
        assert 'name="name" value="Tier"' in page
        assert ("5 would be changed" in page) == (choice == "field")


def test_of_an_integration_that_is_gone_there_is_a_discard_alone(console, stack):
    """Nothing of it can be replayed, renamed or changed."""
    number = group(stack)
    stack.restart(("[integrations.production", "[integrations.other"))
    stack.parts.role = "console"
    stack.parts.begin()
    with site(stack.parts) as console:
        page = console.browser(Role.OPERATOR).get(f"/failures/{number}").text
    assert list(ways(page)) == ["discard"]
    assert "5 cannot be replayed: production is no integration any more" in text_of(page)


def test_three_that_fail_again_lead_back(console, stack):
    """The job of them says so and offers no replay of the others."""
    browser, number = console.browser(Role.OPERATOR), group(stack)
    here = f"/failures/{number}"
    sent = {**form(browser.get(here).text), "choice": "unchanged"}
    assert browser.post(here, data={**sent, "act": "try"}).headers["Location"] == here  # each would fail again
    job = browser.post(here, data={**sent, "act": "try", "failing": "yes"}).headers["Location"]
    stack.work()
    text = text_of(browser.get(job).text)
    assert "3 events failed again: back to failure" in text
    assert "Replay the other" not in text


def test_a_changed_field_is_tried_before_all_are_replayed(console, stack):
    """The job of the edit offers to try, or to replay what passes."""
    browser, number = console.browser(Role.OPERATOR), group(stack, "no_event_name")
    here = f"/failures/{number}"
    sent = form(browser.get(here).text)
    job = browser.post(here, data={**sent, "act": "edit", "value": "RENEWAL_DISABLED"}).headers["Location"]
    stack.work()
    page = browser.get(job).text
    assert "Try 3" in page
    assert "Replay 1 at 200/s" in page


def test_a_discard_asks_why_and_keeps_the_choice(console, stack):
    """Nothing without a reason; with one they are gone, and saved."""
    browser, number = console.browser(Role.OPERATOR), group(stack)
    here = f"/failures/{number}"
    sent = {**form(browser.get(here).text), "choice": "discard", "act": "discard"}
    answer = browser.post(here, data=sent)
    page = browser.get(answer.headers["Location"]).text
    assert ways(page)["chosen"] == "discard"
    assert "Not discarded: say why" in page
    assert len(stack.letters()) == 6
    assert browser.post(here, data={**sent, "why": "no use"}).headers["Location"] == "/failures"
    assert [one.reason for one in stack.letters()] == ["no_event_name"]


def test_an_editor_proposes_and_does_not_act(console, stack):
    """A name or none is put into their draft; the rest is neither shown nor done. A viewer has no form at all."""
    browser, number = console.browser(Role.EDITOR), group(stack)
    here = f"/failures/{number}"
    page = browser.get(here).text
    assert set(ways(page)) == {"name", "off", "chosen"}
    sent = form(page)
    for act in ("try", "replay", "edit", "discard", "nothing"):
        answer = browser.post(here, data={**sent, "act": act, "why": "because", "path": "plan", "failing": "yes"})
        assert (answer.status_code, "operator" in answer.text) == (403, True), act
    assert browser.post(here, data={**sent, "act": "review"}).headers["Location"] == f"/review?failure={number}"
    assert len(stack.letters()) == 6
    viewer = console.browser(Role.VIEWER)
    page = viewer.get(here).text
    assert ways(page) == {}
    assert "5 would be refused again" in text_of(page)
    assert viewer.post(here, data={"csrf": sent["csrf"], "act": "review"}).status_code == 403


def test_a_draft_that_cannot_be_read_takes_no_way_with_it(console, stack):
    """What needs no configuration is shown all the same."""
    browser, number = console.browser(Role.OPERATOR), group(stack)
    from worker.console.drafts import Drafts

    Drafts(stack.parts.redis).save("anna", 1, "[integrations.production\n", "")
    found = ways(browser.get(f"/failures/{number}").text)
    assert list(found) == ["unchanged", "field", "discard"]
