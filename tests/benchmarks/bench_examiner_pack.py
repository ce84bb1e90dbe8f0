"""An examiner pack of twelve months over a bank of real size: seconds, bytes and memory, against the two minutes that
it may take. SIZES, such as "decisions=1000000 events=100000", says how large it is."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from console import embedded

FOLDER: Final = Path(__file__).resolve().parents[2] / "var" / "bench-examiner"
SIZES: Final[dict[str, int]] = {
    "decisions": 1_000_000, "events": 100_000, "cells": 200_000,
    **{name: int(size) for name, _, size in (entry.partition("=") for entry in os.environ.get("SIZES", "").split())},
}  # fmt: skip
MOST_SECONDS: Final = 120.0
BATCH: Final = 10_000
YEAR: Final = timedelta(days=365)


def fill(now: datetime) -> None:
    """Decisions of a year as large as real ones, events of the trail, counts of the cube; an earlier run's stay."""
    from decisioning.models import Decision
    from fairness.models import CubeCount
    from offers.models import AuditEvent

    if Decision.objects.count() < SIZES["decisions"]:
        _decisions(now)
    if AuditEvent.objects.count() < SIZES["events"]:
        _events(now)
    if CubeCount.objects.count() < SIZES["cells"] // 12:
        _cells(now)


def _decisions(now: datetime) -> None:
    from decisioning import partitions
    from decisioning.models import Decision

    start = now - YEAR
    partitions.ensure(start.date(), now.date())
    body = os.urandom(600)  # random, so that Postgres cannot make it smaller than it would be
    for first in range(0, SIZES["decisions"], BATCH):
        Decision.objects.bulk_create(
            [
                _decision(number, start + YEAR * (number / SIZES["decisions"]), body)
                for number in range(first, first + BATCH)
            ]
        )


def _decision(number: int, at: datetime, body: bytes) -> Any:
    from decisioning.models import Decision

    return Decision(
        id=UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | number),
        customer_id=number % 1_000_000,
        session=f"{number:032x}", channel=("mobile_app", "web", "email")[number % 3], placement="home", made_at=at,
        expires_at=at, reason=None if number % 10 else "CAPPED", offer=f"offer-{number % 40}" if number % 10 else None,
        arm=f"offer-{number % 40}/plain" if number % 10 else None, action_probability=0.1, release=1, model="m",
        posterior=0, degraded=[], inputs=body, result=body, digest=b"0" * 32, took_us=900,
    )  # fmt: skip


def _events(now: datetime) -> None:
    """Chained as the product chains them, many in one statement."""
    from offers import audit
    from offers.models import AuditEvent

    last = AuditEvent.objects.first()
    previous, sequence = (last.hash, last.sequence) if last else (audit.GENESIS, 0)
    rows = []
    for number in range(SIZES["events"]):
        at = now - YEAR + YEAR * (number / SIZES["events"])
        detail = f'{{"change":{number},"comment":"looked at it"}}'
        sequence += 1
        found = audit._hash(previous, sequence, at, "anna", "change.approved", f"change {number}", detail)
        rows.append(
            AuditEvent(
                sequence=sequence,
                at=at,
                actor="anna",
                action="change.approved",
                subject=f"change {number}",
                detail=detail,
                previous_hash=previous,
                hash=found,
            )
        )
        previous = found
    AuditEvent.objects.bulk_create(rows, batch_size=BATCH)


def _cells(now: datetime) -> None:
    from fairness.cube.stages import STAGES
    from fairness.models import CubeCount

    groups = [f"group {number}" for number in range(5)]
    rows = []
    for number in range(SIZES["cells"] // 12):
        month = (now - YEAR + timedelta(days=31 * (number % 12))).date().replace(day=1)
        rows.append(
            CubeCount(
                month=month,
                offer=f"offer-{number // 12 // 4}",
                channel="",
                segment="",
                attribute=f"a{number // 12 % 4}",
                groups=groups,
                reached=[1000] * (len(groups) * len(STAGES)),
                exposure=[1.0] * len(groups),
                computed_at=now,
            )
        )
    CubeCount.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)


def run() -> None:
    from fairness.governance.examiner import pack, verify
    from fairness.governance.examiner import scope as scopes

    now = datetime.now(UTC)
    began = time.perf_counter()
    fill(now)
    print(f"filled in {time.perf_counter() - began:.0f} s: {SIZES}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    with tempfile.NamedTemporaryFile(suffix=".zip") as target:
        totals = pack.write(scopes.of((now - YEAR).date(), now.date()), target, by="the benchmark", now=now)
        took = time.perf_counter() - began
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"{sum(totals.values())} rows, {target.tell() / 1e6:.1f} MB in {took:.1f} s, {grown:.0f} MB more memory")
        target.flush()
        began = time.perf_counter()
        assert verify.main(target.name) == 0
        print(f"verified in {time.perf_counter() - began:.1f} s")
    print(f"{'within' if took <= MOST_SECONDS else 'BEYOND'} the {MOST_SECONDS:.0f} s of twelve months")


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with embedded.ensure(FOLDER, durable=False) as servers:
        os.environ.update(servers.environment())
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        run()


if __name__ == "__main__":
    main()
