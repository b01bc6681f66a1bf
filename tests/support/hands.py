"""Hands of somebody who uses a page: with a mouse, with the keyboard alone, without JavaScript."""

from typing import Any

from tests.support.chromium import Tab


class Mouse:
    """Somebody with a mouse."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    def press(self, target: Any) -> None:
        """Use a link or a button, until the page that follows is there."""
        self.tab.click(target)

    def turn(self, target: Any) -> None:
        """Tick a box."""
        self.tab.click(target)

    def write(self, target: Any, text: str) -> None:
        """Write into a field, over what is there."""
        target.fill(text)


class Keyboard(Mouse):
    """Somebody without one: Tab and Shift+Tab until the target has the focus, which must be seen."""

    def press(self, target: Any) -> None:
        """By Enter."""
        self._reach(target)
        self.tab.follow(target, lambda: self.tab.page.keyboard.press("Enter"))

    def turn(self, target: Any) -> None:
        """By the space bar."""
        self._reach(target)
        self.tab.page.keyboard.press("Space")

    def write(self, target: Any, text: str) -> None:
        """By typing."""
        self._reach(target)
        self.tab.page.keyboard.press("Control+a")
        self.tab.page.keyboard.type(text)

    def _reach(self, target: Any) -> None:
        page = self.tab.page
        target.wait_for()
        place = "e => [...document.querySelectorAll('*')].indexOf(e)"
        back = target.evaluate(place) < page.evaluate(f"({place})(document.activeElement)")
        for _ in range(400):
            if target.evaluate("e => e === document.activeElement"):
                style = target.evaluate("e => getComputedStyle(e).outlineStyle")
                assert style != "none", "the focus is seen"
                return
            page.keyboard.press("Shift+Tab" if back else "Tab")
        raise AssertionError(f"{target} cannot be reached with the keyboard")


def people(browser: Any, stack: Any, role: str, how: str, *who: str) -> tuple[Tab, Mouse]:
    """A tab of somebody, and how they use it."""
    context = {"java_script_enabled": False} if how == "no-javascript" else {}
    tab = Tab(browser, stack.console, **context).log_in(stack.link(role, *who))
    return tab, (Keyboard if how == "keyboard" else Mouse)(tab)
