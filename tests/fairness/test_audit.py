"""The audit of what happened: its counts against a plain recount, units of people and months, AIF360 beside it."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from decisioning import decision_log, identity, outcomes, runtime, serve
from decisioning.models import Consent, Customer, Decision, Job, LoggedDecision
from fairness import audit, audit_worker, tasks, vault
from fairness.models import FairnessAudit
from fairness.vault import Entry
from offers import audit as trail
from tests.factories import approve_content, author_of_anything, clause, make_bank, propose, rule, small_catalogue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    runtime.forget()


def _groups(ids: list[int], attribute: str) -> dict[int, str]:
    return {entry.customer: entry.value for entry in vault.read(ids) if entry.attribute == attribute}


def _ask(pk: int, session: str, now: datetime) -> UUID:
    external = Customer.objects.get(pk=pk).external_id
    assert external is not None
    answer = serve.ask(serve.Ask(external, session, "mobile_app", "home", 1, {}), now)
    assert answer.decision_id is not None
    return answer.decision_id


def _see(decision: UUID, kind: str, at: datetime) -> None:
    offer = Decision.objects.get(id=decision).offer
    if offer:
        event = outcomes.Event(f"{kind}-{decision}", decision, offer, kind, at, None)
        assert not outcomes.take([(0, event)], at).rejected


def _row(stored: FairnessAudit, group: str, subject: str = audit.ANY) -> dict[str, Any]:
    return next(row for row in stored.comparisons if row["group"] == group and row["subject"] == subject)


def test_each_stage_counts_people_once_and_agrees_with_aif360() -> None:
    now = timezone.now()
    ids = make_bank(120, now=now)
    Consent.objects.filter(customer_id__in=ids[:10], channel="mobile_app").delete()
    strict = rule("score", clause("credit_score", ">=", 680))
    approve_content([*small_catalogue(), strict], now=now)
    gender = _groups(ids, "gender")
    decisions = [(pk, _ask(pk, f"{session}", now)) for pk in ids for session in (1, 2)]
    for pk, decision in decisions:
        _see(decision, "impression", now)
        if gender.get(pk) == "male":
            _see(decision, "click", now)
    stages = {row.stage: row for row in audit.audit(now + timedelta(seconds=1))}
    assert list(stages) == [audit.ELIGIBLE, audit.EXPOSED, audit.CLICKED]
    considered = set(ids[10:])  # the first ten gave no consent
    chosen = {pk for pk, decision in decisions if Decision.objects.get(id=decision).offer}
    assert stages[audit.ELIGIBLE].population == len(considered)
    assert stages[audit.EXPOSED].population == stages[audit.CLICKED].population == len(chosen)
    women = {pk for pk, value in gender.items() if value == "female"}
    eligible = _row(stages[audit.ELIGIBLE], "female")
    assert (eligible["total"], eligible["favourable"]) == (len(women & considered), len(women & chosen))
    clicked = _row(stages[audit.CLICKED], "female")
    assert (clicked["total"], clicked["favourable"], clicked["ratio"]) == (len(women & chosen), 0, 0)
    assert clicked["verdict"] == stages[audit.CLICKED].verdict == "fail"
    for stored in stages.values():
        assert stored.largest_difference <= 1e-12
        for row in stored.comparisons:
            assert row["aif360"]["disparate_impact"] == (
                row["ratio"] if row["ratio"] is None else pytest.approx(row["ratio"])
            )
    assert trail.verify().broken_at is None


def test_exposure_is_counted_for_each_offer_among_those_who_could_have_it() -> None:
    now = timezone.now()
    ids = make_bank(60, now=now)
    approve_content(now=now)
    decisions = [_ask(pk, "1", now) for pk in ids]
    exposed = next(row for row in audit.audit(now + timedelta(seconds=1)) if row.stage == audit.EXPOSED)
    could: dict[str, set[int]] = defaultdict(set)
    got: dict[str, set[int]] = defaultdict(set)
    for row in Decision.objects.filter(id__in=decisions):
        result = decision_log.result(row)
        refused = {refusal.offer for refusal in result.refusals if refusal.stage == "eligibility"}
        for offer in {"everyday-cash", "travel-plus", "student", "first-card"} - refused:
            could[offer].add(row.customer_id)
        if row.offer:
            got[row.offer].add(row.customer_id)
    men = {pk for pk, value in _groups(ids, "gender").items() if value == "male"}
    for offer in could:
        row_of = next(row for row in exposed.comparisons if (row["subject"], row["group"]) == (offer, "female"))
        assert row_of["reference_total"] == len(could[offer] & men)
        assert row_of["reference_favourable"] == len(got[offer] & men)


def test_a_customer_counts_once_in_each_month() -> None:
    funnel = audit.Funnel(audit.CLICKED)
    funnel.note((1, 24310), ["a"], [])
    funnel.note((1, 24310), ["b"], ["b"])
    funnel.note((1, 24311), ["a"], ["a"])
    subjects = {name: (could.tolist(), got.tolist()) for name, could, got in funnel.subjects()}
    assert subjects == {
        "any_offer": ([True, True], [True, True]),
        "a": ([True, True], [False, True]),
        "b": ([True, False], [True, False]),
    }


def test_a_bank_s_own_history_is_audited_by_arm_and_overall() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    rows = Customer.objects.bulk_create(
        Customer(external_id=f"H{index}", token=identity.token(f"H{index}"), known_at=now) for index in range(400)
    )
    entries = [Entry(row.pk, "income_level", "low" if index % 4 == 0 else "high") for index, row in enumerate(rows)]
    vault.write(entries, source="mailing", now=now)
    LoggedDecision.objects.bulk_create(
        LoggedDecision(
            customer_id=row.pk, decision_key="1", source="mailing", arm="letter" if index % 5 else "postcard",
            action_probability=0.5, channel="direct_mail", occurred_at=now, known_at=now,
            reward=float(index % 4 != 0 and index % 3 == 0),
        )
        for index, row in enumerate(rows)
    )  # fmt: skip
    (stored,) = audit.audit(timezone.now(), source="mailing")
    assert (stored.stage, stored.source, stored.population) == (audit.ACCEPTED, "mailing", 400)
    assert (stored.period_from, stored.period_to) == (now, now)
    low = _row(stored, "low")
    accepted = sum(index % 4 != 0 and index % 3 == 0 for index in range(400))
    assert (low["total"], low["favourable"], low["reference_favourable"]) == (100, 0, accepted)
    assert {row["subject"] for row in stored.comparisons} == {"any_offer", "letter", "postcard"}
    assert stored.verdict == "fail"
    assert _row(stored, "low", "postcard")["total"] == 20


def test_nothing_to_audit_is_undefined_and_not_good_news() -> None:
    for row in audit.audit(timezone.now()):
        assert (row.population, row.verdict, row.comparisons, row.largest_difference) == (0, "undefined", [], 0)


def test_without_an_answer_of_aif360_nothing_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    ids = make_bank(20, now=now)
    approve_content(now=now)
    for pk in ids:
        _ask(pk, "1", now)
    original = audit_worker.run_isolated
    monkeypatch.setattr(audit_worker, "run_isolated", lambda cells: original(cells, timeout=0.01))
    with pytest.raises(audit_worker.AuditFailed):
        audit.audit(now + timedelta(seconds=1))
    assert not FairnessAudit.objects.exists()


# --- Tasks ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def author() -> User:
    return author_of_anything()


def test_the_evidence_task_leaves_a_job_that_says_how_it_ended(author: User) -> None:
    good = propose(small_catalogue(), author=author)
    tasks.compute_evidence(good.pk)
    bad = propose([rule("lost", clause("credit_score", ">=", 700), "no-such-offer")], author=author)
    tasks.compute_evidence(bad.pk)
    jobs = {job.kind: job for job in Job.objects.all()}
    assert jobs[tasks.evidence_job(good.pk)].status == Job.Status.DONE
    assert jobs[tasks.evidence_job(bad.pk)].status == Job.Status.FAILED
    assert "there is no offer no-such-offer" in jobs[tasks.evidence_job(bad.pk)].message
    assert good.evidence.count() == 1
    assert not bad.evidence.exists()


def test_the_audit_task_stores_its_stages() -> None:
    tasks.audit_decisions()
    assert FairnessAudit.objects.count() == 3
    assert Job.objects.get(kind="audit").status == Job.Status.DONE
