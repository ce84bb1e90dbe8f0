"""The audit of record of a month: every stored number derived again from its counts, AIF360 beside it, or nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from decisioning import runtime
from fairness import audit, audit_worker, thresholds
from fairness.counts import Comparison
from fairness.cube import lines, read, record
from fairness.cube.stages import AUDITED
from fairness.models import CubeComparison, FairnessAudit
from offers import audit as trail
from tests.factories import approve_content, clause, make_bank, rule, small_catalogue
from tests.fairness.cube.asking import LATER, ask, report

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    runtime.forget()


def _month(now: datetime, people: int = 80) -> date:
    ids = make_bank(people, now=now)
    approve_content([*small_catalogue(), rule("score", clause("credit_score", ">=", 680))], now=now)
    for pk in ids:
        decision = ask(pk, "1", now)
        report(decision, "impression" if pk % 2 else "click", now)
    return now.date().replace(day=1)


def _values(row: CubeComparison) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("ratio", "p", "q", "family", "shortfall", "needed_n", "verdict")}


def test_every_stored_comparison_is_derived_again_from_its_counts_alone() -> None:
    """T-MET-02: identical, not nearly so."""
    now = timezone.now()
    month = _month(now)
    audits = audit.audit(now + LATER)
    assert [row.stage for row in audits] == list(AUDITED)
    bands = lines.in_force(lines.last_day(month))
    assert CubeComparison.objects.count() > 500
    for stage in AUDITED:
        rows = list(CubeComparison.objects.filter(stage=stage).select_related("audit").order_by("id"))
        single = [record.judged_again(row, bands) for row in rows]
        pairs = [Comparison(*_pair(one)) for one in single]
        assert thresholds.judge(pairs, bands) == single
        for row, one in zip(rows, single, strict=True):
            assert _values(row) == {name: getattr(one, name) for name in _values(row)}
            assert (row.ratio_low, row.ratio_high) == (one.ratio_interval or (None, None))
            assert record.query_hash(row) == row.query_hash
            assert row.difference <= 1e-12
            assert row.audit.methods == dict(thresholds.METHODS)
    assert trail.verify().broken_at is None


def _pair(one: thresholds.ComparisonResult) -> tuple[Any, ...]:
    cell = record.cell_of(one)
    return one.attribute, cell.unprivileged, cell.privileged, one.reference_chosen_by


def test_what_is_read_live_is_what_the_audit_stored() -> None:
    now = timezone.now()
    month = _month(now, 40)
    audit.audit(now + LATER)
    live = {(stage, row.attribute, row.group): row.q for stage, row in read.compared(month=month)}
    stored = CubeComparison.objects.filter(offer="").values_list("stage", "attribute", "group", "q")
    assert live == {(stage, attribute, group): q for stage, attribute, group, q in stored}


def test_a_second_audit_of_a_month_takes_the_place_of_the_first_and_leaves_its_head() -> None:
    now = timezone.now()
    _month(now, 20)
    audit.audit(now + LATER)
    before = CubeComparison.objects.count()
    assert audit.audit(now + LATER + timedelta(minutes=1))
    assert CubeComparison.objects.count() == before
    assert FairnessAudit.objects.count() == 2 * len(AUDITED)


def test_without_an_answer_of_aif360_nothing_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    _month(now, 10)
    original = audit_worker.run_isolated
    monkeypatch.setattr(audit_worker, "run_isolated", lambda cells, timeout: original(cells, timeout=0.01))
    with pytest.raises(audit_worker.AuditFailed):
        audit.audit(now + LATER)
    assert not FairnessAudit.objects.exists()
    assert not CubeComparison.objects.exists()
