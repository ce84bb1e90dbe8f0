"""How many clicks a task takes in a real browser, counted where they happen; typing is not one, nor is a Tab."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

_CHOOSING = 2  # a person opens a list and picks from it; the driver sets it without a click

# Before the page can act on them, and kept over the pages of one window. An activation by Enter or Space is one too.
_COUNT = "addEventListener('click', () => sessionStorage.clicks = Number(sessionStorage.clicks || 0) + 1, true)"


class Clicks:
    """The clicks in a window, and in what it leads to, since this was made; make it where the task begins."""

    def __init__(self, page: Page) -> None:
        self._page, self._chosen = page, 0
        page.add_init_script(_COUNT)
        page.evaluate("sessionStorage.clicks = 0")
        page.reload()

    def choose(self, field: Locator, value: str) -> None:
        """Pick from a list."""
        field.select_option(value)
        self._chosen += _CHOOSING

    @property
    def count(self) -> int:
        return int(self._page.evaluate("Number(sessionStorage.clicks)")) + self._chosen
