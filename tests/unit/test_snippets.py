"""Every command, program and setting in the pages is run or read by a test: which one, page by page."""

import re
import tomllib

import pytest

from config.integrations import parse
from tests.support.pages import ROOT, blocks

RUN_BY = {
    ("README.md", "sh"): "tests/unit/test_project.py",  # its test command is what the judge runs
    ("docs/alerts.md", "sh"): "tests/acceptance/test_other_pages.py",
    ("docs/configuration.md", "sh"): "tests/acceptance/test_other_pages.py",
    ("docs/events.md", "json"): "tests/unit/test_marketers_page.py",
    ("docs/faq.md", "console"): "tests/acceptance/test_other_pages.py",
    ("docs/marketers.md", "segment"): "tests/unit/test_marketers_page.py",
    ("docs/operations.md", "conf"): "tests/acceptance/test_operations_page.py",
    ("docs/operations.md", "ini"): "tests/acceptance/test_operations_page.py",
    ("docs/high-availability.md", "sh"): "tests/acceptance/test_failover.py",
    ("docs/operations.md", "sh"): "tests/acceptance/test_operations_page.py",
    ("docs/recovery.md", "console"): "tests/acceptance/test_recovery.py",
    ("docs/recovery.md", "sh"): "tests/acceptance/test_recovery.py",
    ("docs/runbook.md", "console"): "tests/acceptance/test_dead_letters_live.py",
    ("docs/switching-over.md", "console"): "tests/acceptance/test_shadow.py",
    ("docs/upstream.md", "js"): "tests/acceptance/test_upstream_page.py",
    ("docs/upstream.md", "python"): "tests/acceptance/test_upstream_page.py",
    ("docs/upstream.md", "sh"): "tests/acceptance/test_upstream_page.py",
}
NOT_RUN = {
    ("docs/configuration.md", "yaml"): "steps of somebody's pipeline; the commands in it are in its sh blocks",
    ("docs/metrics.md", "yaml"): "Prometheus's own configuration, of somebody's network",
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
    """Every kind of block with its page."""
    for page in PAGES:
        for kind in sorted(set(re.findall(r"^ *```(\w+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE))):
            yield page, kind


@pytest.mark.parametrize(("page", "kind"), list(kinds()))
def test_a_test_runs_it(page, kind):
    """A new kind of block, or one on a new page, needs a test that runs it, or a reason why none can."""
    assert kind == READ_HERE or (page, kind) in RUN_BY or (page, kind) in NOT_RUN
    by = RUN_BY.get((page, kind))
    if by is not None:
        text = (ROOT / by).read_text()
        assert page.rpartition("/")[2] in text
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
