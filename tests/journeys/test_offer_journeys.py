"""A new offer and a copy of one in a real browser: within their clicks, with a live preview, and not lost by Back."""

from __future__ import annotations

import re
from typing import Final

from playwright.sync_api import Page, expect

from offers import roles
from offers.models import ChangeRequest
from tests.journeys.clicks import Clicks
from tests.journeys.conftest import Site, sign_in

NEW_OFFER: Final = 12
COPY: Final = 5


def test_a_new_offer_is_submitted_within_its_clicks(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.MARKETING_AUTHOR)
    page.goto("/offers/")
    clicks = Clicks(page)
    page.get_by_role("link", name="New offer").click()
    page.get_by_label("Name", exact=True).fill("Autumn card")
    clicks.choose(page.get_by_label("Product", exact=True), "card")
    expect(page.locator("option[value=travel-plus]").first).to_be_attached()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Autumn card")
    clicks.choose(page.get_by_label("Start from"), "travel-plus")
    page.locator("main").get_by_role("button", name="Next").last.click()
    expect(page.get_by_label("Value of an acceptance")).to_have_value(re.compile(r"^80(\.0)?$"))
    page.locator("main").get_by_role("button", name="Next").last.click()
    page.get_by_label("Headline").first.fill("Leaves and lounges")
    expect(page.locator(".surface").first).to_contain_text("Leaves and lounges")
    page.locator("main").get_by_role("button", name="Next").last.click()
    page.get_by_role("button", name="Submit for review").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Add Autumn card")
    assert 0 < clicks.count <= NEW_OFFER
    change = ChangeRequest.objects.get(key="autumn-card")
    texts = next(item["content"]["texts"] for item in change.items if item["kind"] == "creative")
    assert texts["mobile_app"]["headline"] == "Leaves and lounges"


def test_back_finds_what_was_entered(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.MARKETING_AUTHOR)
    page.goto("/offers/new/")
    page.get_by_label("Name", exact=True).fill("Winter card")
    page.get_by_label("Product", exact=True).select_option("card")
    expect(page.get_by_label("Family")).to_have_value("cashback")
    page.locator("main").get_by_role("button", name="Next").last.click()
    expect(page.get_by_role("button", name="Worth, places and dates")).to_have_attribute("aria-current", "step")
    page.go_back()
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Winter card")
    page.go_forward()
    expect(page.get_by_role("heading", level=1)).to_have_text("Winter card")


def test_a_copy_is_submitted_within_its_clicks(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.MARKETING_AUTHOR)
    page.goto("/offers/")
    clicks = Clicks(page)
    page.get_by_role("link", name="Duplicate Travel plus").click()
    page.get_by_label("Name", exact=True).click()
    page.keyboard.type("Travel more")
    page.get_by_role("button", name="Submit for review").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("A copy of Travel plus")
    assert 0 < clicks.count <= COPY
    assert {item["kind"] for item in ChangeRequest.objects.get(key="travel-more").items} == {"offer", "creative", "arm"}
