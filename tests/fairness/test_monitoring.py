"""What is live is held to the packs of each day, and not only what is proposed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fairness import monitoring
from fairness.models import Finding
from offers import packs
from offers.catalog import Item
from tests.factories import NOW, approve_content, small_catalogue

pytestmark = pytest.mark.django_db

RULING = {
    "attributes": ["debt_to_income"], "ruling": "prohibited", "reason": "A test.", "citation": "Test 1",
    "url": "https://example.org/1",
}  # fmt: skip


def _pack(**changed: Any) -> Item:
    content = {**packs.shipped()[packs.STRICT], "effective_from": "2020-01-01", "rulings": []}
    return Item("pack", "ours", {**content, **changed})


def test_a_pack_that_comes_into_force_opens_a_finding_on_what_is_live_already() -> None:
    starts = (NOW + timedelta(days=10)).date().isoformat()
    approve_content([*small_catalogue(), _pack(rulings=[RULING], effective_from=starts)])
    assert monitoring.raise_unlawful(NOW) == 0
    assert monitoring.raise_unlawful(NOW + timedelta(days=10)) == 1
    finding = Finding.objects.get()
    assert (finding.kind, finding.subject) == ("policy", "/rule/low-debt/when")
    assert "Test 1" in finding.title


def test_a_pack_that_nobody_has_verified_for_ninety_days_opens_one() -> None:
    approve_content([*small_catalogue(), _pack(verified_on=NOW.date().isoformat())])
    assert monitoring.raise_unlawful(NOW + timedelta(days=89)) == 0
    assert monitoring.raise_unlawful(NOW + timedelta(days=91)) == 1


def test_what_every_pack_allows_opens_none() -> None:
    approve_content([*small_catalogue(), _pack(verified_on=NOW.date().isoformat())])
    assert monitoring.raise_unlawful(NOW) == 0
    assert not Finding.objects.exists()
