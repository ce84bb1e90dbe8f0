"""T-LEG-09, T-GOV-27: a legal hold keeps records from every purge until a second officer ends it, and stays."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from decisioning import partitions
from decisioning.models import Signal
from fairness import holds
from fairness.holds import Held
from fairness.models import HoldEnd, LegalHold
from offers import roles
from offers.models import AuditEvent
from tests.factories import make_user

pytestmark = pytest.mark.django_db

WHY = "Subpoena 26-114"


@pytest.fixture
def officer() -> User:
    return make_user(roles.COMPLIANCE, "officer")


def place(held: Held, by: User, reason: str = WHY) -> LegalHold:
    with transaction.atomic():
        return holds.place(held, reason, by=by, now=timezone.now())


def end(hold: LegalHold, by: User, reason: str = "The case is closed.") -> HoldEnd:
    with transaction.atomic():
        return holds.end(hold.pk, reason, by=by, now=timezone.now())


def first_of(months_ago: int) -> date:
    today = datetime.now(tz=UTC).date()
    months = today.year * 12 + today.month - 1 - months_ago
    return date(months // 12, months % 12 + 1, 1)


OLD = first_of(40)


def purged(*tables: str, months: tuple[date, ...] = (OLD,), **rows: int) -> set[str]:
    """What the daily task drops of these months' partitions."""
    for month in months:
        partitions.ensure(month, month, tables)
    for table, customer in rows.items():
        _row(table, customer)
    before = {f"decisioning_{table}_{month:%Y%m}" for table in tables for month in months}
    partitions.keep(timezone.now())
    return {name for name in before if not _stands(name)}


def _row(table: str, customer: int) -> None:
    assert table == "signal"
    at = datetime(OLD.year, OLD.month, 3, tzinfo=UTC)
    Signal.objects.create(customer_id=customer, event_id="e", type="login", occurred_at=at, known_at=at, payload={})


def _stands(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        return bool(cursor.fetchone()[0])


def names(*tables: str, month: date = OLD) -> set[str]:
    return {f"decisioning_{table}_{month:%Y%m}" for table in tables}


def test_without_a_hold_what_is_past_its_months_goes() -> None:
    assert purged("signal", "decision", "outcome") == names("signal", "decision", "outcome")


@pytest.mark.parametrize(
    ("held", "kept"),
    [
        (Held("period", first_day=OLD), {"signal", "decision", "outcome"}),
        (Held("period", first_day=OLD - timedelta(days=90), last_day=OLD), {"signal", "decision", "outcome"}),
        (Held("period", first_day=OLD - timedelta(days=90), last_day=OLD - timedelta(days=1)), set()),
        (Held("offer", offer="travel-plus"), {"decision", "outcome"}),
        (Held("offer", offer="travel-plus", last_day=OLD - timedelta(days=1)), set()),
        (Held("customer", customer=7), {"signal"}),  # of her there is a signal
        (Held("customer", customer=8), set()),
    ],
)
def test_a_purge_spares_the_months_of_what_is_held(officer: User, held: Held, kept: set[str]) -> None:
    """T-GOV-27, T-LEG-09."""
    place(held, officer)
    assert purged("signal", "decision", "outcome", signal=7) == names("signal", "decision", "outcome") - names(*kept)


def test_a_hold_spares_its_own_months_alone(officer: User) -> None:
    later = first_of(39)
    place(Held("period", first_day=OLD, last_day=OLD + timedelta(days=3)), officer)
    assert purged("decision", months=(OLD, later)) == names("decision", month=later)


def test_what_a_second_officer_gave_back_goes_with_the_next_purge(officer: User) -> None:
    hold = place(Held("period", first_day=OLD), officer)
    assert purged("decision") == set()
    with pytest.raises(holds.NotASecondPerson):
        end(hold, officer)
    end(hold, make_user(roles.COMPLIANCE, "second"))
    assert purged("decision") == names("decision")
    assert set(AuditEvent.objects.filter(subject=f"hold {hold.pk}").values_list("action", "actor")) == {
        ("hold.placed", "officer"), ("hold.ended", "second"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("held", "reason", "refused"),
    [
        (Held("period"), WHY, holds.NothingHeld),
        (Held("customer"), WHY, holds.NothingHeld),
        (Held("offer"), WHY, holds.NothingHeld),
        (Held("period", first_day=OLD, last_day=OLD - timedelta(days=1)), WHY, holds.NothingHeld),
        (Held("period", first_day=OLD), " ", holds.NoReason),
    ],
)
def test_a_hold_says_on_what_and_why(officer: User, held: Held, reason: str, refused: type[Exception]) -> None:
    with pytest.raises(refused):
        place(held, officer, reason)


def test_a_hold_is_ended_once_with_a_reason_and_by_compliance(officer: User) -> None:
    hold, second = place(Held("period", first_day=OLD), officer), make_user(roles.COMPLIANCE, "second")
    with pytest.raises(holds.NoReason):
        end(hold, second, " ")
    with pytest.raises(roles.NotAllowed):
        end(hold, make_user(roles.RISK_APPROVER, "risk"))
    end(hold, second)
    with pytest.raises(holds.AlreadyEnded):
        end(hold, second)
    with pytest.raises(roles.NotAllowed):
        place(Held("period", first_day=OLD), make_user(roles.AUDITOR, "auditor"))


def test_sql_alone_ends_no_hold_of_ones_own_places_none_without_the_right_and_changes_none(officer: User) -> None:
    hold, now = place(Held("period", first_day=OLD), officer), timezone.now()
    given: dict[str, Any] = {"reason": "x", "placed_at": now, "scope": "period", "first_day": OLD}
    for attempt in (
        lambda: HoldEnd.objects.create(hold=hold, reason="x", ended_by=officer, ended_at=now),
        lambda: LegalHold.objects.create(placed_by=make_user(roles.RISK_APPROVER, "risk"), **given),
        lambda: LegalHold.objects.create(placed_by=officer, **{**given, "first_day": None}),
        lambda: LegalHold.objects.update(reason="nothing"),
        lambda: LegalHold.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            attempt()
    assert LegalHold.objects.get().reason == WHY
