"""Every command, program and setting in the pages is run or read by a test: which one, page by page."""

import re
import tomllib

import pytest

from config.integrations import parse
from tests.support.pages import ROOT, blocks
from tests.support.readings import EVERY, SOME, read_by

OTHER_PAGES = "tests/acceptance/test_other_pages.py::test_the_commands_of_faq_and_configuration_do_what_the_pages_say"
OPERATIONS = "tests/acceptance/test_operations_page.py::test_the_page_is_true"
RECOVERY = "tests/acceptance/test_recovery.py::test_the_page_is_true"
RECOVERY_TLS = "tests/acceptance/test_recovery_tls.py::test_backup_and_move_of_a_server_with_tls"
AGAIN_ON = "tests/acceptance/test_recovery_tls.py::test_the_append_only_file_is_on_again"
# Page and kind to the test that takes every block of them, whichever come; or to how each block begins, and its test.
RUN_BY: dict[tuple[str, str], str | dict[str, str]] = {
    ("README.md", "sh"): {
        "python3 -m venv .venv && .venv/bin/pip install -q --disable-pip-version-check -r requirements.lock": (
            "tests/acceptance/test_installing.py::test_the_readmes_first_command"
        ),
        "python3 -m venv .venv && .venv/bin/pip install -q --disable-pip-version-check -r requirements-dev.lock": (
            "tests/unit/test_project.py::test_the_judge_runs_the_readmes_own_test_command"
        ),
        "export RELAY_INTEGRATIONS=": "tests/acceptance/test_other_pages.py::test_the_readmes_configuration_is_checked",
    },
    ("docs/alerts.md", "sh"): OTHER_PAGES,
    ("docs/configuration.md", "sh"): OTHER_PAGES,
    ("docs/configuration.md", "yaml"): OTHER_PAGES,
    ("docs/console.md", "ini"): "tests/unit/console/test_ways.py::test_the_settings_of_the_page_are_a_way",
    ("docs/console.md", "sh"): OTHER_PAGES,
    ("docs/events.md", "json"): "tests/unit/test_marketers_page.py::test_the_events_page_is_what_the_code_makes",
    ("docs/faq.md", "console"): OTHER_PAGES,
    ("docs/high-availability.md", "console"): "tests/acceptance/test_failover.py::test_the_pages_set_and_drill",
    ("docs/high-availability.md", "sh"): "tests/acceptance/test_failover.py::test_the_pages_set_and_drill",
    ("docs/history.md", "sh"): OTHER_PAGES,
    ("docs/marketers.md", "segment"): "tests/unit/test_marketers_page.py::test_every_recipe_is_checked",
    ("docs/metrics.md", "yaml"): "tests/unit/test_monitoring.py::test_the_pages_configuration_is_valid",
    ("docs/operations.md", "conf"): OPERATIONS,
    ("docs/operations.md", "ini"): OPERATIONS,
    ("docs/operations.md", "sh"): OPERATIONS,
    ("docs/recovery.md", "console"): {
        "$ install -d -m 0700 relay-backup": RECOVERY,
        '$ redis-cli -u "$NEW_REDIS_URL" config set appendonly yes': RECOVERY,
        '$ redis-cli -u "$NEW_REDIS_URL" config set tls-replication "$OLD_TLS"': RECOVERY_TLS,
        "$ OFFSET=": RECOVERY_TLS,
        '$ export RELAY_REDIS_URL="$NEW_REDIS_URL"': RECOVERY_TLS,
        "$ python3 -c 'import json": RECOVERY,
        "$ relay status": RECOVERY,
    },
    ("docs/recovery.md", "sh"): {
        "export SSL_CERT_FILE=": RECOVERY_TLS,
        "sudo systemctl stop redis-server": AGAIN_ON,
        "sudo sed -i 's/^appendonly no": AGAIN_ON,
    },
    ("docs/redis.md", "redis"): "tests/acceptance/test_redis_user.py::test_the_rules_of_the_page_suffice",
    ("docs/runbook.md", "console"): "tests/acceptance/test_dead_letters_live.py::test_the_runbook_is_true",
    ("docs/switching-over.md", "console"): "tests/acceptance/test_shadow.py::test_the_page_is_true",
    ("docs/upstream.md", "js"): "tests/acceptance/test_upstream_page.py::test_the_node_example",
    ("docs/upstream.md", "python"): "tests/acceptance/test_upstream_page.py::test_the_python_example",
    ("docs/upstream.md", "sh"): "tests/acceptance/test_upstream_page.py::test_the_curl_examples",
}
# As above, with why no test runs the block.
NOT_RUN = {
    ("docs/scaling.md", "text"): {
        "web processes     =": "read by tests/unit/test_scaling_page.py in another way: figures of docs/performance.md",
        "events   = rate": "read by tests/unit/test_scaling_page.py in another way",
        "events     = 5,000,000": "read by tests/unit/test_scaling_page.py in another way",
        "price = cores": "a formula of somebody's prices",
    },
    ("docs/reliability.md", "sh"): {
        ".venv/bin/python -m tests.chaos": "fifteen minutes; tests/acceptance/test_chaos.py has a short run of the same"
    },
    ("tests/golden/README.md", "json"): {"{": "the form of a golden case, with a name that somebody chose"},
}
READ_HERE = "toml"
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in sorted(
        [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/**/*.md"), *ROOT.glob("tests/golden/*.md")]
    )
]
SECRETS = ("PURCHASELY_WEBHOOK_SECRET", "UPSTREAM_TOKEN", "CUSTOMERIO_SITE_ID", "CUSTOMERIO_API_KEY")
HEAD = """
[sources.my-app]
tokens = ["env:UPSTREAM_TOKEN"]
"""
INTEGRATION = """
[integrations.production]
source = "my-app"
region = "eu"
site_id = "env:CUSTOMERIO_SITE_ID"
api_key = "env:CUSTOMERIO_API_KEY"
"""


def kinds():
    """Every kind of block with its page; a block that says no kind has an empty one."""
    for page in PAGES:
        for kind in sorted({kind for kind, _ in fences((ROOT / page).read_text("utf-8"))}):
            yield page, kind


def fences(text):
    """Each fence of a page that begins a block: its kind as it is written, and its line."""
    opened = ""
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r" *(`{3,}|~{3,})(.*)$", line)
        if opened and found and found[1] == opened and not found[2]:
            opened = ""
        elif found and not opened:
            opened = found[1]
            yield found[2], number
    assert not opened, "a block has no end"


def test_every_way_to_write_a_block_is_seen():
    """Without a kind, with tildes, within a list: a test of the reading itself."""
    text = "```\na\n```\n~~~sh\n```\n~~~\n1. b\n\n   ```console\n   $ c\n   ```\n"
    assert list(fences(text)) == [("", 1), ("sh", 4), ("console", 9)]


@pytest.mark.parametrize("page", PAGES)
def test_no_command_is_outside_of_a_block(page):
    """An indented line is a block to a reader as well, and nothing would run it."""
    text = re.sub(r"^( *)```.*?^\1```$", "", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert not re.findall(r"^\n(?:    |\t)(?:\$ |sudo |relay |curl |docker |kubectl )", text, re.MULTILINE)


@pytest.mark.parametrize(("page", "kind"), list(kinds()))
def test_a_test_runs_it(page, kind):
    """Each block has a test that runs it, or a reason why none can: a new one as well, on a page that has others."""
    assert kind != "bash", "sh blocks are run, bash ones are not"
    if kind == READ_HERE:
        return
    by, why = RUN_BY.get((page, kind), {}), NOT_RUN.get((page, kind), {})
    if isinstance(by, str):
        assert (page, kind, EVERY) in read_by(by), f"{by} takes not every {kind} block of {page}"
        return
    assert all((page, kind) in {one[:2] for one in read_by(test)} for test in by.values())
    begun = [body.strip() for body in blocks(page, kind)]
    missing = [body.partition("\n")[0] for body in begun if not any(map(body.startswith, [*by, *why]))]
    assert not missing, "a block without a test: name the one that runs it in RUN_BY"
    assert len(begun) == len(by) + len(why), "two blocks begin alike, or one is not there any more"


def test_no_page_is_listed_in_vain():
    """What is not there any more leaves the list."""
    assert {*RUN_BY, *NOT_RUN} <= set(kinds())


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("for block in blocks(PAGE, 'sh'): run(block)", {("docs/a.md", "sh", EVERY)}),
        ("first, (second,) = blocks(PAGE, 'sh'), blocks('b.md', 'ini')", {("docs/a.md", "sh", EVERY)}),
        ("run('\\n'.join(commands(PAGE)), tmp_path)", {("docs/a.md", "console", EVERY)}),
        ("first, *rest = blocks(PAGE, 'sh')", {("docs/a.md", "sh", SOME)}),
        ("run(blocks(PAGE, 'sh')[-1])", {("docs/a.md", "sh", SOME)}),
        ("run(commands(PAGE, 'Backup'))", {("docs/a.md", "console", SOME)}),
        ("asked()", {("docs/a.md", "conf", EVERY)}),
    ],
)
def test_what_a_test_takes_of_a_page_is_seen(body, found, tmp_path):
    """A test of the reading itself: through functions and fixtures of its module, and whether it takes every block."""
    path = tmp_path / "test_it.py"
    path.write_text(f"PAGE = 'docs/a.md'\ndef asked(): (one,) = blocks(PAGE, 'conf')\ndef test_it():\n    {body}\n")
    assert read_by(f"{path}::test_it") - {("b.md", "ini", EVERY), ("b.md", "ini", SOME)} == found


@pytest.mark.parametrize("page", [page for page, kind in kinds() if kind == READ_HERE])
def test_settings_in_the_pages_are_valid(page):
    """Each TOML block is a file, or a part of one that the relay takes."""
    for text in blocks(page, "toml"):
        given = tomllib.loads(text)
        whole = text if "sources" in given else HEAD + text
        if "source" not in given.get("integrations", {}).get("production", {"source": ""}):
            whole = HEAD + INTEGRATION + text
        parse(whole, page, dict.fromkeys(SECRETS, "x" * 24))
