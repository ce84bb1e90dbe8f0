"""One month of the count cube at full size: counted from its units, judged from the counts, and audited with AIF360.
SIZES, such as "customers=100000 offers=5000", says how large it is."""

from __future__ import annotations

import resource
from datetime import UTC, date, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.servers import VAR, django_over, sizes, timed

SIZES: Final = sizes(customers=1_000_000, offers=20)
FOLDER: Final = VAR / f"bench-cube-{SIZES['customers']}-{SIZES['offers']}"
NOW: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
MONTH: Final = date(2026, 11, 1)
BLOCK: Final = max(1_000, 1_000_000 // SIZES["offers"])  # customers that are made at once
GROUPS: Final = {"gender": ("female", "male"), "region": ("Metro", "Islands", "North"), "language": ("en", "es")}
COUNTED, JUDGED = 15.0, 2.0  # seconds that a month may take

_UNITS: Final = """
COPY fairness_cubeunit (month, customer_id, channel, segment, furthest, exposure) FROM STDIN (FORMAT BINARY)
"""


def fill() -> None:
    """Offers, units and protected groups, unless an earlier run left them."""
    from fairness.models import CubeOffer, CubeUnit

    if CubeUnit.objects.filter(month=MONTH).count() >= SIZES["customers"]:
        return
    CubeOffer.objects.bulk_create(
        (
            CubeOffer(place=place, key=f"offer-{place:04}", family=f"family-{place % 4}")
            for place in range(SIZES["offers"])
        ),
        ignore_conflicts=True,
    )
    for first in range(1, SIZES["customers"] + 1, BLOCK):
        _insert(first, min(BLOCK, SIZES["customers"] + 1 - first))


def _insert(first: int, count: int) -> None:
    from django.db import connection, transaction

    from fairness import vault

    random = np.random.default_rng(first)
    codes = {name: random.integers(0, len(values), count) for name, values in GROUPS.items()}
    furthest, exposure = _reached(random, codes["region"])
    with transaction.atomic(), connection.cursor() as cursor:
        with cursor.copy(_UNITS) as copy:
            copy.set_types(["date", "int8", "text", "text", "bytea", "bytea"])
            for at, customer in enumerate(range(first, first + count)):
                channel, segment = ("mobile_app", "web")[at % 2], ("580_669", "670_739", "740_799")[at % 3]
                copy.write_row((MONTH, customer, channel, segment, furthest[at].tobytes(), exposure[at].tobytes()))
        vault.write(
            (vault.Entry(first + at, name, values[codes[name][at]])
             for at in range(count) for name, values in GROUPS.items()),
            source="bench", now=NOW,
        )  # fmt: skip


def _reached(random: np.random.Generator, region: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The furthest stage of each customer and offer, and her exposure to those that competed; the Islands pass fewer
    rules. No two exposures are alike, so that Postgres cannot make them smaller than they would be."""
    passed = random.random((len(region), SIZES["offers"]), dtype=np.float32)
    eligible = passed > np.where(region == 1, 0.5, 0.35)[:, None]
    furthest = np.where(eligible, random.integers(5, 11, passed.shape, dtype=np.uint8), 2).astype(np.uint8)
    return furthest, np.where(eligible, passed * 4 / SIZES["offers"], 0).astype("<f4")


def run() -> None:
    from django.core.management import call_command

    from fairness.cube import lines, record, rollup

    call_command("migrate", verbosity=0)
    with timed("made, unless it was there"):
        fill()
    print(", ".join(f"{size:,} {name}" for name, size in SIZES.items()) + "\n")
    with timed("counted from the units", COUNTED):
        rollup.rebuild(MONTH, NOW)
    print(f"{'':34}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:>9.0f} MB at most")
    with timed("judged from the counts", JUDGED):
        judged = record.judge(MONTH, lines.in_force(lines.last_day(MONTH)))
    print(f"{sum(len(rows) for rows in judged.values()):>34,} comparisons")
    with timed("audit of record, with AIF360"):
        record.audit([MONTH], NOW)


if __name__ == "__main__":
    with django_over(FOLDER):
        run()
