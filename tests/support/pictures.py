"""`python -m tests.support.pictures`: write the pictures of docs/console.md, taken of a relay after a busy day."""

import hashlib
from pathlib import Path
from typing import Any

from tests.support.chromium import Tab, chromium
from tests.support.consolestack import ConsoleStack, console_stack
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "console"
SUM = FOLDER / "made-of.txt"
PAGES = ("overview", "review", "person", "failures")
_LOOKS = ("templates/*.html", "static/console.css", "static/console.js", "static/icon.svg")


def made_of() -> str:
    """A digest of all that decides how a page looks."""
    console = ROOT / "worker" / "console"
    paths = sorted(path for pattern in _LOOKS for path in console.glob(pattern))
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest() + "\n"


def take(stack: ConsoleStack, tab: Tab) -> None:
    """Each picture, as a person with the role operator sees it, with personal data masked."""
    page = tab.page
    page.set_viewport_size({"width": 1120, "height": 720})

    def save(name: str) -> None:
        page.wait_for_load_state()
        page.mouse.move(0, 0)
        page.screenshot(path=str(FOLDER / f"{name}.png"))

    until(lambda: _received(page) > 0, "the minute's sample is taken", within_s=120, every_s=5)
    save("overview")
    page.goto("/failures")
    save("failures")
    page.goto("/people?id=customer-0003")
    save("person")
    page.goto("/integrations/production?tab=events")
    page.get_by_label("Name of RENEWAL_DISABLED in Customer.io").fill("Cancelled")
    page.get_by_label("Send TRANSACTION_PROCESSED").uncheck()
    tab.click(page.get_by_role("button", name="Review changes"))
    save("review")


def _received(page: Any) -> int:
    """What the overview says was received, newly loaded."""
    page.goto("/?span=15m")
    return int(page.locator(".figures dd").first.inner_text().replace(",", ""))


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    with console_stack() as stack, chromium() as browser:
        stack.busy_day(people=40)
        take(stack, Tab(browser, stack.console).log_in(stack.link("operator")))
    SUM.write_text(made_of())


if __name__ == "__main__":
    main()
