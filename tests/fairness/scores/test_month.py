"""The month as it is read from the log: a row a customer and offer, in the month and no other, and nothing of anybody
is kept of it."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from decisioning import decision_log, runtime
from decisioning.models import Decision
from fairness import audit, vault
from fairness.counts import NOT_RECORDED
from fairness.cube import record as cube
from fairness.models import MonthFigure
from fairness.scores import estimated, month, record, subgroups
from fairness.thresholds import DEFAULT
from offers import packs
from offers.models import AuditEvent
from tests.factories import approve_content, make_bank, small_catalogue
from tests.fairness.cube.asking import LATER, ask, report
from tests.fairness.scores import months

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    runtime.forget()


def test_a_customer_has_one_row_an_offer_however_often_she_came() -> None:
    now = timezone.now()
    ids = make_bank(12, now=now, missing=0.0)
    approve_content(small_catalogue(), now=now)
    for pk in ids:
        for session in ("1", "2", "3")[: 1 + pk % 3]:
            decision = ask(pk, session, now)
            report(decision, "impression", now)
            if pk % 2:
                report(decision, "click", now)
    cube.refresh(now + LATER)
    held = month.read(now.date().replace(day=1))
    assert sorted(held.customers.tolist()) == sorted(ids)
    assert held.visits.tolist() == [1 + pk % 3 for pk in held.customers.tolist()]
    for at, pk in enumerate(held.customers.tolist()):
        decided = [decision_log.result(row) for row in Decision.objects.filter(customer_id=pk)]
        given = {choice.offer for one in decided for choice in one.choices}
        assert {offer for offer, chosen in zip(held.offers, held.chosen[at], strict=True) if chosen} == given
        for place, offer in enumerate(held.offers):
            scores = {row.propensity for one in decided for row in one.scored if row.offer == offer}
            assert held.score[at, place] in scores or (np.isnan(held.score[at, place]) and not scores)
            assert held.accepted[at, place] == bool(pk % 2 and not np.isnan(held.predicted[at, place]))
    assert not len(month.read(date(2020, 1, 1)).customers)


def test_a_month_is_the_same_however_few_of_its_decisions_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decision of thousands of offers takes hundreds of kilobytes, and a customer may have hundreds of decisions."""
    now = timezone.now()
    ids = make_bank(6, now=now, missing=0.0)
    approve_content(small_catalogue(), now=now)
    for pk in ids:
        for session in ("1", "2", "3"):
            report(ask(pk, session, now), "impression", now)
    cube.refresh(now + LATER)
    of = now.date().replace(day=1)
    whole = month.read(of)
    monkeypatch.setattr(month, "_HELD", 2)
    monkeypatch.setattr(month, "_CHUNK", 4)
    with CaptureQueriesContext(connection) as asked:
        held = month.read(of)
    assert len([one for one in asked if '"decisioning_decision"."result"' in one["sql"]]) == 9
    for name in ("customers", "score", "chosen", "predicted", "accepted", "bands", "visits"):
        np.testing.assert_array_equal(getattr(held, name), getattr(whole, name))
    assert held.places == whole.places
    monkeypatch.setattr(month, "_DECISIONS", 7)
    assert month.read(of).visits.tolist() == [3, 3, 3]  # the third customer's are read to the end, within a chunk


def test_the_night_keeps_the_answers_of_a_month_once_and_is_in_the_trail() -> None:
    now = timezone.now()
    ids = make_bank(60, now=now, missing=0.0)
    approve_content(small_catalogue(), now=now)
    for pk in ids:
        report(ask(pk, "1", now), "impression", now)
    audit.audit(now + LATER)
    kept = record.nightly(now + LATER)
    rows = list(MonthFigure.objects.all())
    assert kept == len(rows) > 0
    assert all(row.people >= 20 and record.query_hash(row) == row.query_hash for row in rows)
    assert AuditEvent.objects.filter(action="fairness.scored").count() == 1
    assert record.nightly(now + 2 * LATER) == 0  # nothing was audited since


def test_a_month_of_which_no_answer_was_kept_was_looked_at_all_the_same() -> None:
    """It is looked at once a day and not again and again."""
    now = timezone.now()
    ids = make_bank(6, now=now, missing=0.0)  # fewer than may be shown
    approve_content(small_catalogue(), now=now)
    for pk in ids:
        report(ask(pk, "1", now), "impression", now)
    of = now.date().replace(day=1)
    audit.audit(now + LATER)
    assert (record.due(), record.looked_at(of)) == ([of], None)
    assert record.nightly(now + LATER) == 0
    assert (record.due(), record.looked_at(of)) == ([], now + LATER)


def test_estimates_are_read_where_a_pack_allows_them_and_nowhere_else() -> None:
    """T-MET-11, R-PRX-5: the federal pack allows race to be estimated, and the European one does not."""
    now = timezone.now()
    held, groups = months.month(400, passed_over=2.0)
    member = (groups.codes == 0).astype(float)
    probabilities = np.column_stack([0.1 + 0.8 * member, 0.9 - 0.8 * member])
    method = vault.Method("BISG", "2024.1", "2020")
    vault.write_estimates("race", ["hispanic", "other"], held.customers.tolist(), probabilities, method=method, now=now)
    allowing = {"pack": {"us": packs.shipped()["us-federal-from-2026-07"]}}
    found = list(estimated.of_month(held, allowing, now.date(), DEFAULT, 20))
    assert {(one.offer, one.attribute, one.group, one.reference) for one in found} == {
        (offer, "race", "hispanic", "other") for offer in ("", *months.OFFERS)
    }
    for one in found:
        told = one.content
        methods = [estimator["method"] for estimator in told["estimators"]]
        assert methods == ["weighted", "at least 0.5", "at least 0.8", "regression"]
        assert told["low"] < told["high"] < 1
        assert told["label"] == "estimated"
        assert told["methods"] == [{"name": "BISG", "version": "2024.1", "vintage": "2020"}]
    for forbidding in ({}, {"pack": {"eu": packs.shipped()["eu"]}}):
        assert list(estimated.of_month(held, forbidding, now.date(), DEFAULT, 20)) == []


def test_a_group_of_which_few_are_estimated_is_kept_back() -> None:
    held, _ = months.month(100)
    probabilities = np.tile([0.1, 0.9], (100, 1))  # ten people in all
    vault.write_estimates("race", ["hispanic", "other"], held.customers.tolist(), probabilities,
                          method=vault.Method("BISG", "1", "2020"), now=timezone.now())  # fmt: skip
    allowing = {"pack": {"us": packs.shipped()["us-federal-from-2026-07"]}}
    assert list(estimated.of_month(held, allowing, timezone.now().date(), DEFAULT, 20)) == []


def test_the_scan_reads_groups_and_keeps_none_of_anybody() -> None:
    """What goes to AIF360 are counts by combination."""
    held, groups = months.month(200)
    scan = subgroups.scan_of(held, {"gender": groups}, np.asarray(held.chosen.any(axis=1)))
    assert scan.columns == ("gender", subgroups.CREDIT_BAND)
    assert sum(row[1] for row in scan.rows) == 200
    assert len(scan.rows) == 4
    assert NOT_RECORDED not in {value for row in scan.rows for value in row[0]}
