"""Every form of the console does its work without JavaScript: what it is sent leads to a page that says what became of
it, done or at fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page

from offers import roles
from tests.journeys import pages
from tests.journeys.conftest import Site, windows

Open = Callable[[str], Page]
# What a person would fill into a field that must be filled, by its type.
FILLED = {"number": "1", "datetime-local": "2026-05-03T14:03", "date": "2026-05-03"}


@pytest.fixture(scope="module")
def window(browser: Browser, site: Site) -> Iterator[Open]:
    held: dict[str, BrowserContext] = {}

    def opened(role: str) -> Page:
        if role not in held:
            held[role] = windows(browser, site, java_script_enabled=False)
            pages.sign_in_as(held[role], site.url, pages.client_of(site.bank, role))
        return held[role].new_page()

    yield opened
    for context in held.values():
        context.close()


def who(site: Site, address: str) -> str:
    """The role that finds the most forms on a page."""
    forms = {}
    for role in roles.ROLES:
        answer = pages.client_of(site.bank, role).get(address, follow=True)
        if answer.status_code == 200:
            forms[role] = answer.content.decode().partition("<main")[2].count("<form")
    return max(forms, key=lambda role: forms[role])


def send(page: Page, form: Locator) -> int | None:
    """Fill what must be filled, press the form's main button; the status of the answer, None where it has no button."""
    folded = form.locator("xpath=ancestor::details[not(@open)]")
    for place in range(folded.count()):
        folded.nth(place).locator("summary").first.click()
    for field in form.locator("input[required], textarea[required]").all():
        kind = field.get_attribute("type") or "text"
        if field.is_visible() and not field.input_value():
            if kind == "file":
                field.set_input_files({"name": "catalogue.zip", "mimeType": "application/zip", "buffer": b"no archive"})
            else:
                field.fill(FILLED.get(kind, "1"))
    main = form.locator("button.primary:visible, .form-actions button:visible")
    button = (main if main.count() else form.locator("button:visible")).last
    if not button.count() or button.is_disabled():
        return None
    with page.expect_navigation() as answered:
        button.click()
    return answered.value.status


@pytest.mark.parametrize("name", pages.PAGES)
def test_every_form_leads_to_a_page_without_javascript(site: Site, window: Open, name: str) -> None:
    address = pages.address(name, site.bank)
    page = window(who(site, address))
    place = 0
    while True:
        page.goto(address)
        forms = page.locator("main form")
        if place >= forms.count():
            break
        what = f"form {place} of {address}"
        status = send(page, forms.nth(place))
        assert status is None or status in (200, 400, 404, 409, 422), f"{what} was answered with {status}"
        if status is not None and page.url.startswith(site.url):
            assert page.locator("h1").first.is_visible(), f"{what} led to {page.url}, which is no page"
        place += 1
    page.close()


def test_a_new_offer_is_proposed_without_javascript(site: Site, window: Open) -> None:
    page = window(roles.MARKETING_AUTHOR)
    page.goto("/offers/new/")
    page.get_by_label("Name", exact=True).fill("A plain card")
    page.get_by_label("Product", exact=True).select_option("card")
    page.get_by_role("button", name="Show its offers and terms").click()
    page.get_by_label("Start from").select_option("student")
    for _ in range(3):
        page.get_by_role("button", name="Next").last.click()
    page.get_by_role("button", name="Submit for review").click()
    assert "/reviews/" in page.url


def test_a_rule_is_proposed_without_javascript(site: Site, window: Open) -> None:
    page = window(f"{roles.RISK_APPROVER}-2")
    page.goto("/rules/low-debt/edit/")
    page.get_by_label("Value").fill("43 %")
    page.get_by_role("button", name="Check").last.click()
    assert "at most 43 %" in page.locator(".quote").inner_text()
    page.get_by_label("What changes, in a line").fill("Lower the debt limit")
    page.get_by_role("button", name="Submit for review").click()
    assert "/reviews/" in page.url
