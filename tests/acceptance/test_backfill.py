"""A new integration is given the past: it ends as one that was there from the start, also while events flow."""

import threading

from tests.support.payloads import HISTORIES, history
from tests.support.stack import DEFAULT_INTEGRATION
from tests.support.waiting import elapse, until

WORKSPACES = ("first", "archived", "replayed")
TABLE = DEFAULT_INTEGRATION[DEFAULT_INTEGRATION.index("[integrations.production]") :]


def integration(name, start="now"):
    """The tables of an integration with a workspace of its own, ACTIVATE switched off."""
    table = TABLE.replace("production", name).replace("env:T_SITE", f"env:T_{name.upper()}")
    table = table.replace('"*" = true', '"*" = true\nACTIVATE = false')
    return table.replace('region = "eu"', f'region = "eu"\nstart = "{start}"')


def workspace(stack, name):
    """What a workspace has: the events of each person, and everybody's attributes."""

    def items(what):
        after = 0
        while True:
            page = stack.inspect(what, workspace=name, limit=1000, after=after)
            yield from page["items"]
            after = page["next"]
            if not after:
                return

    events = sorted((*one["person"].values(), one["name"], one["id"]) for one in items("events"))
    people = {one["identifiers"]["id"]: one["attributes"] for one in items("people")}
    return events, people


def test_the_past_makes_a_new_workspace_equal_to_one_that_was_there_from_the_start(make_stack):
    """By `start = "archive"`, and by `relay replay`, with live events of the same people in between."""
    head = DEFAULT_INTEGRATION.split("[integrations.production]")[0]
    secrets = {f"T_{name.upper()}": name for name in WORKSPACES}
    stack = make_stack(integrations=head + integration("first"), **secrets)
    accounts = " ".join(f"--workspace {name}:test-key:eu" for name in WORKSPACES)
    stack.spawn("simulator", f"relay simulate --port {stack.simulator_port} {accounts}")
    stack.until_up("simulator")
    stack.start("web", "worker", "beat")
    kinds = [kind for kind in HISTORIES if len(history(kind)) >= 4]
    lives = [history(kinds[number % len(kinds)], user_id=f"user-{number}") for number in range(60)]
    for turn in range(max(map(len, lives)) - 2):
        stack.post([events[turn] for events in lives if turn < len(events) - 2])
    until(lambda: stack.books["first"].waiting == 0, "the past is delivered")

    later = integration("archived", "archive") + integration("replayed")
    stack.path.write_text(stack.path.read_text() + later.replace("{simulator}", stack.simulator))
    stack.processes["beat"].terminate()
    stack.processes["beat"].wait(timeout=60)
    stack.start("beat")  # a process that starts publishes the file; the others take it up
    until(lambda: len(stack.books) == 3, "the new revision is in force")

    def live():
        for turn in (2, 1):
            for events in lives:
                stack.post([events[-turn]])
                elapse(0.01)

    flowing = threading.Thread(target=live)
    flowing.start()
    ran = stack.relay("replay", "--integration", "replayed", "--yes", "--rate", "0", "--json")
    flowing.join()
    assert ran.returncode == 0, ran.stderr + ran.stdout
    until(lambda: all(one.waiting == 0 for one in stack.books.values()), "all is delivered")
    assert stack.findings == []
    first = workspace(stack, "first")
    assert len(first[1]) == len(lives)
    assert workspace(stack, "archived") == first
    assert workspace(stack, "replayed") == first
