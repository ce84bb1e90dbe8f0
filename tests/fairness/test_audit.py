"""The audit of a bank's own history, and the tasks: counts against a plain recount, AIF360 beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from decisioning import identity, runtime
from decisioning.models import Customer, Job, LoggedDecision
from fairness import audit, tasks, vault
from fairness.models import FairnessAudit
from fairness.vault import Entry
from tests.factories import author_of_anything, clause, propose, rule, small_catalogue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    runtime.forget()


def _row(stored: FairnessAudit, group: str, subject: str = audit.ANY) -> dict[str, Any]:
    return next(row for row in stored.comparisons if row["group"] == group and row["subject"] == subject)


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


def test_the_audit_task_of_a_bank_that_decided_nothing_is_done_and_says_nothing_good() -> None:
    tasks.audit_decisions()
    assert not FairnessAudit.objects.exists()
    assert Job.objects.get(kind="audit").status == Job.Status.DONE
