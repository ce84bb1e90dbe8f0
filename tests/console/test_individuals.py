"""The page of single people: the number of the leak test, and pairs that nobody reads unseen."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from fairness.individual import flip
from fairness.models import ComparatorPair
from offers import roles
from offers.models import AuditEvent
from tests import living_bank
from tests.journeys.pages import client_of
from tests.living_bank import LivingBank

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank() -> LivingBank:
    return living_bank.make(60, 6)


def test_the_page_says_how_many_decisions_hang_on_a_protected_attribute(bank: LivingBank) -> None:
    auditor = client_of(bank, roles.AUDITOR)
    assert "Not checked yet" in auditor.get(reverse("individuals")).content.decode()
    flip.check(timezone.now(), most=40)
    page = auditor.get(reverse("individuals")).content.decode()
    assert "decisions differ; there must be none" in page
    assert "<b>40</b>" in page
    assert "mapping not tested" in page
    assert client_of(bank, roles.MARKETING_AUTHOR).get(reverse("individuals")).status_code == 403


def test_reading_a_pair_is_recorded_and_shows_nothing_protected(bank: LivingBank) -> None:
    pair = ComparatorPair.objects.all()[0]
    page = client_of(bank, roles.COMPLIANCE).get(reverse("individuals_pair", args=[pair.pk])).content.decode()
    assert str(pair.customer_id) in page
    for word in ("Islands", "female", "birth"):
        assert word not in page
    event = AuditEvent.objects.get(action="individuals.pair_read")
    assert event.actor == bank.people[roles.COMPLIANCE].get_username()
    assert str(pair.other_id) in event.detail
