"""From the leaderboard to a submitted change of an arm's share, in a real browser and few clicks."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from offers import roles
from offers.models import ChangeRequest
from tests.journeys.conftest import Site, sign_in

BUDGET = 4
# Counted where they happen, before the page can act on them; kept over the pages of one window.
_COUNT = "addEventListener('click', () => sessionStorage.clicks = Number(sessionStorage.clicks || 0) + 1, true)"


def test_an_arms_share_is_changed_and_submitted_in_four_clicks(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.MARKETING_AUTHOR)
    page.add_init_script(_COUNT)
    page.goto("/arms/")
    page.get_by_role("link", name="Change share of").first.click()
    page.get_by_label("At most, %").click()
    page.keyboard.type("25")
    page.get_by_role("button", name="Submit for review").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Change the share of")
    assert 0 < int(page.evaluate("sessionStorage.clicks")) <= BUDGET
    change = ChangeRequest.objects.latest("id")
    assert (change.kind, change.status) == ("arm", "submitted")
    assert change.items[0]["content"]["mandate"] == {"max_share": 0.25}


def test_the_draws_of_an_arm_are_checked_once_its_page_stands(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.MARKETING_AUTHOR)
    page.goto("/arms/")
    page.locator("tbody th a").first.click()
    expect(page.get_by_text("By merit")).to_be_visible()
    expect(page.get_by_text("no mandate moved it")).to_be_visible()
