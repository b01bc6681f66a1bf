"""The commands on dead letters and jobs, as they are typed."""

import json
import os
import re
import shlex
import threading
from pathlib import Path

import msgspec
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from tests.support.deadstack import event, opened
from worker.cli import relay
from worker.dead.letter import encode_letter
from worker.errors import OperatorError
from worker.purchasely.person import shard_of
from worker.store.keys import shard_key
from worker.store.processes import Process


@pytest.fixture
def dead(tmp_path, redis_url, customerio, monkeypatch):
    """A relay with dead letters: six refused, one of nobody; the commands work on it."""
    with opened(tmp_path, redis_url, customerio, data_dir=tmp_path / "the data") as stack:
        stack.faults(reject_event_names=frozenset({"BAD"}))
        stack.deliver(*[event(n, "BAD") for n in range(6)], event(6, user_id=None))
        stack.faults()
        monkeypatch.setattr("worker.app.relay", lambda: stack.parts)
        monkeypatch.setenv("USER", "oncall")
        monkeypatch.setattr("worker.tasks.wake_job", lambda _, job_id: stack.jobs_woken.append(job_id))
        yield stack


def run(*arguments, code=0, **options):
    """What a command prints; it must exit with `code`."""
    ran = CliRunner().invoke(relay, arguments, **options)
    assert ran.exit_code == code, f"exit {ran.exit_code}: {ran.output} {ran.exception!r}"
    return ran.output


def told(*arguments, code=0):
    """What a command tells programs."""
    ran = CliRunner().invoke(relay, [*arguments, "--json"])
    assert ran.exit_code == code, f"exit {ran.exit_code}: {ran.output} {ran.exception!r}"
    return json.loads(ran.stdout)


def pasted(text, label, *more, code=0):
    """What the command prints that a command has printed behind a label, as a shell reads it."""
    words = shlex.split(re.search(rf"^{label}: +relay (.*)$", text, re.MULTILINE)[1])
    return run(*words, *more, code=code)


@pytest.fixture
def working(dead):
    """A worker that takes up whatever job is started."""
    over = threading.Event()

    def work():
        while not over.wait(0.05):
            dead.work()

    thread = threading.Thread(target=work)
    thread.start()
    yield dead
    over.set()
    thread.join()


def test_causes_on_one_screen(dead):
    """The most frequent first, with figures and numbers; the same for programs, with advice."""
    text = run("dead")
    assert text.startswith("7 failed events, production, since ")
    assert "(room for 999,993 more)" in text
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert any(row.startswith("1 6 Customer.io refused the event name (207) BAD") for row in rows)
    assert any(row.startswith("2 1 no field names a person (") for row in rows)
    assert "Look: relay dead show 1" in text
    found = told("dead")
    assert [(item["count"], item["reason"], sum(item["hours"])) for item in found["items"]] == [
        (6, "rejected", 6),
        (1, "no_person", 1),
    ]
    assert found["next"] is None
    assert found["totals"] == {"production": {"dead": 7, "limit": 1_000_000}}
    assert [item["count"] for item in told("dead", "--where", "user_id ~ [012]$")["items"]] == [3]
    assert run("dead", "--reason", "too_large") == "no dead letters\n"


def test_a_group_is_taken_by_its_number(dead):
    """By every command that takes letters; narrowed by a filter, but never by one that contradicts it."""
    run("dead")
    assert "7 failed events of production" in run("dead", "replay", "1", "2", "--dry-run")
    assert told("dead", "replay", "1", "--where", "user_id ~ [012]$", "--dry-run")["survey"]["matched"] == 3
    assert [item["event"] for item in told("dead", "list", "1")["items"]] == ["BAD"] * 6
    text = run("dead", "show", "1")
    assert "1: 6 failed events of production, since " in text
    assert "letter    production." in text
    assert told("dead", "show", "2")["group"]["what"] == "no field names a person (customerio_user_id is tried first)"
    for wrong in (["9"], ["1", "production.1.1-1"], ["1", "--reason", "rejected"], ["1", "--all"]):
        run("dead", "replay", *wrong, "--dry-run", code=2)
    assert "no group has the number 9; `relay dead` lists them (1, 2)" in run("dead", "show", "9", code=2)
    run("dead", "list", "x", code=2)
    assert "1 letter discarded" in run("dead", "discard", "2", "-m", "x", "--yes")
    assert "group 2 has no letter any more" in run("dead", "show", "2", code=1)
    assert "Nothing to replay." in run("dead", "replay", "2", "--yes")
    assert json.loads(run("actions", "--json"))["items"][0]["on"].startswith(
        "--integration production --reason no_person"
    )


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("dead replay", {"1", "2"}),
        ("dead show", {"1", "2"}),
        ("dead list --integration", {"production"}),
        ("hold", {"production"}),
        ("replay --event B", {"BAD"}),
        ("jobs show", {"replay-abc"}),
        ("dead list --job", {"replay-abc"}),
    ],
)
def test_a_shell_completes_what_is_there(dead, typed, expected):
    """Groups by number, integrations, jobs, the events that failed."""
    run("dead")
    dead.start(dead.letters(), job_id="replay-abc")
    *words, last = typed.split()
    begun = last if last.isupper() else ""
    words = words if begun else [*words, last]
    found = BashComplete(relay, {}, "relay", "_RELAY_COMPLETE").get_completions(words, begun)
    assert {one.value for one in found if one.value.startswith(begun)} == expected


def test_what_is_long_is_cut_unless_it_is_asked_for(dead):
    """A field of 40 kB does not fill the screen; `--full` shows it, and so does `--json`."""
    dead.faults(reject_event_names=frozenset({"BAD"}))
    dead.deliver(event(50, "BAD", note="x" * 5_000, many=list(range(500)), **{f"f{n}": n for n in range(90)}))
    letter = next(one for one in dead.letters() if one.person == "user-50")
    text = run("dead", "show", letter.id)
    assert "x… (5,000 characters; --full shows all)" in text
    assert '"f30"' in text
    assert len(text) < 20_000
    assert "x" * 5_000 in run("dead", "show", letter.id, "--full")
    assert "x" * 5_000 in told("dead", "show", letter.id)["raw"]


def test_an_option_before_the_command_is_refused(dead):
    """It would be lost, and the command act on more than was meant."""
    assert "options go after the command" in run("dead", "--reason", "x", "replay", "--all", "--yes", code=2)


def test_listing_by_pages(dead):
    """Each page says how to get the next one; the event itself is not in the listing."""
    first = told("dead", "list", "--limit", "4", "--reason", "rejected")
    rest = told("dead", "list", "--limit", "4", "--reason", "rejected", "--next", first["next"])
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (4, 2, None)
    assert len({item["id"] for item in first["items"] + rest["items"]}) == 6
    assert "raw" not in first["items"][0]
    for typed in (["--event", "BAD", "--where", "user_id ~ [0 -2]$"], ["1"]):
        run("dead")
        text = run("dead", "list", *typed, "--limit", "1")
        assert text.count("production.") == 2
        following = pasted(text, "more")
        assert following.count("production.") == 2
        assert following != text
    assert run("dead", "list", "--person", "nobody").strip() == "no dead letter matches"


def test_what_is_typed_wrongly_does_nothing(dead):
    """Exit 2, and no letter is touched: above all, no filter never means every letter."""
    for arguments in (
        ["list", "--where", "plan"],
        ["list", "--since", "yesterday"],
        ["list", "--integration", "none"],
        ["list", "--next", "x"],
        ["show", "nonsense"],
        ["replay"],
        ["replay", "--yes"],
        ["replay", "--all", "--include-failing"],
        ["replay", "--all", "--include-failing", "--fixed"],
        ["replay", "--all", "production.1.1-1", "--yes"],
        ["discard", "--all", "--yes"],
        ["discard", "--all", "-m", " ", "--yes"],
        ["discard", "-m", "x", "--yes"],
        ["edit", "production.1.1-1", "--set"],
    ):
        run("dead", *arguments, code=2)
    run("jobs", "--json", "list", code=2)
    assert dead.account().dead == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reason", "rejeted"], 'unknown reason "rejeted"; did you mean "rejected"?'),
        (
            ["--event", "SUBSCRIPTION_RENEWD"],
            'unknown event "SUBSCRIPTION_RENEWD"; did you mean "SUBSCRIPTION_RENEWED"?',
        ),
        (["--integration", "prodction"], 'unknown integration "prodction"; did you mean "production"?'),
        (["--cause", "xyz"], 'unknown cause "xyz"; there are:'),
        (["--where", "plan == monthly"], "did you mean 'plan = monthly'?"),
        (["--where", "n =< 3"], "did you mean 'n <= 3'?"),
        (["--where", "n !~ 3"], "op is one of"),
    ],
)
@pytest.mark.parametrize("command", [[], ["list"], ["replay", "--dry-run"]])
def test_a_mistyped_filter_is_refused(dead, command, arguments, message):
    """An empty answer would look as if all were well: exit 2, with what may have been meant."""
    assert message in run("dead", *command, *arguments, code=2)


def test_a_unique_prefix_is_enough(dead):
    """Of a reason and of a cause; the whole id of a cause whose letters are gone means none of them."""
    assert [item["count"] for item in told("dead", "--reason", "rej")["items"]] == [6]
    cause = told("dead", "--reason", "no_person")["items"][0]["cause"]
    assert [item["count"] for item in told("dead", "--cause", cause[:6])["items"]] == [1]
    assert told("dead", "--cause", "0123456789ab")["items"] == []
    assert "begins several: no_event_name, no_person" in run("dead", "--reason", "no_", code=2)


def test_a_letter_that_is_not_there(dead):
    """Exit 1 with words, for every command that takes an id."""
    for command in (
        ["show"],
        ["replay", "--yes"],
        ["edit", "--set", "a=1"],
        ["discard", "--yes", "-m", "x"],
    ):
        assert "no dead letter production.1.1-1" in run("dead", *command, "production.1.1-1", code=1)


@pytest.mark.parametrize("depth", [260, 5000])
def test_a_letter_nested_too_deep_to_be_written_is_shown_as_it_came(dead, depth):
    """Stored by a release before the door refused it: raw text, never a traceback."""
    letter = dead.letters()[0]
    raw = '{"event_id":"deep","event_name":"BAD","user_id":"u","deep":' + "[" * depth + "]" * depth + "}"
    deep = msgspec.structs.replace(letter, raw=raw)
    key = shard_key(letter.shard, "dead", letter.integration)
    dead.parts.redis.hset(key, letter.id, encode_letter(deep))
    text = run("dead", "show", letter.id, "--full")
    assert raw in text
    assert raw[:2000] in run("dead", "show", letter.id)
    assert "replayed now it would be" in text
    assert told("dead", "show", letter.id)["raw"] == raw


def test_showing_a_letter(dead):
    """Everything that is known of it, and a curl command without the key."""
    letter = dead.letters(reasons=("rejected",))[0]
    text = run("dead", "show", letter.id)
    for message in ("rejected · name · 207 · BAD", '"event_name": "BAD"', "207", "simulator", "older than 72 h"):
        assert message in text
    assert '-u "$CUSTOMERIO_SITE_ID:$CUSTOMERIO_API_KEY"' in text
    assert "dead-key" not in text
    found = told("dead", "show", letter.id)
    assert (found["now"]["outcome"], found["now"]["reason"]) == ("dead", "rejected")
    assert (found["previous"], found["next"]) == (None, None)
    assert "replayed now it would be:\n  failed again (rejected): refused by Customer.io as before" in text
    assert found["curl"].startswith("curl -sS -X POST http://127.0.0.1:")
    nobody = told("dead", "show", dead.letters(reasons=("no_person",))[0].id)
    assert (nobody["now"]["outcome"], nobody["now"]["reason"], nobody["curl"]) == ("dead", "no_person", "")


def test_what_is_shown_says_how_it_is_fixed(dead, monkeypatch):
    """By commands that take the group or letter as it was named; a file that owns the configuration is named too."""
    run("dead")
    letter = dead.letters(reasons=("no_person",))[0].id
    for which in ("2", letter):
        text = " ".join(run("dead", "show", which).split())
        fix = f"fix in the source's [identity], or relay dead edit {which} --set user_id=ID; then relay dead replay"
        assert f"{fix} {which} publish change {dead.path}, restart a process that has it, such as beat person" in text
    monkeypatch.setattr(dead.parts, "settings", dead.settings.model_copy(update={"integrations": None}))
    assert "publish   relay config apply FILE" in run("dead", "show", "1")
    there = Process("relay-2", 7, "worker", "1.0", 1, 0, owner="file")
    dead.parts.processes.beat(there)
    assert "publish   change the integrations file on relay-2, restart a process" in run("dead", "show", "1")


def test_the_curl_command_does_what_the_relay_did(dead):
    """Run by a shell with the key in the environment, it delivers the event."""
    import subprocess

    letter = dead.letters(reasons=("rejected",))[0]
    env = {"PATH": os.environ["PATH"], "CUSTOMERIO_SITE_ID": "dead-site", "CUSTOMERIO_API_KEY": "dead-key"}
    command = told("dead", "show", letter.id)["curl"].replace("curl ", "curl --noproxy '*' ", 1)
    ran = subprocess.run(["/bin/sh", "-c", command], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert "errors" not in ran.stdout, ran.stdout + ran.stderr
    assert [one.name for one in dead.arrived()] == ["BAD"]


def test_what_a_replay_would_do(dead):
    """How many, of which people, how late, what would fail again; nothing happens."""
    text = run("dead", "replay", "--all", "--dry-run")
    edit = "relay dead edit --reason"
    refused = f"refused by Customer.io as before (event name); fix it in [events], or {edit} rejected --set"
    nobody = (
        f"no field names a person (customerio_user_id is tried first); fix it in the source's [identity], or {edit}"
    )
    assert text.splitlines() == [
        "7 failed events of production, 6 people",
        "  would pass        0",
        f"  would fail again  6  {refused} event_name=NAME",
        f"  would fail again  1  {nobody} no_person --set user_id=ID",
        "Note: all are older than 72 h: no campaign starts.",
        "Nothing to replay. (--include-failing to try anyway)",
    ]
    run("dead")
    text = run("dead", "replay", "1", "2", "--since", "2h", "--dry-run")
    assert re.search(r"relay dead edit 1 --since \d{13} --set event_name=NAME$", text, re.MULTILINE)
    assert re.search(r"relay dead edit 2 --since \d{13} --set user_id=ID$", text, re.MULTILINE)
    survey = told("dead", "replay", "--all", "--fixed", "--dry-run")["survey"]
    assert survey["matched"] == 0
    assert "Nothing to replay." in run("dead", "replay", "--all", "--fixed", "--yes")
    assert dead.parts.jobs.page(10) == []


def test_a_plan_comes_true(working):
    """What it says will pass is delivered, and what is known to fail again is not tried."""
    working.deliver(*[event(n, plan="yearly") for n in range(6)])
    letter = working.letters(reasons=("rejected",))[0]
    run("dead", "edit", letter.id, "--set", "event_name=GOOD")
    working.faults(reject_event_names=frozenset({"BAD"}))
    found = told("dead", "replay", "--all", "--yes")
    assert (found["survey"]["sent"], found["survey"]["same"], found["survey"]["dead"]) == (1, 5, {"no_person": 1})
    assert found["job"]["counts"] == {"delivered": 1}
    tried = told("dead", "replay", "--all", "--include-failing", "--yes", code=1)
    assert tried["job"]["counts"] == {"dead": tried["survey"]["same"] + sum(tried["survey"]["dead"].values())}


def test_a_replay_asks_first(dead, monkeypatch):
    """No is no, and exit 1."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    ran = CliRunner().invoke(relay, ["dead", "replay", "--all", "--include-failing"], input="n\n")
    assert ran.exit_code in {1, 2}
    assert dead.parts.jobs.page(10) == []


def test_a_replay_is_watched_to_its_end(working):
    """The job is announced, followed, summed up; exit 0 when all were delivered."""
    text = run("dead", "replay", "--reason", "rejected", "--include-failing", "--yes", "--by", "me")
    assert "is done: delivered 6" in text
    job = told("jobs")["items"][0]
    assert (job["by"], job["filter"], job["matched"], job["left"]) == (
        "me",
        "--reason rejected --include-failing",
        6,
        0,
    )
    assert (job["state"], job["counts"]) == ("done", {"delivered": 6})
    shown = run("jobs", "show", job["id"])
    assert "delivered 6" in shown
    assert told("jobs", "show", job["id"], "--wait") == told("jobs", "show", job["id"])
    assert job["id"] in run("jobs")


def test_a_replay_that_fails_again_is_exit_1(working):
    """What stayed dead is counted, for people and for programs."""
    found = told("dead", "replay", "--reason", "no_person", "--include-failing", "--yes", code=1)
    assert found["job"]["counts"] == {"dead": 1}
    assert "failed again 1" in run("dead", "replay", "--all", "--include-failing", "--yes", code=1)


def test_a_job_lists_what_failed_in_it_again(working):
    """By id and with what was said; the rest by `--job`, until a later replay tries them."""
    working.faults(reject_event_names=frozenset({"BAD"}))
    working.deliver(*[event(n, "BAD") for n in range(20, 30)])
    job = told("dead", "replay", "--reason", "rejected", "--include-failing", "--yes", code=1)["job"]["id"]
    text = run("jobs", "show", job)
    assert text.count("rejected  BAD") == 10
    assert "rejected" in pasted(text, "next")
    assert pasted(text, "all").count("production.") == 16
    assert len(told("jobs", "show", job)["failed_again"]) == 10
    assert len(told("dead", "list", "--job", job)["items"]) == 16
    assert "no job replay-x; `relay jobs` lists them" in run("dead", "list", "--job", "replay-x", code=2)
    working.faults()
    assert "delivered 16" in run("dead", "replay", "--job", job, "--include-failing", "--yes")
    assert told("jobs", "show", job)["failed_again"] == []


def test_a_job_is_paused_resumed_and_aborted(dead):
    """Each says how the job is now; what is impossible is exit 1."""
    started = told("dead", "replay", "--all", "--include-failing", "--yes", "--no-wait")["job"]
    assert (started["by"], started["filter"], started["left"]) == ("oncall", "--all --include-failing", 7)
    assert told("jobs", "pause", started["id"])["state"] == "paused"
    dead.work()
    assert dead.arrived() == []
    assert told("jobs", "resume", started["id"])["state"] == "running"
    assert run("jobs", "abort", started["id"]) == f"{started['id']} is aborted\n"
    dead.work()
    assert run("jobs", "resume", started["id"], code=1) == f"{started['id']} is aborted\n"
    assert "left 7" in run("jobs", "show", started["id"], "--wait", code=1)
    assert dead.account().dead == 7
    run("jobs", "pause", "replay-none", code=2)


def test_an_edit_says_what_it_leads_to(dead):
    """It names the fields, the new id when it moves, and what a replay would do; a dry run changes nothing."""
    letter = dead.letters(reasons=("no_person",))[0]
    assert "would be changed in user_id" in run("dead", "edit", letter.id, "--set", "user_id=user-1", "--dry-run")
    assert dead.letters(reasons=("no_person",)) == [letter]
    found = told("dead", "edit", letter.id, "--set", "user_id=user-1", "--set", "a.b=[1]", "--unset", "plan")
    assert (found["person"], found["now"]["outcome"]) == ("user-1", "sent")
    assert found["edits"][0]["by"] == "oncall"
    assert found["edits"][0]["paths"] == ["a", "plan", "user_id"]
    assert json.loads(found["raw"])["a"] == {"b": [1]}
    assert "plan" not in json.loads(found["raw"])
    assert json.loads(found["original"]) == event(6, user_id=None)
    assert "as edited" in run("dead", "show", found["id"])
    assert "nothing was changed" in run("dead", "edit", found["id"], "--set", "user_id=user-1", code=1)
    run("dead", "edit", found["id"], "--unset", "nothing.there", code=2)
    assert dead.account().dead == 7


def test_forty_letters_are_one_edit(working):
    """A group is changed by one job, after it is said what a replay would do then; the originals are kept."""
    working.deliver(*[event(100 + n, None) for n in range(40)])
    run("dead")
    (number,) = [one["number"] for one in told("dead")["groups"] if one["reason"] == "no_event_name"]
    text = run("dead", "edit", str(number), "--set", "event_name=GOOD", "--dry-run")
    assert text.startswith(
        "40 letters would be changed\nReplayed after that:\n40 failed events of production, 40 people"
    )
    assert " would pass  40" in text
    assert all(not one.edits for one in working.letters())
    text = run("dead", "edit", str(number), "--set", "event_name=GOOD", "--yes", "--by", "anna")
    assert "is done: edited 40" in text
    assert f"next: relay dead replay {number}" in text
    letters = working.letters(reasons=("no_event_name",))
    assert {(one.edits[0].by, *one.edits[0].paths) for one in letters} == {("anna", "event_name")}
    assert json.loads(letters[0].original).get("event_name") is None
    assert told("dead", "replay", str(number), "--yes")["job"]["counts"] == {"delivered": 40}
    job = next(one for one in told("jobs")["items"] if one["kind"] == "edits")
    assert (job["edit"], job["counts"]) == ("", {"edited": 40})
    assert "edit-" in run("actions")
    assert working.account().dead == 7


def test_an_edit_of_many_moves_letters_to_their_person(working):
    """Each is on the shard of the person that it names by now; what is so already, or does not fit, is counted."""
    working.deliver(*[event(100 + n, user_id=None, n=n) for n in range(9)])
    flags = ["--reason", "no_person", "--set", "user_id=user-1", "--set", "plan.x=1"]
    found = told("dead", "edit", *flags, "--dry-run")["plan"]
    assert (found["unfit"], found["survey"]["matched"]) == (10, 0)
    text = run("dead", "edit", *flags[:4], "--yes")
    assert "10 failed events of production, 1 person" in pasted(text, "next", "--dry-run")
    assert {(one.person, one.shard) for one in working.letters(reasons=("no_person",))} == {
        ("user-1", shard_of("user-1", 4))
    }
    assert told("dead", "edit", *flags[:4], "--dry-run")["plan"]["unchanged"] == 10
    assert "Nothing" not in run("dead", "edit", *flags[:4], "--yes")
    assert working.account().dead == 16


def test_what_is_printed_next_means_the_letters_that_were_edited(working):
    """Their ids, persons and payloads are others by then: the edit's job names them."""
    working.deliver(*[event(100 + n, user_id=None, n=n, note="an 'odd' $(one)") for n in range(6)])
    some = [one.id for one in working.letters(reasons=("no_person",))][:3]
    condition = ["--where", "note = an 'odd' $(one)"]
    for which, number in ((some, 3), (condition, 3)):
        shown = run("dead", "replay", *which, "--include-failing", "--dry-run")
        assert "Nothing to replay" not in shown
        text = run("dead", "edit", *which, "--set", "user_id=user-7", "--set", "note=seen", "--yes")
        assert f"is done: edited {number}" in text
        assert re.search(r"^next: relay dead replay --job edit-\S+$", text, re.MULTILINE)
        assert f"delivered {number}" in pasted(text, "next", "--yes")
    run("dead")
    text = run("dead", "edit", "1", "--since", "2h", "--set", "event_name=GOOD", "--yes")
    assert re.search(r"^next: relay dead replay 1 --since \d{13}$", text, re.MULTILINE)
    assert "6 failed events" in pasted(text, "next", "--dry-run")


def test_an_edit_of_many_says_what_and_which(dead):
    """Nothing is changed when one of them is missing; a paused or held integration does not keep an edit waiting."""
    for arguments in (["1"], ["--all"], ["--set", "a=1"], ["--reason", "rejected", "--set", "a"]):
        run("dead")
        run("dead", "edit", *arguments, "--yes", code=2)
    dead.parts.holds.hold("production", "operator", 1)
    started = told("dead", "edit", "--reason", "rejected", "--set", "plan=yearly", "--yes", "--no-wait")["job"]
    dead.work()
    assert told("jobs", "show", started["id"])["counts"] == {"edited": 6}


def test_an_edit_in_the_editor(dead, monkeypatch, tmp_path):
    """Whatever the editor leaves is the event; what is no event is refused."""
    letter = dead.letters(reasons=("no_person",))[0]
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i.bak \'s/"plan": "monthly"/"plan": "yearly"/\' "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    assert "is changed in plan" in run("dead", "edit", letter.id)
    editor.write_text('#!/bin/sh\necho "{" > "$1"\n')
    assert "nothing was changed" in run("dead", "edit", letter.id, code=1)
    assert json.loads(dead.letters(reasons=("no_person",))[0].raw)["plan"] == "yearly"


def test_discarding_and_the_trail(dead):
    """It says what would go, and who did it afterwards."""
    dry = run("dead", "discard", "--reason", "rejected", "-m", "tests", "--dry-run")
    assert "6  production  rejected · name · 207 · BAD" in dry
    assert dead.account().dead == 7
    assert "6 letters discarded" in run("dead", "discard", "--reason", "rejected", "-m", "tests", "--yes")
    notes = told("dead", "trail")["items"]
    assert {(note["by"], note["message"]) for note in notes} == {("oncall", "tests")}
    assert "tests" in run("dead", "trail", "--limit", "1")
    assert dead.account().filtered == {"discarded": 6}


def test_a_discard_can_be_undone(dead):
    """What it says undoes it does: the letters are saved first, by `discard` itself, for their owner alone."""
    before = dead.letters()
    text = run("dead", "discard", "--reason", "rejected", "-m", "by mistake", "--yes")
    (undo,) = re.findall("^undo: relay (.*)$", text, re.MULTILINE)
    file = Path(shlex.split(undo)[-1])
    assert (file.parent, file.stat().st_mode & 0o777) == (dead.settings.data_dir / "discarded", 0o600)
    assert "6 letters restored, 0 already there, 0 refused" in pasted(text, "undo")
    assert [one.raw for one in dead.letters()] == [one.raw for one in before]
    assert dead.account().dead == 7
    assert told("dead", "discard", "--all", "-m", "x", "--yes")["saved"].startswith(str(file.parent))


def test_what_is_not_discarded_is_not_saved(dead, monkeypatch):
    """A dry run, a no, a filter that means nothing, and whoever wants no file leave none."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for arguments in (["--dry-run"], [], ["--person", "nobody", "--yes"]):
        CliRunner().invoke(relay, ["dead", "discard", "--reason", "rejected", "-m", "x", *arguments], input="n\n")
    assert dead.account().dead == 7
    assert "undo" not in run("dead", "discard", "--reason", "rejected", "-m", "x", "--no-save", "--yes")
    folder = dead.settings.data_dir / "discarded"
    assert not folder.exists() or list(folder.iterdir()) == []


def test_what_cannot_be_saved_is_not_discarded(dead, tmp_path):
    """A folder that takes no file: nothing is given up, and it says how to go on."""
    dead.settings.data_dir.write_text("no folder")
    ran = CliRunner().invoke(relay, ["dead", "discard", "--all", "-m", "x", "--yes"])
    assert isinstance(ran.exception, OperatorError)
    assert "so none is discarded; name another folder with RELAY_DATA_DIR" in str(ran.exception)
    assert dead.account().dead == 7


def test_forgetting_a_person_clears_what_discards_have_saved(dead):
    """The file of this machine loses their letters, and keeps its age."""
    text = run("dead", "discard", "--all", "-m", "x", "--yes")
    file = Path(shlex.split(text)[-1])
    os.utime(file, (1, 1))
    assert json.loads(run("forget", "user-2", "--yes", "--json"))["saved_letters"] == 1
    assert b"user-2" not in file.read_bytes()
    assert (len(file.read_bytes().splitlines()), file.stat().st_mtime, file.stat().st_mode & 0o777) == (6, 1, 0o600)
    run("dead", "import", str(file))
    run("dead", "discard", "--all", "-m", "x", "--yes")
    assert not file.exists(), "a file is kept for a week"


def test_one_letter_is_no_letters(dead):
    """Singular and plural are right."""
    assert "and 1 failed event in 1 more group (--limit)" in run("dead", "--limit", "1")
    assert "1 failed event of production, 0 people" in run("dead", "replay", "--reason", "no_person", "--dry-run")
    assert "1 letter discarded" in run("dead", "discard", "--reason", "no_person", "-m", "tests", "--yes")


def test_exporting_and_importing(dead, tmp_path):
    """A file that only its owner reads; what is there already stays, what is no letter is refused with its line."""
    file = tmp_path / "letters.ndjson"
    assert told("dead", "export", "--output", str(file)) == {"exported": 7, "file": str(file)}
    assert file.stat().st_mode & 0o777 == 0o600
    before = dead.letters()
    run("dead", "discard", "--all", "-m", "x", "--yes")
    assert "7 letters would be restored" in run("dead", "import", str(file), "--dry-run")
    assert told("dead", "import", str(file), "--by", "me") == {
        "restored": 7,
        "already_there": 0,
        "refused": 0,
        "dry_run": False,
    }
    after = dead.letters()
    assert [one.raw for one in after] == [one.raw for one in before]
    assert {one.restored["by"] for one in after} == {"me"}
    lines = file.read_text().splitlines()
    foreign = lines[0].replace("production", "elsewhere")
    file.write_text("\n".join([lines[0], "{", "", foreign, '{"id":1}']))
    text = run("dead", "import", str(file), code=1)
    assert "0 letters restored, 1 already there, 3 refused" in text
    assert "line 4: no integration 'elsewhere'" in text
    assert dead.account().dead == 7


def test_an_export_replaces_a_file_that_others_could_read(dead, tmp_path):
    """Payloads are not written into a file that is 0644 already; one that stops half-way leaves the old file."""
    file = tmp_path / "letters.ndjson"
    file.write_text("old")
    file.chmod(0o644)
    with file.open() as reader:
        run("dead", "export", "--output", str(file))
        assert reader.read() == "old"
    assert (file.stat().st_mode & 0o777, len(file.read_text().splitlines())) == (0o600, 7)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".letters")] == []


def test_an_export_follows_no_link(dead, tmp_path):
    """A link somebody left there must not choose what is overwritten; a folder is refused too."""
    precious, link = tmp_path / "precious", tmp_path / "letters.ndjson"
    precious.write_text("precious")
    link.symlink_to(precious)
    assert "it is a link; name the file itself" in run("dead", "export", "--output", str(link), code=1)
    assert "it is no file" in run("dead", "export", "--output", str(tmp_path), code=1)
    assert (precious.read_text(), link.is_symlink()) == ("precious", True)


def test_letters_of_another_number_of_shards_come_home(dead, tmp_path):
    """Imported where the shards are fewer, each letter is on the shard that its person has here."""
    file = tmp_path / "letters.ndjson"
    run("dead", "export", "--output", str(file), "--reason", "rejected")
    text = file.read_text()
    run("dead", "discard", "--all", "-m", "x", "--yes")
    for shard in range(4):
        text = text.replace(f"production.{shard}.", f"production.{shard + 40}.")
    file.write_text(text)
    run("dead", "import", str(file))
    assert {one.shard == shard_of(one.person, 4) for one in dead.letters()} == {True}
    assert dead.account().dead == 6


def test_an_import_stops_at_the_bound(dead, tmp_path, monkeypatch):
    """What a file holds must not bring the integration to a halt, nor Redis."""
    file = tmp_path / "letters.ndjson"
    run("dead", "export", "--output", str(file))
    run("dead", "discard", "--all", "-m", "x", "--yes")
    monkeypatch.setattr(dead.parts, "settings", dead.settings.model_copy(update={"dead_limit": 3}))
    assert "RELAY_DEAD_LIMIT" in run("dead", "import", str(file), code=1)
    assert dead.account().dead <= 4


def test_commands_of_another_number_of_shards_are_refused(dead):
    """They would miss letters, or look for them in the wrong place."""
    dead.parts.redis.set("relay:shards", 16)
    ran = CliRunner().invoke(relay, ["dead"])
    assert isinstance(ran.exception, OperatorError)
    assert "RELAY_SHARDS is 4" in str(ran.exception)
