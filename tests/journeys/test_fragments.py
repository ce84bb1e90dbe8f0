"""What htmx swaps into a page is what the page would be if it were loaded afresh in the same state."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from offers import roles
from tests.journeys import pages
from tests.journeys.conftest import Site, sign_in

# The part that stands, and the same part of the answer to a plain request: a form's post, or an address.
_COMPARED = """
async ([selector, form, extra, address]) => {
  const plain = root => {
    const copy = root.cloneNode(true);
    for (const node of [copy, ...copy.querySelectorAll('*')]) {
      node.classList.remove('htmx-added', 'htmx-settling', 'htmx-swapping', 'htmx-request');
      if (!node.classList.length) node.removeAttribute('class');
      if (node.name === 'csrfmiddlewaretoken') node.setAttribute('value', '');
    }
    for (const said of copy.querySelectorAll('.messages, .banner.good')) said.remove();
    const times = /\\d{4}-\\d\\d-\\d\\dT[\\d:.+]+|[\\d.]+ (ms|s)( ago)?\\b/g;  // when it was looked at
    return copy.outerHTML.replace(/\\s+/g, ' ').replace(times, '');
  };
  const asked = form && new FormData(document.querySelector(form));
  for (const [name, value] of Object.entries(extra)) asked.append(name, value);
  const answer = await fetch(address || document.querySelector(form).action,
                             form && !address ? {method: 'POST', body: asked} : {});
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  return [plain(document.querySelector(selector)), plain(fresh.querySelector(selector))];
}
"""


def is_fresh(page: Page, selector: str, *, form: str = "", address: str = "", **extra: Any) -> None:
    """The part of the page equals that of a plain answer: to the form with `extra`, or at the address."""
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)
    swapped, fresh = page.evaluate(_COMPARED, [selector, form, extra, address])
    assert swapped == fresh


def test_the_rule_editor_after_a_check(site: Site, page: Page) -> None:
    sign_in(page, site.bank, f"{roles.RISK_APPROVER}-2")
    page.goto("/rules/low-debt/edit/")
    page.get_by_label("Value").fill("45 %")
    with page.expect_response("**/rules/low-debt/edit/"):
        page.get_by_label("Value").blur()
    expect(page.locator(".quote")).to_have_text("Debt to income is at most 45 %.")
    is_fresh(page, "#rule-editor", form="#rule-editor", edit="check")


def test_the_rule_editor_after_a_condition_is_added(site: Site, page: Page) -> None:
    sign_in(page, site.bank, f"{roles.RISK_APPROVER}-2")
    page.goto("/rules/low-debt/edit/")
    page.get_by_role("button", name="Add a condition").click()
    expect(page.get_by_label("Attribute")).to_have_count(2)
    is_fresh(page, "#rule-editor", form="#rule-editor", edit="check")


def test_a_new_offers_terms_after_its_product_is_chosen(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.MARKETING_AUTHOR)
    page.goto("/offers/new/")
    with page.expect_response("**/product/"):
        page.get_by_label("Product", exact=True).select_option("card")
    is_fresh(page, "#start", form="#wizard", refresh="1")


def test_a_message_beside_the_words_that_are_typed(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.MARKETING_AUTHOR)
    page.goto("/offers/student/edit/")
    wording = page.locator(".wording").first
    wording.get_by_label("Headline").fill("Your first card, no fee")
    expect(wording.locator(".surface")).to_contain_text("Your first card, no fee")
    is_fresh(page, ".wording .surfaces", form="main form.page", preview="1")


@pytest.mark.parametrize("part", ["#effect", "#what-if"])
def test_what_if_after_a_lever_moves(site: Site, page: Page, part: str) -> None:
    sign_in(page, site.bank, roles.RISK_APPROVER)
    page.goto("/what-if/")
    lever = page.locator("#what-if input[type=range], #what-if input[type=number]").first
    with page.expect_response(re.compile(r"/what-if/\?")) as answered:
        lever.evaluate("field => { field.stepUp(); field.dispatchEvent(new Event('input', {bubbles: true})) }")
    address = answered.value.url
    if part == "#effect":
        is_fresh(page, part, address=address)
    else:
        page.goto(address)
        is_fresh(page, part, address=address)


def test_the_draws_of_an_arm(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.MARKETING_AUTHOR)
    page.goto("/arms/student/plain/")
    expect(page.get_by_text("By merit")).to_be_visible()
    is_fresh(page, "#draws dl", address="/arms/student/plain/draws/")


def test_a_replayed_decision(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.COMPLIANCE)
    page.goto(f"/decisions/{site.bank.decisions[0]}/")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#replay")).to_contain_text("byte for byte")
    is_fresh(page, "#replay", form="form[hx-target='#replay']")


def test_dead_letters_after_one_is_settled(site: Site, page: Page) -> None:
    sign_in(page, site.bank, roles.RISK_APPROVER)
    page.goto("/dead-letters/")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Replay the chosen").click()
    expect(page.get_by_text("No letter waits")).to_be_visible()
    is_fresh(page, "#letters", address="/dead-letters/")


def test_the_evidence_of_a_proposal_once_it_is_computed(site: Site, page: Page) -> None:
    sign_in(page, site.bank, f"{roles.RISK_APPROVER}-2")
    page.goto("/rules/low-debt/edit/")
    page.get_by_label("What changes, in a line").fill("The same debt, said again")
    page.get_by_label("Value").fill("44 %")
    page.get_by_role("button", name="Submit for review").click()
    expect(page).to_have_url(re.compile(r"/reviews/\d+/$"))
    expect(page.get_by_text("computed").first).to_be_visible(timeout=120_000)
    expect(page.locator("#evidence[hx-get]")).to_have_count(0, timeout=120_000)
    is_fresh(page, "#evidence", address=page.url)


@pytest.mark.parametrize("name", ["quality", "reach", "what_if"])
def test_a_page_that_fetches_itself_answers_htmx_as_it_answers_a_browser(site: Site, name: str) -> None:
    """What polls picks its part from the whole page by hx-select."""
    client = pages.client_of(site.bank, roles.RISK_APPROVER)
    address = pages.address(name, site.bank)
    polled, plain = (client.get(address, headers=headers).content.decode() for headers in ({"HX-Request": "true"}, {}))
    token = re.compile(r'(?:value="|X-CSRFToken": ")\w{64}"')
    assert token.sub("", polled) == token.sub("", plain)
