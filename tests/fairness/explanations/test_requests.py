"""Requests of customers: due in time, closed by somebody with words, kept for good, emptied by an erasure alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from fairness.explanations import requests
from fairness.explanations.requests import Kind, State
from fairness.models import CustomerRequest, Finding
from offers import roles
from offers.approvals import NoReason, WrongStatus
from offers.models import AuditEvent
from tests import factories
from tests.fairness.explanations import bank as explained

pytestmark = pytest.mark.django_db


@pytest.fixture
def officer() -> User:
    return factories.make_user(roles.COMPLIANCE, "officer")


def asked(officer: User, kind: str = "explanation") -> CustomerRequest:
    return requests.open_request(kind=kind, customer=7, question="Why this card?", by=officer, now=timezone.now())


def test_a_request_is_due_thirty_days_after_it_came_in(officer: User) -> None:
    came = timezone.now() - timedelta(days=31)
    late = requests.open_request(
        kind=Kind.EXPLANATION, customer=7, question="Why?", by=officer, now=timezone.now(), received_at=came
    )
    asked(officer)
    assert late.due_at - late.received_at == timedelta(days=30)
    assert list(requests.overdue(timezone.now())) == [late]
    assert requests.waiting()[0] == late


def test_every_step_is_audited_without_what_was_written(officer: User) -> None:
    row = asked(officer)
    requests.take(row.pk, by=officer, now=timezone.now())
    requests.answer(row.pk, text="Because of your credit history.", by=officer, now=timezone.now())
    events = AuditEvent.objects.filter(subject=f"request {row.pk}").order_by("sequence")
    assert [event.action for event in events] == ["request.opened", "request.taken", "request.answered"]
    assert not [event for event in events if "card" in event.detail or "history" in event.detail]


def test_a_refusal_takes_a_reason_and_an_answer_words(officer: User) -> None:
    row = asked(officer)
    with pytest.raises(NoReason, match="why not"):
        requests.refuse(row.pk, reason="  ", by=officer, now=timezone.now())
    with pytest.raises(NoReason, match="told"):
        requests.answer(row.pk, text="", by=officer, now=timezone.now())
    assert requests.refuse(row.pk, reason="Asked twice.", by=officer, now=timezone.now()).state == State.REFUSED


def test_only_who_may_work_on_requests_opens_or_closes_one(officer: User) -> None:
    row, reader = asked(officer), factories.make_user(roles.AUDITOR, "reader")
    with pytest.raises(roles.NotAllowed):
        asked(reader)
    with pytest.raises(roles.NotAllowed):
        requests.answer(row.pk, text="So.", by=reader, now=timezone.now())


def test_a_human_review_that_finds_the_decision_wrong_opens_a_finding_and_says_what_was_done(officer: User) -> None:
    row = asked(officer, Kind.HUMAN_REVIEW)
    with pytest.raises(WrongStatus, match="whether the decision was right"):
        requests.answer(row.pk, text="Right.", by=officer, now=timezone.now())
    with pytest.raises(NoReason, match="what was done"):
        requests.review(row.pk, wrong=True, text="You were right.", by=officer, now=timezone.now())
    closed = requests.review(
        row.pk, wrong=True, text="You were right.", remedy="Score corrected.", by=officer, now=timezone.now()
    )
    assert Finding.objects.get(kind="review") == closed.finding
    fine = asked(officer, Kind.HUMAN_REVIEW)
    assert requests.review(fine.pk, wrong=False, text="It stands.", by=officer, now=timezone.now()).finding is None


def test_a_closed_request_is_closed_for_good(officer: User) -> None:
    row = asked(officer)
    requests.answer(row.pk, text="So.", by=officer, now=timezone.now())
    with pytest.raises(WrongStatus, match="answered"):
        requests.take(row.pk, by=officer, now=timezone.now())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE fairness_customerrequest SET answer = 'something else'",
        "UPDATE fairness_customerrequest SET state = 'open', answered_by_id = NULL, answered_at = NULL",
        "UPDATE fairness_customerrequest SET question = 'another question'",
        "UPDATE fairness_customerrequest SET due_at = due_at + interval '1 year'",
        "UPDATE fairness_customerrequest SET customer_id = 8",
        "DELETE FROM fairness_customerrequest",
        "INSERT INTO fairness_customerrequest (kind, customer_id, question, received_at, due_at, state, answer, remedy,"
        " opened_by_id) SELECT kind, 9, 'q', received_at, due_at, 'answered', '', '', opened_by_id"
        " FROM fairness_customerrequest",
    ],
)
def test_the_database_refuses_what_the_domain_does(officer: User, statement: str) -> None:
    row = asked(officer)
    requests.answer(row.pk, text="So.", by=officer, now=timezone.now())
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_an_erasure_empties_the_words_and_keeps_that_it_was_answered(officer: User) -> None:
    row = asked(officer)
    requests.answer(row.pk, text="Because of your income.", by=officer, now=timezone.now())
    assert requests.erase([7], timezone.now()) == 1
    row.refresh_from_db()
    assert (row.question, row.answer, row.state) == ("", "", State.ANSWERED)


def test_a_request_on_a_decision_about_somebody_else_is_refused(officer: User) -> None:

    explained.make(trained=explained.model(proxy=False))
    decision = explained.decide()
    with pytest.raises(requests.OtherCustomer):
        requests.open_request(
            kind="explanation", customer=decision.customer_id + 1, question="Why?", by=officer, now=timezone.now(),
            decision=decision.id,
        )  # fmt: skip
