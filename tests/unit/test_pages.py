"""The pages of documentation: short README, an index that is complete, links that lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")])


def test_the_readme_is_short_and_shows_a_picture() -> None:
    """Under 130 lines, with a picture of the relay at work."""
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) < 130
    assert re.search(r"!\[[^\]]+\]\(docs/\w+\.svg\)", readme)


def test_the_index_lists_every_page_of_documentation() -> None:
    """docs/README.md links each page beside it."""
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {name for name in pages if f"({name})" not in index} == set()


@pytest.mark.parametrize("picture", sorted(ROOT.glob("docs/*.svg")), ids=lambda picture: picture.name)
def test_pictures_load_nothing_from_elsewhere(picture: Path) -> None:
    """No font, script or style of another host."""
    text = picture.read_text()
    assert "<script" not in text
    assert not re.search(r"""(url\(|href=|src=)["']?(?!#)[^)"']*//""", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    """Files, and headings of pages, that a link names exist."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, heading = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        if heading:
            assert heading in _headings(linked), target


def _headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
