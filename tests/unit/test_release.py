"""The release: one number, in pyproject.toml, and what CHANGELOG.md and the pages say of it."""

import datetime as dt
import re
from itertools import pairwise

import pytest

from tests.support.pages import ROOT, blocks
from tests.support.wheels import version

KINDS = ["Upgrading", "Security", "Added", "Changed", "Deprecated", "Removed", "Fixed"]


def sections():
    """What each heading of the second level has below it, in the order of the page."""
    _, *parts = re.split(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def released():
    """Each released number with its date, the newest first."""
    found = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", heading) for heading in list(sections())[1:]]
    assert all(found), list(sections())
    return [(one[1], dt.date.fromisoformat(one[2])) for one in found]


def parts_of(number):
    return [int(part) for part in number.split(".")]


def test_the_newest_release_is_the_projects_version():
    """What is not released yet comes first, then one release after the other, each earlier than the one above."""
    assert next(iter(sections())) == "[Unreleased]"
    assert released()[0][0] == version()
    for (newer, newer_day), (older, older_day) in pairwise(released()):
        assert parts_of(newer) > parts_of(older)
        assert newer_day >= older_day


@pytest.mark.parametrize("heading", list(sections()))
def test_a_release_says_first_how_to_upgrade(heading):
    """Then what changed, by kind and in one order; nothing is above the first kind."""
    before, *parts = re.split(r"^### (.*)$", sections()[heading], flags=re.MULTILINE)
    assert not before.strip()
    kinds = parts[::2]
    assert kinds == [kind for kind in KINDS if kind in kinds], "one heading a kind, in the order of KINDS"
    if heading != "[Unreleased]":
        assert kinds[0] == "Upgrading"


def test_upgrading_names_the_release_before():
    """Who reads the newest knows from which one it leads here."""
    (_, former), newest = [number for number, _ in released()[:2]], list(sections().values())[1]
    assert newest.partition("### Upgrading")[2].strip().startswith(f"From {former}")


def test_the_operations_page_installs_this_release_and_goes_back_to_the_former():
    """Its commands are typed as they are."""
    assert set(re.findall(r"^RELEASE=(\S+)", "\n".join(blocks("docs/operations.md", "sh")), re.MULTILINE)) == {
        version()
    }
    named = re.findall(r"relay-(\d+\.\d+\.\d+)", (ROOT / "docs/operations.md").read_text("utf-8"))
    assert named == [released()[1][0]]
