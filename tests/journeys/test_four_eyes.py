"""What the bank's people do with the console, in a real browser: propose, see the effect, approve, explain, replay."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from offers import roles
from tests.journeys.conftest import Site, sign_in, windows

AUTHOR = f"{roles.RISK_APPROVER}-2"


@pytest.mark.parametrize(
    ("who", "sees", "not_sees"),
    [
        (roles.MARKETING_AUTHOR, "Offers", "Decisions"),
        (roles.RISK_APPROVER, "Decisions", None),
        (roles.COMPLIANCE, "Fairness", None),
    ],
)
def test_each_role_signs_in_to_its_own_menu(site: Site, page: Page, who: str, sees: str, not_sees: str | None) -> None:
    sign_in(page, site.bank, who)
    menu = page.get_by_role("navigation", name="Main")
    expect(menu.get_by_role("link", name=sees)).to_be_visible()
    expect(menu.get_by_role("link", name="Home")).to_have_attribute("aria-current", "page")
    if not_sees:
        expect(menu.get_by_role("link", name=not_sees)).to_have_count(0)


def test_a_wrong_password_is_said_and_nothing_else(site: Site, page: Page) -> None:
    page.goto("/sign-in/")
    page.get_by_label("Name").fill("risk_approver")
    page.get_by_label("Password").fill("guess")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not match")


def test_a_rule_goes_from_its_author_through_its_effect_to_a_second_person(site: Site, page: Page) -> None:
    sign_in(page, site.bank, AUTHOR)
    page.goto("/rules/low-debt/edit/")
    page.get_by_label("Value").fill("45 %")
    page.get_by_label("Value").blur()
    expect(page.locator(".quote")).to_have_text("Debt to income is at most 45 %.")
    page.get_by_role("button", name="Add a condition").click()
    expect(page.get_by_label("Attribute")).to_have_count(2)
    page.get_by_role("button", name="Remove this condition").last.click()
    expect(page.get_by_label("Attribute")).to_have_count(1)
    page.get_by_label("What changes, in a line").fill("Lower the debt limit")
    page.get_by_role("button", name="Submit for review").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Lower the debt limit")
    expect(page.get_by_text("You wrote it, so somebody else must check it.")).to_be_visible()
    expect(page.get_by_text("Approve and go live")).to_have_count(0)
    address = page.url
    sign_out(page)

    sign_in(page, site.bank, roles.RISK_APPROVER)
    page.goto(address)
    # The worker computes it; the page waits for it by itself.
    expect(page.get_by_text("customers, computed")).to_be_visible(timeout=30_000)
    page.reload()
    page.locator("summary", has_text="Approve").click()
    page.get_by_label("Why too little data is enough").fill("The bank of a test has no more customers.")
    page.get_by_role("button", name="Approve and go live").click()
    expect(page.get_by_role("status")).to_contain_text("live as release")
    page.goto("/rules/low-debt/")
    expect(page.locator(".quote")).to_have_text("Debt to income is at most 45 %.")


def test_a_marketer_sees_the_message_while_writing_it_and_proposes_it(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.MARKETING_AUTHOR)
    page.goto("/offers/first-card/edit/")
    wording = page.locator(".wording").first
    wording.get_by_label("Headline").fill("Your first card, no fee")
    expect(wording.locator(".surface")).to_contain_text("Your first card, no fee")
    page.get_by_label("What changes, in a line").fill("A plainer headline")
    page.get_by_role("button", name="Submit for review").click()
    expect(page.get_by_role("insertion")).to_contain_text("Your first card, no fee")
    expect(page.get_by_role("figure", name="Mobile app")).to_contain_text("Your first card, no fee")
    expect(page.locator(".chip", has_text="in review").first).to_be_visible()


def test_a_decision_is_found_explained_and_replayed(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.COMPLIANCE)
    page.get_by_role("searchbox", name="Search").fill(site.bank.customers[3])
    page.get_by_role("searchbox", name="Search").press("Enter")
    page.get_by_role("region", name="Last decisions").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Why {site.bank.customers[3]} was shown")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#replay")).to_contain_text("byte for byte")


def test_a_dead_letter_is_replayed_where_it_stands(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.RISK_APPROVER)
    page.goto("/dead-letters/")
    page.get_by_text("What was sent").click()
    expect(page.locator("pre")).to_contain_text('"event_id": "stray-1"')
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Replay the chosen").click()
    expect(page.get_by_role("status")).to_contain_text("1 accepted.")
    expect(page.get_by_text("No letter waits")).to_be_visible()
    expect(page).to_have_url(re.compile("/dead-letters/$"))


def test_the_fairness_figure_is_drawn_under_the_policy(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.COMPLIANCE)
    page.goto("/fairness/offers/travel-plus/region/")
    expect(page.locator("[data-figure] .main-svg").first).to_be_visible()


def test_the_console_works_without_javascript(site: Site, page: Page) -> None:
    browser = page.context.browser
    assert browser is not None
    context = windows(browser, site, java_script_enabled=False)
    plain = context.new_page()
    sign_in(plain, site.bank, AUTHOR)
    plain.goto("/rules/score-670/edit/")
    plain.get_by_role("button", name="Add a condition").click()
    expect(plain.get_by_label("Attribute")).to_have_count(2)
    plain.goto(f"/decisions/{site.bank.decisions[0]}/")
    plain.get_by_role("button", name="Replay").click()
    expect(plain.locator("#replay")).to_contain_text("byte for byte")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_every_page_without_scrolling_sideways(site: Site, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, site.bank, roles.RISK_APPROVER)
    addresses = [
        "/", "/offers/", "/offers/travel-plus/", "/arms/", "/rules/", "/rules/score-670/edit/", "/reviews/",
        f"/reviews/{site.bank.change.pk}/", "/releases/", "/fairness/", "/decisions/",
        f"/decisions/{site.bank.decisions[0]}/", "/audit/", "/health/",
        "/features/", "/features/account_state/", f"/customers/{site.bank.customers[0]}/", "/data-quality/",
        "/dead-letters/",
    ]  # fmt: skip
    for address in addresses:
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address


def test_the_menu_on_a_phone_opens_without_javascript_and_by_keyboard(site: Site, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, site.bank, roles.RISK_APPROVER)
    page.get_by_text("Menu", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_role("navigation", name="Menu").get_by_role("link", name="Arms").click()
    expect(page).to_have_url(re.compile("/arms/$"))


def test_the_first_tab_stop_skips_to_the_content(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.RISK_APPROVER)
    page.goto("/offers/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def sign_out(page: Page) -> None:
    page.get_by_role("banner").get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in/")
