"""Commands of README.md, docs/faq.md, configuration.md, alerts.md, console.md and history.md, on a live relay."""

import json
import re
import subprocess
from contextlib import contextmanager

from tests.support.listeners import Listener, body_of
from tests.support.pages import blocks, commands
from tests.support.payloads import payload
from tests.support.stack import KEY, SITE
from tests.support.waiting import until


def test_the_commands_of_faq_and_configuration_do_what_the_pages_say(make_stack):
    """Plan, apply, log, roll back; seal; trace and person of somebody who got an event."""
    key = "r5sm1nLcNDo6rJR2Zm8NAF_jfBbnbYC2GsMxSPcPGtY="
    stack = make_stack(RELAY_INTEGRATIONS="", RELAY_SECRET_KEYS=key)
    stack.spawn("simulator", f"relay simulate --port {stack.simulator_port} --workspace test-site:test-key:eu")
    stack.until_up("simulator")
    for name in ("web", "worker", "beat"):
        stack.start_as(name, name)
    first = stack.path.read_text()
    assert stack.relay("config", "apply", str(stack.path), "--yes").returncode == 0
    stack.until_up("web")
    event = payload("SUBSCRIPTION_RENEWED", user_id="ann", event_id="e-1")
    until(lambda: stack.post([event]).status_code == 200, "the door has taken the revision up")
    until(stack.arrived, "the event arrives")

    (stack.folder / "new.toml").write_text(first.replace('"*" = true', '"*" = true\nACTIVATE = false'))
    (stack.folder / "key.txt").write_text("a key of Customer.io\n")
    change, seal = blocks("docs/configuration.md", "sh")
    # nobody can be asked here, and there are no seven revisions
    script = change.replace('"why"', '"why" --yes').replace("rollback 7", "rollback 1 --yes") + seal
    assert re.search(r"^sealed:\S+$", run(script, stack), re.MULTILINE)
    assert stack.relay("config", "export").stdout == first
    (pipeline,) = blocks("docs/configuration.md", "yaml")
    strict = re.sub(r"(?m)^environments = .*", 'environments = ["PRODUCTION"]', first)
    assert strict != first
    (stack.folder / "integrations.toml").write_text(strict)
    said = run("\n".join(re.findall(r"^- run: (.*)$", pipeline, re.MULTILINE)), stack)
    assert "it changes something" in said
    assert json.loads((stack.folder / "plan.json").read_text())

    with taking() as (url, taken):
        (alerts,) = blocks("docs/alerts.md", "sh")
        script = re.sub(r'="slack:[^"]*"', f'="{url}"', alerts).replace("pip install", "# pip install")
        run(re.sub(r"^relay alerts  .*", "relay alerts || [ $? = 1 ]", script, flags=re.MULTILINE), stack)
        assert len(taken) == 1

    (link,) = blocks("docs/console.md", "sh")
    assert "/login/link/" in run(link, stack)
    (replay,) = blocks("docs/history.md", "sh")
    run(replay.replace('"was off by mistake"', '"was off by mistake" --yes'), stack)

    typed = "\n".join(commands("docs/faq.md")).replace("EVENT_ID", "e-1").replace("PERSON_ID", "ann")
    said = run(typed, stack)
    assert "✓ sent as SUBSCRIPTION_RENEWED" in said
    assert "subscription_status" in said


def test_the_readmes_configuration_is_checked(make_stack):
    """Its file with its variables, at a Customer.io of this machine: `relay check` finds nothing wrong."""
    stack = make_stack(RELAY_INTEGRATIONS="")
    stack.start("simulator")
    (file,) = blocks("README.md", "toml")
    local = f'region = "eu"\nbase_url = "{stack.simulator}"'
    (stack.folder / "integrations.toml").write_text(re.sub(r'region = "eu".*', local, file))
    check = blocks("README.md", "sh")[-1]
    values = {"WEBHOOK_SECRET": "s" * 24, "UPSTREAM_TOKEN": "t" * 24, "SITE_ID": SITE, "API_KEY": KEY}
    for name, value in values.items():
        check = check.replace(f"{name}=…", f"{name}={value}")
    assert "…" not in check
    run(check.replace(".venv/bin/", ""), stack)
    wrong = check.replace(f"API_KEY={KEY}", "API_KEY=another").replace(".venv/bin/", "")
    assert "api_key" in run(wrong, stack, status=1).lower()


@contextmanager
def taking():
    """A target of alerts on this machine: its address, and the bodies that it took."""
    taken = []

    def take(request):
        taken.append(body_of(request))
        return 200

    with Listener(take) as listener:
        yield f"json://{listener.address}/", taken


def run(script, stack, status=0):
    """What a script printed; it must end so."""
    done = subprocess.run(
        ["/bin/bash", "-ec", script],
        cwd=stack.folder,
        env=stack.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout
