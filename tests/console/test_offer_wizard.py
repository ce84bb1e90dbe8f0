"""A new offer in four steps: what is kept on the way, what is refused and where, and what is proposed in the end."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from offers import roles
from offers.models import ChangeRequest, Offer
from tests import living_bank
from tests.factories import clause
from tests.living_bank import LivingBank

pytestmark = pytest.mark.django_db

PRODUCT = {"title": "Summer card", "product": "card", "family": "cashback", "legal_basis": "firm_offer",
           "start_from": "student", "terms": "same", "fee": "0", "go": "next"}  # fmt: skip


@pytest.fixture
def bank() -> LivingBank:
    return living_bank.make(customers=20, decisions=1)


class Browser:
    """One draft in one session, following every redirect."""

    def __init__(self, bank: LivingBank, who: str = roles.MARKETING_AUTHOR, query: str = "") -> None:
        self.client = Client()
        self.client.force_login(bank.people[who])
        self.page = self.client.get(reverse("offer_new") + query, follow=True)
        self.draft = self.page.redirect_chain[-1][0].split("/")[3]

    def see(self, step: str, query: str = "") -> Any:
        self.page = self.client.get(reverse("offer_step", args=[self.draft, step]) + query)
        return self.page

    def post(self, step: str, **fields: Any) -> Any:
        self.page = self.client.post(reverse("offer_step", args=[self.draft, step]), fields, follow=True)
        return self.page

    @property
    def step(self) -> str:
        return str(self.page.context["step"])

    @property
    def states(self) -> dict[str, str]:
        return {entry["key"]: entry["state"] for entry in self.page.context["steps"]}

    def press(self, **buttons: str) -> Any:
        """Post the form as it stands, as a browser does."""
        return self.post(self.step, **fields_of(self.page.content.decode()), **buttons)


def fields_of(html: str) -> dict[str, Any]:
    """What a browser would send of the wizard's form without a button."""
    form = html[html.index('id="wizard"') :]
    form = form[: form.index("</form>")]
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, kind = re.search(r'name="([^"]+)"', tag), re.search(r'type="(\w+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if not name or (kind and kind[1] == "checkbox" and " checked" not in tag):
            continue
        found.setdefault(name[1], []).append(value[1] if value else "")
    for name, inner in re.findall(r'<textarea name="([^"]+)"[^>]*>\n?(.*?)</textarea>', form, re.S):
        found[name] = [inner]
    for name, inner in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', inner) or re.search(r'<option value="([^"]*)"', inner)
        found[name] = [chosen[1] if chosen else ""]
    return found


def test_an_offer_is_proposed_in_four_steps_with_what_its_product_has_in_common(bank: LivingBank) -> None:
    browser = Browser(bank)
    browser.post("product", **PRODUCT)
    assert browser.step == "worth"
    browser.press(go="next")
    assert browser.step == "words"
    browser.press(go="next")
    assert browser.step == "check"
    browser.press(submit="1")
    change = ChangeRequest.objects.get(key="summer-card")
    assert browser.page.redirect_chain[-1][0] == reverse("review", args=[change.pk])
    kinds = [(item["kind"], item["key"]) for item in change.items]
    assert kinds == [("offer", "summer-card"), ("creative", "summer-card/bold"), ("arm", "summer-card/bold")]
    offer, creative, arm = (item["content"] for item in change.items)
    assert offer["facts"] == {"rate": 0.2, "fee": 0.0}
    assert offer["channels"] == ["mobile_app", "web"]
    assert offer["placements"] == ["home"]
    assert "starts_at" not in offer
    assert set(creative["texts"]) == {"mobile_app", "web"}
    assert (arm["prior_mean"], arm["prior_strength"]) == (0.05, 50.0)
    assert not Offer.objects.filter(key="summer-card").exists()


def test_a_product_of_its_own_comes_with_the_offer_and_without_terms(bank: LivingBank) -> None:
    browser = Browser(bank)
    browser.post("product", **{**PRODUCT, "product": "new product", "new_product": "Green loan", "start_from": ""})
    browser.press(go="next")
    assert browser.step == "worth"  # nothing to take a value from
    browser.post("worth", value="90", base_rate="4", benefit_rank="1", channels=["web", "sms"], placements=["home"],
                 go="next")  # fmt: skip
    browser.press(go="next")
    browser.press(submit="1")
    change = ChangeRequest.objects.get(key="summer-card")
    assert [item["kind"] for item in change.items] == ["product", "offer", "creative", "arm"]
    assert change.items[0]["content"] == {"title": "Green loan"}
    assert change.items[1]["content"]["facts"] == {"fee": 0.0}
    words = change.items[2]["content"]["texts"]
    assert words["web"]["disclosure"] == "No annual fee. Subject to approval."
    assert words["sms"]["disclosure"] == "No annual fee. Subject to approval. Reply STOP to opt out."


def test_neither_a_reload_nor_back_loses_anything(bank: LivingBank) -> None:
    browser = Browser(bank)
    browser.post("product", **PRODUCT)
    browser.post(
        "worth", value="123", base_rate="4", benefit_rank="2", channels=["web"], placements=["home"], go="next"
    )
    assert 'value="Summer card"' in browser.see("product").content.decode()
    assert 'value="123"' in browser.see("worth").content.decode()
    again = browser.see("worth")
    assert again.context["form"]["channels"].value() == ["web"]
    assert browser.states["product"] == "done"


def test_a_fault_stands_beside_its_field_and_marks_its_step(bank: LivingBank) -> None:
    browser = Browser(bank)
    browser.post("product", **{**PRODUCT, "title": "Student"})
    assert browser.step == "product"
    assert browser.page.context["form"].errors["title"] == ["There is an offer of this name."]
    browser.post("product", **{**PRODUCT, "title": "Student", "go": "check"})
    assert browser.step == "check"
    assert browser.states["product"] == "fault"
    browser.press(submit="1")
    assert "Not ready" in browser.page.content.decode()
    assert not ChangeRequest.objects.filter(kind="offer").exists()


def test_words_that_are_too_long_for_their_channel_are_refused_beside_their_field(bank: LivingBank) -> None:
    browser = Browser(bank)
    browser.post("product", **PRODUCT)
    browser.press(go="next")
    fields = fields_of(browser.page.content.decode())
    browser.post("words", **{**fields, "m1-web-headline": "x" * 61, "go": "next"})
    assert browser.step == "words"
    assert "at most 60 characters" in browser.page.content.decode()
    browser.post("words", **{**fields, "m1-web-disclosure": "  ", "go": "next"})
    assert browser.step == "words"
    assert browser.states["words"] == "fault"


def test_up_to_four_messages_each_become_an_arm(bank: LivingBank) -> None:
    browser = Browser(bank)
    browser.post("product", **PRODUCT)
    browser.press(go="next")
    for _ in range(4):
        browser.press(add="1")
    assert len(browser.page.context["messages_"]) == 4
    assert browser.page.context["shown"].number == 4
    browser.press(drop="3")
    browser.press(go="next")
    browser.press(submit="1")
    change = ChangeRequest.objects.get(key="summer-card")
    arms = [item["key"] for item in change.items if item["kind"] == "arm"]
    # The first two take over the messages of the offer that it starts from.
    assert arms == ["summer-card/bold", "summer-card/plain", "summer-card/message-4"]


def test_two_messages_of_one_name_are_refused(bank: LivingBank) -> None:
    browser = Browser(bank)
    browser.post("product", **PRODUCT)
    browser.press(go="next")
    browser.press(add="1")
    browser.post("words", **{**fields_of(browser.page.content.decode()), "m2-title": "bold", "go": "next"})
    assert browser.states["words"] == "fault"


def test_another_product_changes_what_it_may_start_from_as_a_fragment_and_as_a_page(bank: LivingBank) -> None:
    browser = Browser(bank)
    typed = {**{name: value for name, value in PRODUCT.items() if name != "go"}, "family": "", "refresh": "1"}
    address = reverse("offer_step", args=[browser.draft, "product"])
    fragment = browser.client.post(address, typed, headers={"HX-Request": "true"}).content.decode()
    whole = browser.client.post(address, typed, follow=True).content.decode()
    assert "<html" not in fragment
    assert "as Student" in fragment
    assert fragment.strip() in whole
    assert 'class="fault"' not in whole


def test_a_group_is_told_in_words_by_whoever_may_not_write_rules(bank: LivingBank) -> None:
    when = json.dumps(clause("credit_score", ">=", 640))
    browser = Browser(bank, query=f"?when={when}&from=student")
    browser.post("product", **PRODUCT)
    browser.see("check")
    assert "Only risk may propose that as a rule" in browser.page.content.decode()
    browser.press(submit="1")
    change = ChangeRequest.objects.get(key="summer-card")
    assert "rule" not in {item["kind"] for item in change.items}
    assert "credit score is at least 640" in change.rationale


def test_a_group_becomes_a_rule_of_whoever_may_write_rules(bank: LivingBank) -> None:
    bank.people[roles.MARKETING_AUTHOR].groups.add(Group.objects.get(name=roles.RISK_AUTHOR))
    browser = Browser(bank, query=f"?when={json.dumps(clause('credit_score', '>=', 640))}")
    browser.post("product", **PRODUCT)
    browser.see("check")
    browser.press(submit="1")
    rule = next(item for item in ChangeRequest.objects.get(key="summer-card").items if item["kind"] == "rule")
    assert rule["content"]["target"] == "summer-card"
    assert rule["content"]["when"] == clause("credit_score", ">=", 640)


@pytest.mark.parametrize("when", ["{", "[1]", '{"attribute": "gender", "op": "=", "value": "f"}', "5"])
def test_a_group_that_no_rule_may_name_is_left_out_in_words(bank: LivingBank, when: str) -> None:
    browser = Browser(bank, query=f"?when={when}")
    assert "could not be read" in browser.page.content.decode()
    assert browser.page.context["group"] == ""


def test_terms_of_another_product_cannot_be_posted(bank: LivingBank) -> None:
    browser = Browser(bank)
    browser.post("product", **{**PRODUCT, "terms": "platinum"})
    assert browser.step == "product"
    assert "terms" in browser.page.context["form"].errors


def test_a_step_that_there_is_not_is_not_found(bank: LivingBank) -> None:
    assert Browser(bank).see("nowhere").status_code == 404


def test_where_there_is_one_product_a_name_is_enough(bank: LivingBank) -> None:
    browser = Browser(bank)
    assert browser.page.context["form"]["product"].value() == "card"
    browser.post("product", **{**fields_of(browser.page.content.decode()), "title": "Harvest card", "go": "next"})
    for _ in range(2):
        browser.press(go="next")
    browser.press(submit="1")
    offer = next(item["content"] for item in ChangeRequest.objects.get(key="harvest-card").items)
    assert (offer["value"], offer["family"], offer["facts"]) == (80, "cashback", {})
