"""Overrides for one customer (R-GOV-5, T-GOV-25): only with a reason, by who may, honoured by the next decision and
named in its trace, ended by a second person or at their day; a push of an offer does not exist."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from decisioning import decision_log, explanation, replay, runtime, serve, suppression
from decisioning.features import stored
from decisioning.impact import people
from decisioning.models import Customer, Suppression
from offers import roles
from offers.approvals import NoReason, SelfApproval
from offers.models import AuditEvent
from offers.roles import NotAllowed
from tests import bank, catalogue

pytestmark = pytest.mark.django_db

SQL = (
    "INSERT INTO decisioning_suppression (customer_id, offer, reason_code, note, made_by_id, made_at) "
    "VALUES (1, '', %s, %s, %s, now())"
)


@pytest.fixture(autouse=True)
def served() -> Iterator[None]:
    bank.customers(2)
    bank.publish(catalogue.content())
    bank.warm()
    yield
    runtime.forget()


def customer(external_id: str = "C-1") -> int:
    return Customer.objects.get(external_id=external_id).pk


def keep(offer: str = "offer-0", **changes: Any) -> Suppression:
    now = timezone.now()
    wanted: dict[str, Any] = {
        "customer": customer(), "offer": offer, "reason_code": "complaint", "note": "Asked us to wait for the answer.",
        "until": None, "by": bank.person("rene", roles.RISK_AUTHOR), "now": now, **changes,
    }  # fmt: skip
    with transaction.atomic():
        made = suppression.suppress(**wanted)
    stored.refresh_ledgers([made.customer_id], now)
    return made


def decide(session: str, external_id: str = "C-1") -> serve.Answer:
    return serve.ask(serve.Ask(external_id, session, "mobile_app", "home_banner", 3, {}), timezone.now())


def offers(answer: serve.Answer) -> set[str]:
    return {shown.choice.offer for shown in answer.presented.shown}


def test_an_offer_kept_from_one_customer_is_named_in_her_trace_and_shown_to_others() -> None:
    keep("offer-0")
    hers, others = decide("a"), decide("b", "C-2")
    assert hers.decision_id is not None
    assert "offer-0" not in offers(hers)
    assert "offer-0" in offers(others)
    row = decision_log.get(hers.decision_id)
    ended = {each["offer"]: each["ended"] for each in explanation.explain(row)["offers"]}
    assert ended["offer-0"] == {"stage": "stops", "reason": "SUPPRESSED", "by": "override"}
    assert not any(purpose.startswith("kept_from") for purpose in explanation.explain(row)["consents"])
    assert replay.replay(row).identical


def test_every_offer_kept_from_a_customer_is_named_as_an_override_in_her_trace_and_not_as_her_own_wish() -> None:
    before = decide("a")
    keep("")
    answer = decide("b")
    assert answer.decision_id is not None
    assert answer.presented.reason == "SUPPRESSED"
    assert decide("a").presented.reason == "SUPPRESSED"
    assert before.presented.reason is None
    row = decision_log.get(answer.decision_id)
    ended = [each["ended"] for each in explanation.explain(row)["offers"]]
    assert ended == [{"stage": "stops", "reason": "SUPPRESSED", "by": "override"}] * len(ended)
    assert not decision_log.inputs(row)[1].suppressed
    assert replay.replay(row).identical


def test_what_is_kept_from_whom_is_read_for_the_impact_on_everyone() -> None:
    keep("offer-0")
    keep("")
    (read,) = people.read(["utilisation"], ["mobile_app"], timezone.now())
    assert read.kept == {0: frozenset({"", "offer-0"})}
    assert read.suppressed.tolist() == [False, False]


def test_it_holds_though_nobody_told_redis() -> None:
    """The trigger raises the ledger's sequence, so that no commit passes under the old one."""
    before = decide("a")
    assert "offer-0" in offers(before)
    with transaction.atomic():
        suppression.suppress(
            customer=customer(), offer="offer-0", reason_code="legal", note="Court order.", until=None,
            by=bank.person("clara", roles.COMPLIANCE), now=timezone.now(),
        )  # fmt: skip
    assert "offer-0" not in offers(decide("b"))
    assert "offer-0" not in offers(decide("a"))  # the session's decision, presented again


@pytest.mark.parametrize(("code", "note"), [("complaint", "  "), ("", "Because."), ("because", "Because.")])
def test_without_a_reason_from_the_list_and_words_nothing_is_kept_in_python_nor_in_sql(code: str, note: str) -> None:
    with pytest.raises(NoReason):
        keep(reason_code=code, note=note)
    person = bank.person("rene", roles.RISK_AUTHOR)
    with pytest.raises(IntegrityError, match="suppressed_for_a_reason"), transaction.atomic():
        connection.cursor().execute(SQL, [code, note, person.pk])


@pytest.mark.parametrize("role", [roles.MARKETING_LEAD, roles.AUDITOR, roles.OPERATOR, roles.MODEL_RISK])
def test_who_may_not_keeps_nothing_from_anybody(role: str) -> None:
    person = bank.person(f"a {role}", role)
    with pytest.raises(NotAllowed):
        keep(by=person)
    with pytest.raises(DatabaseError, match="holds no role"), transaction.atomic():
        connection.cursor().execute(SQL, ["legal", "Because.", person.pk])


def test_a_second_person_ends_it_and_the_offer_is_back() -> None:
    rosa, clara = bank.person("rosa", roles.RISK_APPROVER), bank.person("clara", roles.COMPLIANCE)
    made = keep(by=rosa)
    with pytest.raises(SelfApproval), transaction.atomic():
        suppression.lift(made.pk, by=rosa, now=timezone.now())
    with pytest.raises(IntegrityError, match="ended_by_another"), transaction.atomic():
        Suppression.objects.filter(pk=made.pk).update(ended_by=rosa, ended_at=timezone.now())
    with transaction.atomic():
        suppression.lift(made.pk, by=clara, now=timezone.now())
    stored.refresh_ledgers([made.customer_id], timezone.now())
    assert "offer-0" in offers(decide("a"))
    assert AuditEvent.objects.filter(action__startswith="suppression.").count() == 2


def test_it_ends_at_its_day_and_not_before() -> None:
    now = timezone.now()
    made = keep(until=now.date(), now=now - timedelta(days=3))
    assert suppression.end_due(now - timedelta(days=1)) == []
    assert suppression.end_due(now) == [made.customer_id]
    made.refresh_from_db()
    assert made.ended_by is None
    with pytest.raises(suppression.NoLaterDay):
        keep("offer-1", until=now.date())


def test_nobody_alone_ends_a_dated_one_early_in_sql_by_writing_a_moment_to_come() -> None:
    made = keep(until=(timezone.now() + timedelta(days=30)).date())
    with pytest.raises(DatabaseError, match="at its day, or by a second person"), transaction.atomic():
        Suppression.objects.filter(pk=made.pk).update(ended_at=timezone.now() + timedelta(days=30))
    made.refresh_from_db()
    assert made.ended_at is None


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.update(note="Another reason."),
        lambda rows: rows.update(ended_at=timezone.now()),
        lambda rows: rows.delete(),
    ],
)
def test_nothing_of_it_changes_but_its_end(change: Callable[[Any], Any]) -> None:
    made = keep()
    with pytest.raises(DatabaseError), transaction.atomic():
        change(Suppression.objects.filter(pk=made.pk))
    made.refresh_from_db()
    assert (made.note, made.ended_at) == ("Asked us to wait for the answer.", None)
