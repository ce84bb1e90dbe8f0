"""What the audits of a month call for: a finding for each group that fails, with the stage that takes most, and for
each gap that grows; what becomes of a finding is not decided here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final

from decisioning.models import ModelVersion
from fairness import findings, model_inputs
from fairness.causes import waterfall
from fairness.counts import GroupCounts
from fairness.cube import drift, lines, subjects
from fairness.cube.rollup import BOTH
from fairness.findings import Pause
from fairness.models import CubeComparison, Finding
from fairness.thresholds import Verdict
from offers import packs, snapshot

AT_ONCE: Final = 50
"""Findings of one kind that the audit of a month opens, the most people first; one more is about the rest together."""

Key = tuple[str, str, str]  # offer, attribute, group


def raise_findings(month: date, now: datetime) -> int:
    """Open or add to the findings of a month, which months audited together take by rising month; how many were said.
    Pairs of attributes are shown, and not followed up by themselves: each failing pair stands beside its attributes."""
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
    total = rows.order_by().values("offer", "attribute", "group").distinct().count()
    shown = list(failing.items())[:AT_ONCE]
    named = subjects.names(offer for (offer, _, _), _ in shown)
    for (offer, attribute, group), held in shown:
        worst = held[0]
        said = waterfall.of_month(month, offer, attribute, group, worst.reference)
        cause = said.largest.stage if said and said.largest else worst.stage
        yield from _said(
            "parity", f"{offer or 'any offer'}: {attribute}: {group}", month, now,
            title=f"{named[offer]}: {group} falls behind {worst.reference} ({worst.stage.replace('_', ' ')})",
            cause=cause, severity="high" if (worst.shortfall or 0) >= 100 else "medium", pause=_ranked_by(cause),
            evidence={"comparisons": {row.stage: row.query_hash for row in held},
                      "ratios": {row.stage: row.ratio for row in held}, "shortfall": worst.shortfall},
        )  # fmt: skip
    if total > AT_ONCE:
        yield from _about_the_whole("parity", month, total, "groups fall behind", "high", now)


def _said(
    kind: str, subject: str, month: date, now: datetime, *, evidence: Mapping[str, Any], **told: Any
) -> Iterator[Finding]:
    """Nothing where a finding tells of a later month already: what was found since then stands."""
    if not Finding.objects.filter(kind=kind, subject=subject, evidence__month__gt=month.isoformat()).exists():
        evidence = {"month": month.isoformat(), **evidence}
        yield findings.breach(kind=kind, subject=subject, evidence=evidence, now=now, **told)


def _about_the_whole(kind: str, month: date, total: int, what: str, severity: str, now: datetime) -> Iterator[Finding]:
    title = f"{total} {what} in {month:%B %Y}; {AT_ONCE} of them have a finding of their own"
    return _said(
        kind, "the whole", month, now, title=title, cause="widespread", severity=severity, evidence={"total": total}
    )


def _ranked_by(cause: str) -> Pause | None:
    """The model, where the gap comes from how offers are ranked; a rule is nothing that a policy stops by itself."""
    name = ModelVersion.objects.filter(status=ModelVersion.Status.CHAMPION).values_list("name", flat=True).first()
    return Pause("model", name) if name and cause in ("scored", "selected") else None


def _drifting(month: date, now: datetime) -> Iterator[Finding]:
    """Of what is red this month: a series without it cannot alert."""
    growing = 0
    for row, charted in _alerts(month):
        growing += 1
        if growing <= AT_ONCE:
            yield from _said(
                "drift", f"{row.stage}: {row.offer or 'any offer'}: {row.attribute}: {row.group}", month, now,
                title=f"{subjects.names([row.offer])[row.offer]}: the gap of {row.group} grows "
                f"({row.stage.replace('_', ' ')})",
                cause=row.stage, severity="medium",
                evidence={"log_ratios": [one.value for one in charted.points],
                          "average": charted.points[-1].average, "limit": charted.points[-1].low},
            )  # fmt: skip
    if growing > AT_ONCE:
        yield from _about_the_whole("drift", month, growing, "gaps grow", "medium", now)


def _alerts(month: date) -> Iterator[tuple[CubeComparison, drift.Chart]]:
    """The gaps that grow, the most people first; how many red months that takes is what the packs in force say."""
    on = lines.last_day(month)
    significance, periods = lines.in_force(on).significance, lines.monitors(on).red_periods
    rows = CubeComparison.objects.filter(month=month, q__lt=significance, ratio__lt=1).exclude(attribute__contains=BOTH)
    for row in rows.order_by("-shortfall"):
        charted = drift.chart(points(row), periods=periods, significance=significance)
        if charted and charted.alert:
            yield row, charted


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
