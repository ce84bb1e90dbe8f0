"""Group fairness of what was decided: the last audit of each stage, with its figure; nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from console.access import SignedInRequest, allowed
from fairness import thresholds
from fairness.models import FairnessAudit
from fairness.thresholds import Verdict

DECISIONS = "decisions"  # the source that audits of our own decisions name
SCALE = (0.4, 1.4)


@allowed("see:fairness")
def overview(request: SignedInRequest) -> HttpResponse:
    sources = list(FairnessAudit.objects.order_by("source").values_list("source", flat=True).distinct())
    source = request.GET.get("source", "")
    if source not in sources:
        source = DECISIONS if DECISIONS in sources or not sources else sources[0]
    latest = last_audits(source)
    stage = request.GET.get("stage", "")
    audit = latest.get(stage) or next(iter(latest.values()), None)
    rows = [_row(row) for row in audit.comparisons] if audit else []
    return render(
        request,
        "fairness/overview.html",
        {
            "stages": _tabs(latest, audit, source),
            "sources": [{"key": name, "current": name == source} for name in sources],
            "audit": audit,
            "comparisons": rows,
            "worst": _worst(rows),
            "scale": SCALE,
            "thresholds": {"ratio": thresholds.FOUR_FIFTHS, "shortfall": thresholds.MATERIAL_SHORTFALL},
            "figure": None,
        },
    )


def last_audits(source: str) -> dict[str, FairnessAudit]:
    """The newest audit of each stage of one source, in the order of the stages' first audits."""
    newest = FairnessAudit.objects.filter(source=source).order_by("stage", "-id").distinct("stage")
    return {audit.stage: audit for audit in sorted(newest, key=lambda audit: audit.pk)}


def worst_of_the_last_audits() -> dict[str, Any] | None:
    """The comparison that a summary must show: the worst verdict, and among those the lowest ratio."""
    found = [(audit, _row(row)) for audit in last_audits(DECISIONS).values() for row in audit.comparisons]
    worst = _worst([row for _, row in found])
    if worst is None:
        return None
    audit = next(audit for audit, row in found if row is worst)
    return {
        "verdict": worst["verdict"],
        "stage": audit.stage,
        "comparison": f"{worst['group']} to {worst['reference']}",
        "interval": worst["interval"],
        "computed_at": audit.computed_at,
        "href": f"{reverse('fairness')}?stage={audit.stage}",
    }


def _worst(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    measured = [row for row in rows if row["interval"]]
    if not measured:
        return None
    verdict = thresholds.worst(Verdict(row["verdict"]) for row in measured)
    return min((row for row in measured if row["verdict"] == verdict), key=lambda row: row["interval"][1])


def _tabs(latest: Mapping[str, FairnessAudit], shown: FairnessAudit | None, source: str) -> list[dict[str, Any]]:
    return [
        {
            "label": stage.replace("_", " "),
            "href": f"?source={source}&stage={stage}",
            "current": audit is shown,
            "verdict": audit.verdict,
        }
        for stage, audit in latest.items()
    ]


def _row(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored comparison with its interval as (low, ratio, high), and its verdict in a sentence."""
    ends = stored["ratio_interval"]
    interval = (ends[0], stored["ratio"], ends[1]) if ends and stored["ratio"] is not None else None
    return {**stored, "interval": interval, "why": _why(stored, interval)}


def _why(stored: Mapping[str, Any], interval: tuple[float, float, float] | None) -> str:
    if interval is None:
        return "No ratio is defined: the reference group has no favourable outcome, or a group is empty."
    said = f"The impact ratio is {interval[1]:.2f}, 95 % interval {interval[0]:.2f} to {interval[2]:.2f}"
    shortfall, needed = stored["shortfall"], stored["needed_n"]
    if stored["verdict"] == Verdict.FAIL:
        return f"{said}; {shortfall:,.0f} more people of this group would have been favoured at the reference's rate."
    if stored["verdict"] == Verdict.TOO_LITTLE_DATA and needed:
        return f"{said}; {needed:,} people of this group are needed to tell, there are {stored['total']:,.0f}."
    return f"{said}."
