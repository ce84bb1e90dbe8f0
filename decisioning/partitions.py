"""Keep the time partitions: make those of the coming months, seal closed ones in the audit trail, retire old ones."""

from __future__ import annotations

from datetime import date, datetime

from django.db import connection, transaction
from psycopg import sql

from decisioning import jobs
from offers import audit, packs, snapshot
from offers.models import AuditEvent

TABLES = ("transaction", "signal", "decision", "outcome")
MONTHS_AHEAD = 2
ACTOR = "candor"
BACKFILL = "backfill"  # the kind of job that writes decisions of past months: none is closed while it is at work


def ensure(first: date, last: date, tables: tuple[str, ...] = TABLES) -> int:
    """Make the months from `first` to `last` where they are missing; returns how many partitions were made."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT candor_ensure_partitions(%s, %s, %s)", [first, last, list(tables)])
        return int(cursor.fetchone()[0])


def keep(now: datetime) -> int:
    """The daily task; returns how many partitions it made, sealed or retired."""
    made = ensure(now.date(), _months(now.date(), MONTHS_AHEAD))
    if jobs.at_work(BACKFILL):
        return made  # nothing is sealed before it is whole, nor retired before it is sealed
    sealed = sum(seal(name, now) for name in _closed(now))
    return made + sealed + len(retire(_months(now.date(), -retention_months(now.date())), now))


def retention_months(on: date) -> int:
    """How long the policy packs in force ask for: a partition holds records of every kind, so the longest counts."""
    live = snapshot.live_row()
    in_force = packs.in_force(live.content if live else {}, on)
    return max(max(pack.retention.values(), default=0) for pack in (*in_force, packs.strict_default()))


def seal(partition: str, now: datetime) -> bool:
    """Put the digest of a closed decision partition into the audit trail, once."""
    with transaction.atomic():
        if is_sealed(partition):
            return False
        rows, digest = fingerprint(partition)
        audit.record(
            actor=ACTOR, action="partition.sealed", subject=partition,
            detail={"rows": rows, "sha256": digest}, now=now,
        )  # fmt: skip
    return True


def is_sealed(partition: str) -> bool:
    return AuditEvent.objects.filter(action="partition.sealed", subject=partition).exists()


def fingerprint(partition: str) -> tuple[int, str]:
    """Rows of a decision partition and the SHA-256 over their digests in order of id."""
    query = sql.SQL(
        "SELECT count(*), encode(sha256(coalesce(string_agg(digest, ''::bytea ORDER BY id), '')), 'hex') FROM {}"
    ).format(sql.Identifier(partition))
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows, digest = cursor.fetchone()
    return int(rows), str(digest)


def retire(keep_from: date, now: datetime) -> list[str]:
    """Drop whole months before `keep_from`; the database spares the last 13 months and loaded history."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT candor_retire_partitions(%s)", [keep_from])
        names = [row[0] for row in cursor.fetchall()]
        for name in names:
            audit.record(
                actor=ACTOR, action="partition.retired", subject=name, detail={"before": keep_from.isoformat()}, now=now
            )
    return names


def _closed(now: datetime) -> list[str]:
    """Decision partitions whose month is over."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = 'decisioning_decision'::regclass AND right(c.relname, 6) < %s ORDER BY 1",
            [f"{now:%Y%m}"],
        )
        return [row[0] for row in cursor.fetchall()]


def _months(day: date, count: int) -> date:
    months = day.year * 12 + day.month - 1 + count
    return date(months // 12, months % 12 + 1, 1)
