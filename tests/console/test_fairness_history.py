"""The audit of a loaded history on its page: what is too small to be shown is named, without a figure."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from fairness import thresholds
from fairness.audit import ACCEPTED, ANY
from fairness.counts import GroupCounts
from fairness.models import FairnessAudit
from offers import roles
from tests import factories


@pytest.mark.django_db
def test_a_group_of_fewer_than_twenty_is_named_on_the_page_of_a_history_without_a_figure() -> None:
    now = timezone.now()
    sent = {"region": {"Metro": GroupCounts("Metro", 1000, 600), "Islands": GroupCounts("Islands", 17, 3),
                       "Delta": GroupCounts("Delta", 900, 537)}}  # fmt: skip
    FairnessAudit.objects.create(
        stage=ACCEPTED, source="card_offers", period_from=now, period_to=now, population=1917, verdict="pass",
        comparisons=[{"subject": ANY, **row.to_json()} for row in thresholds.compare_all(sent)],
        largest_difference=0.0, computed_at=now,
    )  # fmt: skip
    client = Client()
    client.force_login(factories.make_user(roles.COMPLIANCE, "officer"))
    page = client.get(reverse("fairness_history", args=["card_offers"])).content.decode()
    assert "Islands" in page
    assert "fewer than 20" in page
    assert "0.29" not in page  # (3 / 17) / 0.6, in table, banner and figure
    assert ">537<" in page
