"""One offer under one attribute in one month: who falls behind, at which stage, since when and where; and the counts
behind one comparison. Everything is read from the audit of record and the cube."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import NoReverseMatch, reverse

from console.access import SignedInRequest, allowed
from console.compliance import drill as reading
from console.compliance import heat, scores
from console.views.fairness import month_of
from fairness import figures, thresholds
from fairness.cube import lines, subjects
from fairness.cube.drift import MONTHS
from fairness.cube.rollup import ANY
from fairness.cube.stages import STAGES, WORDS
from fairness.models import CubeComparison, MonthFigure
from fairness.thresholds import Verdict


@allowed("see:fairness")
def drill(request: SignedInRequest, offer: str, attribute: str) -> HttpResponse:
    """The newest audited month, the worst stage and the worst group unless others are asked for."""
    key = ANY if offer == heat.ANY_OFFER else offer
    verdicts: dict[date, dict[str, list[Verdict]]] = {}
    held = CubeComparison.objects.filter(offer=key, attribute=attribute).order_by("-month")
    for month, stage, verdict in held.values_list("month", "stage", "verdict"):
        verdicts.setdefault(month, {}).setdefault(stage, []).append(Verdict(verdict))
    if not verdicts:
        raise Http404
    month = month_of(request.GET.get("month", ""), list(verdicts))
    worst = {stage: thresholds.worst(found) for stage, found in verdicts[month].items()}
    wanted = request.GET.get("stage", "")
    stage = wanted if wanted in worst else _first_of_the_worst(worst)
    context = _context(month, stage, key, attribute, request.GET.get("group", ""))
    return render(request, "fairness/drill.html", context | {"shown": list(verdicts)[:MONTHS], "offer": offer})


def _first_of_the_worst(found: Mapping[str, Verdict]) -> str:
    """The stage that a reader begins with."""
    verdict = thresholds.worst(found.values())
    return next(stage for stage in STAGES if found.get(stage) is verdict)


def _context(month: date, stage: str, key: str, attribute: str, group: str) -> dict[str, Any]:
    bands = lines.in_force(lines.last_day(month))
    rows = reading.rows_of(month, stage, key, attribute, bands)
    chosen = reading.chosen_row(rows, group)
    found = reading.waterfall_of(month, key, chosen) if chosen else None
    chart = reading.trend_of(chosen, bands) if chosen else None
    scored = scores.of_group(month, key, attribute, chosen.group) if chosen else None
    return {
        "month": month,
        "stage": stage,
        "denominator": STAGES[STAGES.index(stage) - 1],
        "counted": WORDS[stage],
        "counted_of": WORDS[STAGES[STAGES.index(stage) - 1]],
        "attribute": attribute,
        "name": subjects.names([key])[key],
        "rows": rows,
        "chosen": chosen,
        "missing": reading.missing_share(month, stage, key, attribute),
        "stages": reading.other_stages(month, key, attribute, chosen.group) if chosen else {},
        "waterfall": found,
        "waterfall_figure": figures.waterfall(found["found"]) if found else None,
        "trend": chart,
        "trend_figure": figures.trend(chart, bands.fail_ratio) if chart else None,
        "cuts": reading.cuts_of(month, stage, key, chosen, bands) if chosen else None,
        "scored": scored,
        "scored_figure": figures.deciles(scored["deciles"], bands.fail_ratio) if scored else None,
        "looked_at": scored is not None or scores.looked_at(month),
        "differential": scores.differential(month, stage, key, attribute, bands),
        "causes": _causes(key, attribute),
        "bands": bands,
        "scale": reading.SCALE,
    }


def _causes(key: str, attribute: str) -> str | None:
    """The page of what is behind a gap, where there is one."""
    try:
        return reverse("causes", args=[key or heat.ANY_OFFER, attribute])
    except NoReverseMatch:
        return None


@allowed("see:fairness")
def counts(request: SignedInRequest, comparison: int) -> HttpResponse:
    """One stored comparison whole."""
    row = get_object_or_404(CubeComparison.objects.select_related("audit"), pk=comparison)
    return render(
        request,
        "fairness/counts.html",
        reading.counts_of(row)
        | {
            "name": subjects.names([row.offer])[row.offer],
            "href": heat.drill_href(row.offer, row.attribute, month=row.month, stage=row.stage, group=row.group),
        },
    )


@allowed("see:fairness")
def score_counts(request: SignedInRequest, figure: int) -> HttpResponse:
    """What the figures of scores and outcomes of one group are made of."""
    row = get_object_or_404(MonthFigure, pk=figure, kind=MonthFigure.Kind.SCORES)
    href = heat.drill_href(row.offer, row.attribute, month=row.month, stage="selected", group=row.group)
    return render(request, "fairness/score_counts.html", scores.counts_of(row) | {"href": href})
