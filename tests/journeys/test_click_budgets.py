"""How many clicks each everyday task takes, from the home page to its end, in a real browser."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from fairness.governance.examiner import verify
from offers import roles
from offers.conditions import clauses, parse
from offers.models import ChangeRequest, Stop
from tests.journeys.clicks import Clicks
from tests.journeys.conftest import Site, sign_in


def go(page: Page, label: str) -> None:
    """By the menu."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name=label, exact=True).click()


def submitted(page: Page) -> ChangeRequest:
    """The proposal whose page stands, in review."""
    expect(page).to_have_url(re.compile(r"/reviews/\d+/$"))
    change = ChangeRequest.objects.get(pk=int(page.url.rstrip("/").rpartition("/")[2]))
    assert change.status == ChangeRequest.Status.SUBMITTED
    return change


def test_a_new_offer_takes_twelve_clicks_at_most(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.MARKETING_AUTHOR)
    clicks = Clicks(page)
    go(page, "Offers")
    page.get_by_role("link", name="New offer").click()
    page.get_by_label("Name", exact=True).fill("Harvest card")
    with page.expect_response("**/product/"):
        clicks.choose(page.get_by_label("Product", exact=True), "card")
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)
    clicks.choose(page.get_by_label("Start from"), "student")
    for step in ("worth", "words", "check"):
        page.get_by_role("button", name="Next").last.click()
        expect(page).to_have_url(re.compile(f"/{step}/$"))
    page.get_by_role("button", name="Submit for review").click()
    change = submitted(page)
    assert {item["kind"] for item in change.items} == {"offer", "creative", "arm"}
    assert 0 < clicks.count <= 12


def test_an_offer_is_duplicated_and_edited_in_five_clicks(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.MARKETING_AUTHOR)
    clicks = Clicks(page)
    go(page, "Offers")
    page.get_by_role("link", name="Duplicate Student").click()
    page.get_by_label("Name", exact=True).fill("Graduate card")
    page.get_by_label("Value", exact=False).first.fill("140")
    page.get_by_role("button", name="Submit for review").click()
    offer = next(item for item in submitted(page).items if item["kind"] == "offer")
    assert (offer["content"]["title"], offer["content"]["value"]) == ("Graduate card", 140)
    assert 0 < clicks.count <= 5


def test_why_an_offer_has_no_traffic_takes_two_clicks(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.MARKETING_AUTHOR)
    clicks = Clicks(page)
    go(page, "Offers")
    page.get_by_role("link", name="Why Travel plus has this share").click()
    expect(page.get_by_role("table").first).to_contain_text("All customers")
    assert 0 < clicks.count <= 2


def test_a_rules_threshold_is_changed_and_submitted_in_four_clicks(site: Site, page: Page) -> None:
    sign_in(page, site.bank, f"{roles.RISK_APPROVER}-2")
    clicks = Clicks(page)
    go(page, "Eligibility rules")
    page.get_by_role("link", name="low-debt", exact=True).click()
    page.get_by_role("link", name="Propose a change").click()
    page.get_by_label("Value").fill("42 %")
    page.get_by_label("What changes, in a line").fill("Lower the debt limit")
    page.get_by_role("button", name="Submit for review").click()
    (item,) = submitted(page).items
    assert [clause.value for _, clause in clauses(parse(item["content"]["when"]))] == [0.42]
    assert 0 < clicks.count <= 4


def test_a_proposal_is_approved_in_three_clicks(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.RISK_APPROVER)
    clicks = Clicks(page)
    page.get_by_role("region", name="Waiting for you").get_by_role("link", name=site.bank.change.title).click()
    page.locator("summary", has_text="Approve").click()
    page.get_by_label("Why too little data is enough").fill("The bank of a test has no more customers.")
    page.get_by_role("button", name="Approve and go live").click()
    expect(page.get_by_role("status")).to_contain_text("live as release")
    assert 0 < clicks.count <= 3


def test_a_product_is_stopped_in_two_clicks(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.COMPLIANCE)
    clicks = Clicks(page)
    go(page, "Stop board")
    expect(page.get_by_label("Why")).to_be_focused()
    page.keyboard.type("The rate on the letter is wrong")
    page.get_by_role("button", name="Stop Card", exact=True).click()
    expect(page.get_by_role("heading", name="Nothing is stopped.")).to_have_count(0)
    assert Stop.objects.filter(scope="product", target="card", resumed_at__isnull=True).exists()
    assert 0 < clicks.count <= 2


@pytest.mark.parametrize("who", [roles.AUDITOR, roles.COMPLIANCE])
def test_what_was_live_at_a_moment_takes_three_clicks(site: Site, page: Page, who: str) -> None:
    sign_in(page, site.bank, who)
    clicks = Clicks(page)
    go(page, "Releases")
    page.get_by_label("At (UTC)").fill("2026-05-03T14:03")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("status")).to_contain_text("At 3 May 14:03 nothing was live yet")
    assert 0 < clicks.count <= 3


def test_an_examiner_pack_takes_three_clicks(site: Site, page: Page) -> None:
    """T-GOV-24. The page follows the worker by itself."""
    sign_in(page, site.bank, roles.AUDITOR)
    clicks = Clicks(page)
    go(page, "Examiner pack")
    page.get_by_role("button", name="Make the pack").click()
    made = page.get_by_role("link", name="Download").first
    expect(made).to_be_visible(timeout=120_000)
    with page.expect_download() as download:
        made.click()
    assert verify.main(str(download.value.path())) == 0
    assert 0 < clicks.count <= 3


def test_whether_a_card_is_fair_by_age_this_month_takes_two_clicks(site: Site, page: Page) -> None:
    """The verdict, and the ratio with its interval, lead the page."""
    sign_in(page, site.bank, roles.COMPLIANCE)
    clicks = Clicks(page)
    go(page, "Fairness")
    page.locator("table.heat tr", has=page.get_by_role("rowheader", name="Travel plus", exact=True)).locator(
        'td[data-label="Age band"] a'
    ).click()
    month = timezone.now().strftime("%B %Y")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Travel plus by age band, {month}")
    verdict = (
        r"^(Fair|Not fair|To be watched) at “.+”: 62 and over to 25 to 61, impact ratio \d\.\d+ \(\d\.\d+ to \d\.\d+\)"
    )
    expect(page.locator(".head p")).to_contain_text(re.compile(verdict))
    assert 0 < clicks.count <= 2


def test_why_a_gap_appeared_takes_four_clicks(site: Site, page: Page) -> None:
    """The stage at which it is lost, then the rule that loses most of it."""
    sign_in(page, site.bank, roles.COMPLIANCE)
    clicks = Clicks(page)
    go(page, "Fairness")
    page.get_by_role("region", name="What fails").get_by_role(
        "link", name="Travel plus: Islands to Metro"
    ).first.click()
    expect(page.locator(".head p")).to_contain_text("Most of it is lost at “eligible”.")
    page.get_by_role("link", name="Why: the causes").click()
    rules = page.get_by_role("region", name="Rules", exact=True)
    expect(rules.locator("tbody th").first).to_contain_text(re.compile(r"\d+\s% of what is lost"))
    assert 0 < clicks.count <= 4


def test_why_a_card_was_not_offered_takes_three_clicks(site: Site, page: Page) -> None:
    """Asked by somebody on the telephone who has the customer's number and the card's name."""
    sign_in(page, site.bank, roles.RISK_AUTHOR)
    clicks = Clicks(page)
    customer = site.bank.customers[0]
    page.get_by_label("Search").fill(customer)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Why not a card?").click()
    page.get_by_label("Card", exact=True).fill("Travel plus")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        re.compile(f"^Why {customer} is (not )?offered Travel plus$")
    )
    expect(page.locator(".head p")).to_contain_text(
        re.compile("Travel plus (would not be shown now, because|is eligible, but|is what)")
    )
    assert 0 < clicks.count <= 3


def test_a_decision_is_proved_in_two_clicks(site: Site, page: Page) -> None:
    """It was decided again before anybody asked; the whole hash of the record stands beside the verdict."""
    sign_in(page, site.bank, roles.AUDITOR)
    clicks = Clicks(page)
    go(page, "Decisions")
    page.locator("main tbody th a").first.click()
    proof = page.get_by_role("region", name="Replay")
    expect(proof).to_contain_text("byte for byte")
    expect(proof).to_contain_text(re.compile("[0-9a-f]{64}"))
    assert 0 < clicks.count <= 2
