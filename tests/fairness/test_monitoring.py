"""What is live is held to the packs of each day, and not only what is proposed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from fairness import audit, monitoring, tasks
from fairness.models import CubeComparison, FairnessAudit, Finding
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


# --- What the audits of months call for ------------------------------------------------------------------------------


def _audited(month: date, *groups: str, ratio: float = 0.5) -> None:
    """One failing comparison of each group in the audit of a month."""
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    stored = FairnessAudit.objects.create(
        source="decisions", stage="eligible", period_from=start, period_to=start, computed_at=NOW, verdict="fail",
        population=1000, comparisons=[], largest_difference=0.0,
    )  # fmt: skip
    CubeComparison.objects.bulk_create(
        CubeComparison(
            audit=stored, month=month, stage="eligible", offer="", attribute="gender", group=group, reference="male",
            reference_chosen_by="pack", total=1000, favourable=round(1000 * ratio * 0.4), reference_total=1000,
            reference_favourable=400, ratio=ratio, q=0.001 if ratio < 0.9 else 0.8, family=1, shortfall=200 - place,
            verdict="fail" if ratio < 0.9 else "pass", aif360={}, difference=0.0, definition="",
            version="1", query_hash=str(place),
        )
        for place, group in enumerate(groups)
    )  # fmt: skip


def test_every_month_that_was_audited_together_has_its_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    approve_content()
    september, october = date(2026, 9, 1), date(2026, 10, 1)
    _audited(september, "female")
    _audited(october, "unknown")
    stored = list(FairnessAudit.objects.order_by("-period_from"))
    monkeypatch.setattr(audit, "audit", lambda now, source: stored)
    tasks.audit_decisions()
    found = {row.subject: row.evidence["month"] for row in Finding.objects.filter(kind="parity")}
    assert found == {"any offer: gender: female": "2026-09-01", "any offer: gender: unknown": "2026-10-01"}


def test_more_groups_than_findings_of_their_own_are_one_finding_about_the_whole() -> None:
    approve_content()
    month = date(2026, 10, 1)
    _audited(month, *(f"group {number}" for number in range(monitoring.AT_ONCE + 7)))
    assert monitoring.raise_findings(month, NOW) == monitoring.AT_ONCE + 1
    whole = Finding.objects.get(subject="the whole")
    assert whole.evidence == {"month": "2026-10-01", "total": monitoring.AT_ONCE + 7}
    _audited(date(2026, 11, 1), *(f"group {number}" for number in range(monitoring.AT_ONCE)))
    monitoring.raise_findings(date(2026, 11, 1), NOW)
    whole.refresh_from_db()
    assert whole.times_seen == 1


def test_an_older_month_that_is_audited_again_takes_nothing_back_from_a_later_one() -> None:
    approve_content()
    september, october = date(2026, 9, 1), date(2026, 10, 1)
    for month in (september, october):
        _audited(month, "female")
    for month in (october, september):
        monitoring.raise_findings(month, NOW)
    finding = Finding.objects.get(kind="parity")
    assert (finding.evidence["month"], finding.times_seen) == ("2026-10-01", 1)


@pytest.mark.parametrize(("red_periods", "alerts"), [(2, 1), (3, 0)])
def test_a_gap_grows_after_as_many_red_months_as_the_pack_in_force_says(red_periods: int, alerts: int) -> None:
    """T-AUD-13."""
    monitors = {**packs.shipped()[packs.STRICT]["monitors"], "red_periods": red_periods}
    approve_content([*small_catalogue(), _pack(monitors=monitors)])
    for month in range(1, 9):
        _audited(date(2026, month, 1), "female", ratio=1.0)
    for month in (9, 10):
        _audited(date(2026, month, 1), "female")
    monitoring.raise_findings(date(2026, 10, 1), NOW)
    assert Finding.objects.filter(kind="drift").count() == alerts
