"""What the audits of a month call for: a finding for each group that fails, with the stage that takes most, and for
each gap that grows; what becomes of a finding is not decided here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

from decisioning.models import ModelVersion
from fairness import findings, model_inputs
from fairness.causes import waterfall
from fairness.counts import GroupCounts
from fairness.cube import drift, lines
from fairness.cube.rollup import BOTH
from fairness.findings import Pause
from fairness.models import CubeComparison, Finding
from fairness.thresholds import Verdict
from offers import packs, snapshot

AT_ONCE: Final = 50
"""Findings of one kind that one audit opens, the most people first: more than that is one finding about the whole."""

Key = tuple[str, str, str]  # offer, attribute, group


def raise_findings(month: date, now: datetime) -> int:
    """Open or add to the findings of a month; how many were said. Pairs of attributes are shown, and not followed up
    by themselves: each failing pair stands beside its attributes."""
    return sum(1 for _ in (*_failing(month, now), *_drifting(month, now)))


def raise_unlawful(now: datetime) -> int:
    """A finding for each item of the live release that a pack in force rules out, and for each pack that nobody has
    verified for too long; how many were said."""
    live = snapshot.live_row()
    if live is None:
        return 0
    release, on, said = snapshot.read(live.number, live.content), now.date(), 0
    for fault in list(model_inputs.standing(live.content, release, on))[:AT_ONCE]:
        findings.breach(
            kind="policy", subject=fault.path, title=f"{'/'.join(fault.path.split('/')[1:3])}: {fault.message}"[:300],
            cause=fault.code, severity="high", evidence={"release": live.number, "path": fault.path}, now=now,
        )  # fmt: skip
        said += 1
    for pack in packs.in_force(release, on):
        if pack.stale(on):
            findings.breach(
                kind="policy", subject=f"/pack/{pack.key}/verified_on",
                title=f"Nobody has verified {pack.title} lately",
                cause="stale", evidence={"verified_on": pack.verified_on.isoformat()}, now=now,
            )  # fmt: skip
            said += 1
    return said


def _failing(month: date, now: datetime) -> Iterator[Finding]:
    failing: dict[Key, list[CubeComparison]] = defaultdict(list)
    rows = CubeComparison.objects.filter(month=month, verdict=Verdict.FAIL).exclude(attribute__contains=BOTH)
    for row in rows.order_by("-shortfall")[: 10 * AT_ONCE]:
        failing[row.offer, row.attribute, row.group].append(row)
    for (offer, attribute, group), held in list(failing.items())[:AT_ONCE]:
        worst = held[0]
        said = waterfall.of_month(month, offer, attribute, group, worst.reference)
        cause = said.largest.stage if said and said.largest else worst.stage
        yield findings.breach(
            kind="parity", subject=f"{offer or 'any offer'}: {attribute}: {group}",
            title=f"{offer or 'any offer'}: {group} falls behind {worst.reference} ({worst.stage.replace('_', ' ')})",
            cause=cause, severity="high" if (worst.shortfall or 0) >= 100 else "medium", now=now,
            evidence={"month": month.isoformat(), "comparisons": {row.stage: row.query_hash for row in held},
                      "ratios": {row.stage: row.ratio for row in held}, "shortfall": worst.shortfall},
            pause=_ranked_by(cause),
        )  # fmt: skip


def _ranked_by(cause: str) -> Pause | None:
    """The model, where the gap comes from how offers are ranked; a rule is nothing that a policy stops by itself."""
    name = ModelVersion.objects.filter(status=ModelVersion.Status.CHAMPION).values_list("name", flat=True).first()
    return Pause("model", name) if name and cause in ("scored", "selected") else None


def _drifting(month: date, now: datetime) -> Iterator[Finding]:
    """Of what is red this month: a series without it cannot alert."""
    significance = lines.in_force(lines.last_day(month)).significance
    rows = CubeComparison.objects.filter(month=month, q__lt=significance, ratio__lt=1).exclude(attribute__contains=BOTH)
    for row in rows.order_by("-shortfall")[:AT_ONCE]:
        charted = drift.chart(points(row), significance=significance)
        if charted and charted.alert:
            yield findings.breach(
                kind="drift", subject=f"{row.stage}: {row.offer or 'any offer'}: {row.attribute}: {row.group}",
                title=f"{row.offer or 'any offer'}: the gap of {row.group} grows ({row.stage.replace('_', ' ')})",
                cause=row.stage, severity="medium", now=now,
                evidence={"month": month.isoformat(), "log_ratios": [one.value for one in charted.points],
                          "average": charted.points[-1].average, "limit": charted.points[-1].low},
            )  # fmt: skip


def points(row: CubeComparison) -> list[drift.Point]:
    """The months of one comparison up to this one, by rising month."""
    series = CubeComparison.objects.filter(
        stage=row.stage, offer=row.offer, attribute=row.attribute, group=row.group, month__lte=row.month
    ).order_by("-month")[: drift.MONTHS]
    return [
        drift.Point(
            one.month,
            GroupCounts(one.group, one.total, one.favourable),
            GroupCounts(one.reference, one.reference_total, one.reference_favourable),
            one.q,
        )
        for one in reversed(series)
    ]
