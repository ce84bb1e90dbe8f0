"""T-LEG-09: what the packs keep is dropped by nobody before its months are over; after them its people go, and the
digest of each month stays in the audit trail."""

from __future__ import annotations

from datetime import UTC, date, datetime
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from decisioning import jobs, partitions
from decisioning.models import Job
from offers import packs
from offers.catalog import Item
from offers.models import AuditEvent
from tests.factories import approve_content

pytestmark = pytest.mark.django_db


def months_ago(count: int) -> date:
    today = datetime.now(tz=UTC).date()
    months = today.year * 12 + today.month - 1 - count
    return date(months // 12, months % 12 + 1, 1)


def kept(partition: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [partition])
        return bool(cursor.fetchone()[0])


def month(count: int) -> str:
    """The decision partition of so many months ago, made if it is missing."""
    first = months_ago(count)
    partitions.ensure(first, first, ("decision",))
    return f"decisioning_decision_{first:%Y%m}"


def retire(count: int) -> None:
    with transaction.atomic():
        partitions.retire(months_ago(count), datetime.now(tz=UTC))


@pytest.mark.parametrize("early", [0, 13, 24, 36])
def test_a_purge_before_37_months_is_refused_by_the_database(early: int) -> None:
    name = month(24)
    with pytest.raises(DatabaseError, match="keep records for 37 months"):
        retire(early)
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT candor_drop_partitions(%s)", [months_ago(20)])
    assert kept(name)


def test_the_daily_task_drops_what_is_older_and_keeps_its_digest() -> None:
    now = datetime.now(tz=UTC)
    old, young = month(38), month(36)
    partitions.keep(now)
    assert (kept(old), kept(young)) == (False, True)
    assert set(AuditEvent.objects.filter(subject=old).values_list("action", flat=True)) == {
        "partition.sealed", "partition.retired",
    }  # fmt: skip


def test_no_month_is_sealed_or_dropped_while_decisions_of_the_past_are_written_in() -> None:
    now = datetime.now(tz=UTC)
    old, young = month(38), month(36)
    with jobs.running(partitions.BACKFILL, {}, now):
        partitions.keep(now)
        assert kept(old)
        assert not partitions.is_sealed(young)
    partitions.keep(now)
    assert not kept(old)
    assert partitions.is_sealed(young)
    said = StringIO()
    call_command("verify_audit", stdout=said)
    assert f"{young}: 0 decisions as sealed" in said.getvalue()


def test_a_backfill_that_was_killed_does_not_stop_sealing_and_retention() -> None:
    """Its row says that it runs until the next one; its lock went with its process."""
    now = datetime.now(tz=UTC)
    old, young = month(38), month(36)
    Job.objects.create(kind=partitions.BACKFILL, argument={}, started_at=now)
    partitions.keep(now)
    assert not kept(old)
    assert partitions.is_sealed(young)


def test_another_kind_of_job_is_no_backfill() -> None:
    with jobs.running("history", {}, datetime.now(tz=UTC)):
        assert not jobs.at_work(partitions.BACKFILL)
        assert jobs.at_work("history")
    assert not jobs.at_work("history")


def test_a_pack_that_keeps_longer_is_obeyed_by_the_task_and_by_the_database() -> None:
    pack = packs.shipped()["us-federal-from-2026-07"]
    longer = {**pack, "effective_from": "2020-01-01", "retention": {"firm_offer": 60}}
    approve_content([Item("pack", "us-federal", longer)])
    name = month(50)
    partitions.keep(datetime.now(tz=UTC))
    assert kept(name)
    with pytest.raises(DatabaseError, match="keep records for 60 months"):
        retire(50)
