"""The page of legal holds, and the firm offer on the page of its offer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from decisioning import runtime
from fairness.models import LegalHold
from offers import roles
from offers.models import FirmOffer
from tests import living_bank
from tests.living_bank import LivingBank

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank() -> Iterator[LivingBank]:
    yield living_bank.make(decisions=5)
    runtime.forget()


def page(bank: LivingBank, who: str, address: str, **posted: str) -> str:
    client = Client()
    client.force_login(bank.people[who])
    answer = client.post(address, posted, follow=True) if posted else client.get(address)
    assert answer.status_code == 200, address
    return " ".join(answer.content.decode().split())


def test_a_hold_is_placed_by_one_officer_and_ended_by_another(bank: LivingBank) -> None:
    given = {"scope": "customer", "customer": bank.customers[0], "reason": "A complaint in court."}
    mine = page(bank, roles.COMPLIANCE, reverse("holds"), **given)
    assert bank.customers[0] in mine
    assert "another officer ends it" in mine
    assert "Place a hold" not in page(bank, roles.AUDITOR, reverse("holds"))
    hold = LegalHold.objects.filter(scope="customer").get()
    second = f"{roles.COMPLIANCE}-2"
    without = page(bank, second, reverse("hold_end", args=[hold.pk]), comment=" ")
    assert "Say why" in without
    page(bank, second, reverse("hold_end", args=[hold.pk]), comment="Settled.")
    assert "Settled." in page(bank, roles.AUDITOR, reverse("holds") + "?state=ended")


def test_the_page_says_what_a_hold_does_not_keep(bank: LivingBank) -> None:
    assert "It does not keep what was read from a customer’s posts" in page(bank, roles.AUDITOR, reverse("holds"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scope": "customer", "customer": "nobody"}, "There is no such customer."),
        ({"scope": "offer", "offer": "nothing"}, "There is no such offer."),
        ({"scope": "period"}, "Say which customer or offer, or from which day on."),
        ({"scope": "period", "first_day": "2026-02-02", "last_day": "2026-02-01"}, "The last day is before the first."),
    ],
)
def test_a_form_says_what_it_misses_and_holds_nothing(bank: LivingBank, given: dict[str, str], said: str) -> None:
    before = LegalHold.objects.count()
    assert said in page(bank, roles.COMPLIANCE, reverse("holds"), reason="Because.", **given)
    assert LegalHold.objects.count() == before


def test_risk_sees_by_what_a_list_was_pulled_and_that_it_is_frozen(bank: LivingBank) -> None:
    """T-LEG-07b."""
    address = reverse("offer", args=["travel-plus"])
    before = page(bank, roles.RISK_APPROVER, address)
    assert "Spring mailing, honoured until" in before
    assert "No list stands" in before
    assert "no prescreened offer under 21" in before
    after = page(bank, roles.RISK_APPROVER, reverse("firm_offer_pull", args=["travel-plus"]), campaign="Autumn")
    made = FirmOffer.objects.get(campaign="Autumn")
    assert made.sha256 in after
    assert "A list was pulled for <b>Autumn</b>" in after
    assert "Freeze and pull" not in page(bank, roles.AUDITOR, address)
    assert "Firm offer of credit" not in page(bank, roles.MARKETING_LEAD, address)


def test_a_list_takes_the_name_of_its_campaign(bank: LivingBank) -> None:
    before = FirmOffer.objects.count()
    said = page(bank, roles.COMPLIANCE, reverse("firm_offer_pull", args=["travel-plus"]), campaign=" ")
    assert "Name the campaign" in said
    assert FirmOffer.objects.count() == before


def test_a_rule_of_the_law_leads_to_its_pack(bank: LivingBank) -> None:
    client = Client()
    client.force_login(bank.people[roles.COMPLIANCE])
    answer = client.get(reverse("rule", args=["_under-21-us-new-jersey"]))
    assert answer["Location"] == reverse("pack", args=["us-new-jersey"])
