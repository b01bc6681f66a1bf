"""Chromium for the tests: the system's own, driven by Playwright; a tab that notes whatever a page says wrong."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# A browser that is missing skips a test at home and fails it in CI, which installs it.
needs_chromium = pytest.mark.skipif(
    PROGRAM is None and not os.environ.get("CI"), reason="no Chromium here: apt install chromium"
)
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDTHS = (1280, 390, 320)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser until the end of the block. One a module: its event loop belongs to the thread while it is open."""
    from playwright.sync_api import sync_playwright

    assert PROGRAM, "install Chromium: apt install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """One tab of somebody with a browser of their own. `said` has every message of its console and every error."""

    def __init__(self, browser: Any, url: str, **context: Any) -> None:
        self.context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 900}, **context)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.said: list[str] = []
        self.clicks = 0
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))

    def _hear(self, message: Any) -> None:
        """What a page says; hints that Chromium gives to developers who ask for them are no messages."""
        if message.type != "verbose":
            self.said.append(f"{message.type}: {message.text}")

    def log_in(self, link: str) -> "Tab":
        """By a one-time link, as a person does."""
        self.page.goto(link)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_load_state()
        return self

    def click(self, target: Any) -> None:
        """One click of the mouse, counted; until the page that follows is there."""
        self.clicks += 1
        self.follow(target, target.click)

    def follow(self, target: Any, use: Callable[[], None]) -> None:
        """Use something; where it leads to another page, until that is there, not the one that is being left."""
        # a button may be of a form that is elsewhere on the page
        if target.evaluate("e => e.matches('a[href]:not([download])') || Boolean(e.form && e.type === 'submit')"):
            with self.page.expect_navigation():
                use()
        else:
            use()

    def show(self, *, dark: bool, width: int) -> None:
        """The same page in the other colours, or in a narrower window."""
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.set_viewport_size({"width": width, "height": 900})

    def loaded_bytes(self) -> int:
        """What the page and all its files come to on the wire, compressed, as for who has none of them yet."""
        entries = "['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))"
        return int(self.page.evaluate(f"{entries}.reduce((sum, one) => sum + one.encodedBodySize, 0)"))

    def sideways(self) -> int:
        """By how many pixels the page scrolls sideways."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def cut(self) -> list[str]:
        """What is wider than the card that it is in, whose edge then cuts it: how it begins."""
        script = (
            "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.innerText.slice(0, 80))"
        )
        return list(self.page.locator(".card").evaluate_all(script))

    def barriers(self) -> list[str]:
        """What axe finds: the rule, what it says, and where."""
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(_axe())
        found = self.page.evaluate(
            "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})", TAGS
        )
        return [
            f"{one['id']}: {one['help']}: {node['html'][:160]} ({node['failureSummary'][:300]})"
            for one in found["violations"]
            for node in one["nodes"][:3]
        ]


def _axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
