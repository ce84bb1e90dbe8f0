"""What customers ask about decisions (an explanation, a correction, a person), from the day it came to its answer; each
step is in the audit trail, and what was written never is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from decisioning import decision_log
from fairness import findings
from fairness.models import CustomerRequest
from offers import audit, roles
from offers.approvals import NoReason, WrongStatus

Kind = CustomerRequest.Kind
State = CustomerRequest.State
DAYS: Final = 30  # 12 CFR 1002.9(a)(1): within 30 days; GDPR Article 12(3): within a month
CLOSED: Final = (State.ANSWERED, State.REFUSED)
OVERRULED: Final = "review"  # the kind of finding that a human review opens


class OtherCustomer(ValueError):
    """The decision is not about the customer who asks."""


def open_request(
    *, kind: str, customer: int, question: str, by: User, now: datetime, decision: UUID | None = None,
    received_at: datetime | None = None,
) -> CustomerRequest:  # fmt: skip
    """Take down what a customer (by surrogate key) asks. Raises NotAllowed, NoReason without words, WrongStatus for a
    moment to come, OtherCustomer, and UnknownDecision."""
    roles.require(by, "work:requests")
    if not question.strip():
        raise NoReason("write down what the customer asks")
    received = received_at or now
    if received > now:
        raise WrongStatus("a request cannot have come in the future")
    if decision and decision_log.get(decision).customer_id != customer:
        raise OtherCustomer("this decision is about somebody else")
    with transaction.atomic():
        row = CustomerRequest.objects.create(
            kind=Kind(kind), customer_id=customer, decision_id=decision, question=question.strip(),
            received_at=received, due_at=received + timedelta(days=DAYS), opened_by=by,
        )  # fmt: skip
        _note(row, by, "opened", {"kind": kind, "decision": str(decision) if decision else None}, now)
    return row


def take(request_id: int, *, by: User, now: datetime) -> CustomerRequest:
    """Answer for it from now on. Raises NotAllowed or WrongStatus."""
    with transaction.atomic():
        row = _locked(request_id, State.OPEN, State.IN_PROGRESS)
        roles.require(by, "work:requests")
        row.assignee, row.state = by, State.IN_PROGRESS
        row.save(update_fields=["assignee", "state"])
        _note(row, by, "taken", {}, now)
    return row


def answer(request_id: int, *, text: str, by: User, now: datetime) -> CustomerRequest:
    """What the customer was told. Raises NotAllowed, NoReason, or WrongStatus, also for a human review: that says
    whether the decision was wrong."""
    with transaction.atomic():
        row = _locked(request_id, State.OPEN, State.IN_PROGRESS)
        if row.kind == Kind.HUMAN_REVIEW:
            raise WrongStatus("a human review ends with whether the decision was right")
        return _close(row, State.ANSWERED, text, by, now)


def refuse(request_id: int, *, reason: str, by: User, now: datetime) -> CustomerRequest:
    """Not done, and why. Raises NotAllowed, NoReason or WrongStatus."""
    with transaction.atomic():
        return _close(_locked(request_id, State.OPEN, State.IN_PROGRESS), State.REFUSED, reason, by, now)


def review(
    request_id: int, *, wrong: bool, text: str, by: User, now: datetime, remedy: str = ""
) -> CustomerRequest:  # fmt: skip
    """The end of a human review. A decision that was wrong says what was done, and opens a finding. Raises NotAllowed,
    NoReason or WrongStatus."""
    with transaction.atomic():
        row = _locked(request_id, State.OPEN, State.IN_PROGRESS)
        if row.kind != Kind.HUMAN_REVIEW:
            raise WrongStatus("this request does not ask for a person to review the decision")
        if wrong and not remedy.strip():
            raise NoReason("say what was done about it")
        row.decision_wrong, row.remedy = wrong, remedy.strip() if wrong else ""
        if wrong:
            row.finding = findings.breach(
                kind=OVERRULED, subject=_subject(row), title="A person found a decision wrong", now=now,
                cause="A human review that the customer asked for came to another result than the engine.",
                evidence={"request": row.pk, "decision": str(row.decision_id or "")},
            )  # fmt: skip
        return _close(row, State.ANSWERED, text, by, now)


def _subject(row: CustomerRequest) -> str:
    return f"decision {row.decision_id}" if row.decision_id else f"request {row.pk}"


def _close(row: CustomerRequest, state: State, text: str, by: User, now: datetime) -> CustomerRequest:
    roles.require(by, "work:requests")
    if not text.strip():
        raise NoReason("say why not" if state == State.REFUSED else "write what the customer is told")
    row.state, row.answer, row.answered_by, row.answered_at = state, text.strip(), by, now
    row.assignee = row.assignee or by
    row.save()
    _note(row, by, state.value, {"late": now > row.due_at, "wrong": row.decision_wrong}, now)
    return row


def waiting() -> QuerySet[CustomerRequest]:
    """What is not closed, the soonest due first: so the overdue ones lead."""
    return CustomerRequest.objects.exclude(state__in=CLOSED).order_by("due_at", "id")


def overdue(now: datetime) -> QuerySet[CustomerRequest]:
    return waiting().filter(due_at__lt=now)


def erase(customers: Sequence[int], now: datetime) -> int:
    """Empty what was written in the requests of customers who are erased; that they asked, and when they were answered,
    stays under the surrogate key. Call it in the erasure's transaction; returns how many requests there were."""
    rows = CustomerRequest.objects.filter(customer_id__in=customers, erased_at__isnull=True)
    return rows.update(question="", answer="", remedy="", erased_at=now)


def _locked(request_id: int, *expected: State) -> CustomerRequest:
    """Raises CustomerRequest.DoesNotExist, and WrongStatus."""
    row = CustomerRequest.objects.select_for_update(of=("self",)).get(pk=request_id)
    if row.state not in expected:
        raise WrongStatus(f"this request is {State(row.state).label}")
    return row


def _note(row: CustomerRequest, by: User, what: str, detail: dict[str, Any], now: datetime) -> None:
    audit.record(
        actor=by.get_username(), action=f"request.{what}", subject=f"request {row.pk}",
        detail={"customer": row.customer_id, **detail}, now=now,
    )  # fmt: skip
