"""The pictures of docs/console.md are of the pages as they are."""

import re

from tests.support import pictures


def test_the_pictures_are_current():
    """Nothing that decides how a page looks has changed since they were taken."""
    assert pictures.SUM.read_text() == pictures.made_of(), "run python -m tests.support.pictures"


def test_each_picture_is_on_the_page_with_words_for_who_does_not_see_it():
    """And none is that nobody shows."""
    page = (pictures.ROOT / "docs" / "console.md").read_text("utf-8")
    shown = dict(re.findall(r"!\[([^\]]{20,})\]\(console/([a-z]+)\.png\)", page))
    assert set(shown.values()) == set(pictures.PAGES) == {path.stem for path in pictures.FOLDER.glob("*.png")}
