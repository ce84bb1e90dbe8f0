"""The count cube at full size: a month of 1,000,000 customers counted and audited, and the home of fairness and its
drill-down over thirteen months that stand for 10,000,000 decisions, beside an empty page behind the same middleware."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import numpy as np
from psycopg import sql

from console import embedded

FOLDER: Final = Path(__file__).resolve().parents[2] / "var" / "bench-cube"
SIZES: Final[dict[str, int]] = {
    "customers": 1_000_000, "offers": 20, "months": 13,
    **{name: int(size) for name, _, size in (entry.partition("=") for entry in os.environ.get("SIZES", "").split())},
}  # fmt: skip
NOW: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
MONTH: Final = date(2026, 11, 1)
BLOCK: Final = 50_000
GROUPS: Final = {"gender": ("female", "male"), "region": ("Metro", "Islands", "North"), "language": ("en", "es")}
MOST_SECONDS: Final = {"counted from the units": 15.0, "judged from the counts": 2.0}
MOST_MS: Final = {"fairness": 2_000.0, "fairness_drill": 1_000.0}


def fill() -> None:
    """Units and protected groups, unless an earlier run left them."""
    from django.db import connection

    from fairness import vault
    from fairness.models import CubeOffer, CubeUnit
    from fairness.vault import Entry

    if CubeUnit.objects.filter(month=MONTH).count() == SIZES["customers"]:
        return
    CubeUnit.objects.all().delete()
    CubeOffer.objects.all().delete()
    CubeOffer.objects.bulk_create(
        CubeOffer(place=place, key=f"offer-{place:03}", family=f"family-{place % 4}")
        for place in range(SIZES["offers"])
    )
    random = np.random.default_rng(1)
    for first in range(0, SIZES["customers"], BLOCK):
        ids = range(first + 1, first + 1 + BLOCK)
        codes = {name: random.integers(0, len(values), BLOCK) for name, values in GROUPS.items()}
        with (
            connection.cursor() as cursor,
            cursor.copy(
                "COPY fairness_cubeunit (month, customer_id, channel, segment, furthest, exposure) FROM STDIN"
            ) as copy,
        ):
            for customer, furthest in zip(ids, _levels(random, codes["region"]), strict=True):
                exposure = (furthest > 5).astype("<f4") * 0.2
                segment = ("580_669", "670_739", "740_799")[customer % 3]
                copy.write_row((MONTH, customer, ("mobile_app", "web")[customer % 2], segment, furthest.tobytes(),
                                exposure.tobytes()))  # fmt: skip
        vault.write(
            (Entry(customer, name, values[codes[name][at]]) for at, customer in enumerate(ids)
             for name, values in GROUPS.items()),
            source="bench", now=NOW,
        )  # fmt: skip


def _levels(
    random: np.random.Generator, region: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """The furthest stage of each customer and offer; the Islands pass fewer rules."""
    passed = random.random((BLOCK, SIZES["offers"]))
    eligible = passed > np.where(region == 1, 0.5, 0.35)[:, None]
    return np.where(eligible, 5 + random.integers(0, 6, passed.shape), 2).astype(np.uint8)


@contextmanager
def timed(name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    took = time.perf_counter() - begun
    most = MOST_SECONDS.get(name)
    print(f"{name:34}{took:>9.2f} s{f'   at most {most:.0f}' if most else ''}", flush=True)


def _months_before() -> None:
    """The same month once more for each of the twelve before it, counts and comparisons with them."""
    from django.db import connection

    from fairness.models import CubeComparison, CubeCount, FairnessAudit

    for back in range(1, SIZES["months"]):
        month = date(2026 - (back > 10), (11 - back - 1) % 12 + 1, 1)
        for model in (CubeCount, CubeComparison):
            kept = [sql.Identifier(str(field.column)) for field in model._meta.fields]
            names = sql.Composed([name for name in kept if name.as_string() not in ('"id"', '"month"')]).join(", ")
            query = sql.SQL(
                "INSERT INTO {table} (month, {names}) SELECT %s, {names} FROM {table} WHERE month = %s "
                "ON CONFLICT DO NOTHING"
            ).format(table=sql.Identifier(model._meta.db_table), names=names)
            with connection.cursor() as cursor:
                cursor.execute(query, [month, MONTH])
        for head in FairnessAudit.objects.filter(period_from__date=MONTH):
            head.pk, head.period_from = None, datetime(month.year, month.month, 1, tzinfo=UTC)
            head.save()


def run() -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.urls import reverse

    from fairness.cube import lines, record, rollup
    from tests.benchmarks.bench_pages import everybody, measured

    call_command("migrate", verbosity=0)
    fill()
    print(", ".join(f"{size:,} {name}" for name, size in SIZES.items()) + "\n")
    with timed("counted from the units"):
        rollup.rebuild(MONTH, NOW)
    with timed("judged from the counts"):
        judged = record.judge(MONTH, lines.in_force(lines.last_day(MONTH)))
    with timed("audit of record, with AIF360"):
        record.audit(MONTH, NOW)
    print(f"{sum(len(rows) for rows in judged.values()):,} comparisons\n")
    _months_before()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    client = everybody()
    drill = reverse("fairness_drill", args=["offer-003", "region"])
    floor = measured(client, "/empty/")
    print(f"{'page':34}{'queries':>9}{'p50 ms':>9}{'p95 ms':>9}{'x floor':>9}")
    for name, address in (("floor", "/empty/"), ("fairness", reverse("fairness")), ("fairness_drill", drill)):
        status, queries, median, p95 = measured(client, address)
        assert status == 200, (name, status)
        most = f"   at most {MOST_MS[name]:.0f}" if name in MOST_MS else ""
        print(f"{name:34}{queries:>9}{median:>9.1f}{p95:>9.1f}{p95 / floor[3]:>9.1f}{most}", flush=True)


def main() -> None:
    with embedded.ensure(FOLDER) as servers:
        os.environ.update(servers.environment())
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
        import django
        from django.conf import settings

        django.setup()
        settings.ROOT_URLCONF = "tests.benchmarks.page_urls"
        settings.REQUIRE_SECOND_FACTOR = False
        run()


if __name__ == "__main__":
    main()
