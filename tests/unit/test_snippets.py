"""Every command, program and setting in the pages is run or read by a test: which one, page by page."""

import re
import tomllib

import pytest

from config.integrations import parse
from tests.support.pages import ROOT, blocks

RUN_BY = {
    ("README.md", "sh"): "tests/acceptance/test_other_pages.py",  # and its two commands, tests/unit/test_project.py
    ("docs/alerts.md", "sh"): "tests/acceptance/test_other_pages.py",
    ("docs/configuration.md", "sh"): "tests/acceptance/test_other_pages.py",
    ("docs/console.md", "ini"): "tests/unit/console/test_ways.py",
    ("docs/console.md", "sh"): "tests/acceptance/test_other_pages.py",
    ("docs/events.md", "json"): "tests/unit/test_marketers_page.py",
    ("docs/faq.md", "console"): "tests/acceptance/test_other_pages.py",
    ("docs/history.md", "sh"): "tests/acceptance/test_other_pages.py",
    ("docs/marketers.md", "segment"): "tests/unit/test_marketers_page.py",
    ("docs/operations.md", "conf"): "tests/acceptance/test_operations_page.py",
    ("docs/operations.md", "ini"): "tests/acceptance/test_operations_page.py",
    ("docs/high-availability.md", "console"): "tests/acceptance/test_failover.py",
    ("docs/high-availability.md", "sh"): "tests/acceptance/test_failover.py",
    ("docs/operations.md", "sh"): "tests/acceptance/test_operations_page.py",
    ("docs/recovery.md", "console"): "tests/acceptance/test_recovery.py",
    ("docs/recovery.md", "sh"): "tests/acceptance/test_recovery.py",
    ("docs/redis.md", "redis"): "tests/acceptance/test_redis_user.py",
    ("docs/runbook.md", "console"): "tests/acceptance/test_dead_letters_live.py",
    ("docs/switching-over.md", "console"): "tests/acceptance/test_shadow.py",
    ("docs/upstream.md", "js"): "tests/acceptance/test_upstream_page.py",
    ("docs/upstream.md", "python"): "tests/acceptance/test_upstream_page.py",
    ("docs/upstream.md", "sh"): "tests/acceptance/test_upstream_page.py",
}
NOT_RUN = {
    ("docs/configuration.md", "yaml"): "steps of somebody's pipeline; the commands in it are in its sh blocks",
    ("docs/metrics.md", "yaml"): "Prometheus's own configuration, of somebody's network",
    ("docs/scaling.md", "text"): "formulas, whose figures are those of docs/performance.md",
    ("docs/reliability.md", "sh"): "fifteen minutes; a short run of the same command is a test of its own",
    ("tests/golden/README.md", "json"): "the form of a golden case, with words in place of values",
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
    """A new kind of block, or one on a new page, needs a test that runs it, or a reason why none can."""
    assert kind == READ_HERE or (page, kind) in RUN_BY or (page, kind) in NOT_RUN
    by = RUN_BY.get((page, kind))
    if by is not None:
        text = (ROOT / by).read_text()
        assert page.rpartition("/")[2] in text
        # and reads its blocks from the page: no copy that may differ
        assert re.search(r"\b(?:blocks|commands)\((?!\))|re\.findall\(r?\"[^\"]*```", text)
    assert not blocks(page, "bash"), "sh blocks are run, bash ones are not"


def test_no_page_is_listed_in_vain():
    """What is not there any more leaves the list."""
    assert {*RUN_BY, *NOT_RUN} <= set(kinds())


@pytest.mark.parametrize("page", [page for page, kind in kinds() if kind == READ_HERE])
def test_settings_in_the_pages_are_valid(page):
    """Each TOML block is a file, or a part of one that the relay takes."""
    for text in blocks(page, "toml"):
        given = tomllib.loads(text)
        whole = text if "sources" in given else HEAD + text
        if "source" not in given.get("integrations", {}).get("production", {"source": ""}):
            whole = HEAD + INTEGRATION + text
        parse(whole, page, dict.fromkeys(SECRETS, "x" * 24))
