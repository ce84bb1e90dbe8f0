"""Make an examiner pack: one consistent view of the database as a ZIP that proves itself, kept in slices."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from django.db import connection, transaction

from fairness.governance.examiner import records, summary, tables
from fairness.governance.examiner.archive import Archive
from fairness.governance.examiner.scope import Scope
from fairness.models import Anchor, ExaminerPack, ExaminerPackPart
from offers import audit

PART: Final = 1 << 20  # bytes
Progress = Callable[[int, int], None]


def make(scope: Scope, *, by: str, now: datetime, report: Progress = lambda done, total: None) -> ExaminerPack:
    """Write the pack and keep it in the database."""
    with tempfile.TemporaryFile() as target:
        totals = write(scope, target, by=by, now=now, report=report)
        return _keep(target, scope, totals, by, now)


def write(
    scope: Scope, target: IO[bytes], *, by: str, now: datetime, report: Progress = lambda done, total: None
) -> dict[str, int]:
    """The pack into a seekable binary stream; the rows of each table."""
    steps = len(tables.TABLES) + len(records.RECORDS) + 1
    with _one_view():
        archive, counted = Archive(target, now), {}
        for done, table in enumerate(tables.TABLES):
            report(done, steps)
            counted[table.name] = archive.table(f"tables/{table.name}.csv", table.columns, table.rows(scope))
        for done, (name, rows) in enumerate(records.RECORDS.items(), start=len(tables.TABLES)):
            report(done, steps)
            archive.records(f"records/{name}.jsonl", rows(scope))
        chain = _chain(scope)
        archive.bytes("summary.pdf", summary.pdf(scope, counted, chain, by, now))
    archive.bytes("verify.py", Path(__file__).with_name("verify.py").read_bytes())
    told = {"made_at": now, "made_by": by, "from": scope.start, "until_before": scope.end, "campaign": scope.campaign}
    archive.close({**told, "chain": chain})
    report(steps, steps)
    return counted


@contextmanager
def _one_view() -> Iterator[None]:
    """Every table as of one moment, so that the totals of one agree with those of another; and cursors that end with
    their transaction are not copied to disk first. A caller's own transaction is left as it is."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _chain(scope: Scope) -> dict[str, Any]:
    """The ends of the slice of the audit trail, and the anchors inside it."""
    events = tables.trail(scope)
    first, last = events.first(), events.last()
    if first is None or last is None:
        return {"first": 0, "last": 0, "previous": audit.GENESIS, "head": audit.GENESIS, "anchors": []}
    anchors = Anchor.objects.filter(sequence__gte=first.sequence, sequence__lte=last.sequence).order_by("sequence")
    return {
        "first": first.sequence, "last": last.sequence, "previous": first.previous_hash, "head": last.hash,
        "anchors": [{"sequence": row.sequence, "hash": row.hash, "made_at": row.made_at} for row in anchors],
    }  # fmt: skip


def _keep(target: IO[bytes], scope: Scope, totals: dict[str, int], by: str, now: datetime) -> ExaminerPack:
    target.seek(0)
    digest = hashlib.sha256()
    for block in _blocks(target):
        digest.update(block)
    size = target.tell()
    target.seek(0)
    with transaction.atomic():
        pack = ExaminerPack.objects.create(
            requested_by=by, period_from=scope.start, period_to=scope.end, campaign=scope.campaign, totals=totals,
            sha256=digest.hexdigest(), size=size, made_at=now,
        )  # fmt: skip
        for number, content in enumerate(_blocks(target)):
            ExaminerPackPart.objects.create(pack=pack, number=number, content=content)
        audit.record(
            actor=by, action="pack.made", subject=f"pack {pack.pk}",
            detail={"from": scope.start.isoformat(), "until_before": scope.end.isoformat(),
                    "campaign": scope.campaign, "sha256": digest.hexdigest(), "bytes": size}, now=now,
        )  # fmt: skip
    return pack


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: stream.read(PART), b"")


def content(pack: ExaminerPack) -> Iterator[bytes]:
    """Its bytes, slice after slice."""
    for number in pack.parts.values_list("number", flat=True):
        yield bytes(pack.parts.get(number=number).content)
