"""An integrations file that was broken while the relay runs: the page names the line and what to change."""

import pytest

from tests.support.consoledoor import site
from tests.support.deadstack import opened

EDITS = {
    "no TOML": ('region = "eu"', 'region = "eu'),
    "an unknown key": ('region = "eu"', 'region = "eu"\nregoin = "eu"'),
    "a wrong region": ('region = "eu"', 'region = "mars"'),
}


@pytest.fixture
def stack(tmp_path, redis_url, customerio):
    """A relay whose configuration is a file's."""
    with opened(tmp_path, redis_url, customerio, console_login="link") as stack:
        stack.parts.role = "console"
        stack.parts.begin()
        yield stack


@pytest.mark.parametrize("edit", EDITS)
def test_the_page_says_what_is_broken_until_it_is_mended(stack, edit):
    """The file, its line and the fix; on the overview too; the cards go on, as what runs is the last good revision."""
    file = stack.parts.settings.integrations
    good = file.read_text()
    before, after = EDITS[edit]
    assert before in good
    with site(stack.parts) as console:
        anna = console.browser("viewer")
        assert "is broken" not in anna.get("/integrations").text
        file.write_text(good.replace(before, after, 1))
        stack.parts.processes.beat(stack.parts.process())
        page = anna.get("/integrations").text
        assert "The integrations file is broken" in page
        assert f"{file.name}, line " in page or f"{file.name}:" in page
        assert "The last good revision, 1, still runs" in page
        assert 'href="/integrations/production"' in page
        assert "the integrations file on" in anna.get("/").text
        file.write_text(good)
        stack.parts.processes.beat(stack.parts.process())
        assert "is broken" not in anna.get("/integrations").text
        assert "the integrations file on" not in anna.get("/").text


def test_a_file_that_is_gone_is_said_too(stack):
    """It cannot be read: no process would start."""
    stack.parts.settings.integrations.unlink()
    with site(stack.parts) as console:
        assert "cannot be read" in console.browser("viewer").get("/integrations").text
