"""What the pages say of a month's scores and outcomes, of groups that a scan came upon and of groups that are
estimated; read from what the night kept, in the words of a compliance officer. Nothing is counted here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from math import exp
from typing import Any, Final

from fairness import metrics, small_groups, surname_proxy, thresholds
from fairness.counts import GroupCounts
from fairness.cube import read, subjects
from fairness.cube.rollup import BOTH
from fairness.models import MonthFigure
from fairness.scores import comparison, record
from fairness.thresholds import Bands
from offers.pack_schema import PROXIES

Kind = MonthFigure.Kind
LISTED: Final = 8
WORDS: Final[Mapping[str, tuple[str, str, str]]] = {
    comparison.SCORE: (
        "How they are scored", "mean score, group less reference, in standard deviations (SMD)", "deviations"),
    comparison.EFFECT: (
        "Passed over among equals",
        "how much less often the group is given it than people of the same credit band who came as often "
        "(conditional marginal effect)", "points"),
    comparison.OPPORTUNITY: (
        "Takers the score would reach",
        "of those who took it, the share scored high enough, group less reference (equal opportunity)", "points"),
    comparison.ODDS: (
        "Reached alike, takers or not", "mean gap among takers and among the others (average odds)", "points"),
    comparison.RESIDUAL: (
        "Did better than scored", "what they took less what was expected, group less reference, in standard deviations "
        "(residual SMD): above 0 the group is underrated", "deviations"),
    comparison.CALIBRATION: (
        "Took it, for each that was expected", "observed over expected (calibration): above 1 the group is underrated",
        "ratio"),
}  # fmt: skip
"""Each figure: its name, what it is, and how it is written."""


def of_group(month: date, offer: str, attribute: str, group: str) -> dict[str, Any] | None:
    """The figures of one group under one attribute, or None where the night kept none."""
    row = MonthFigure.objects.filter(
        month=month, kind=Kind.SCORES, offer=offer, attribute=attribute, group=group
    ).first()
    return told(row) if row else None


def told(row: MonthFigure) -> dict[str, Any]:
    """One stored comparison: its figures in words, and what stands beside them without a verdict."""
    figures = [{**one, **_worded(one["metric"])} for one in row.content["figures"]]
    by_metric = {one["metric"]: one for one in figures}
    return {
        "row": row, "figures": figures, "deciles": row.content["deciles"],
        "odds": by_metric[comparison.ODDS].get("counts"),
        "calibrated": by_metric[comparison.CALIBRATION].get("counts"),
        "effect": by_metric[comparison.EFFECT].get("counts"),
        "moments": [(one["name"], one["counts"]) for name in (comparison.SCORE, comparison.RESIDUAL)
                    if "counts" in (one := by_metric[name])],
    }  # fmt: skip


def _worded(metric: str) -> dict[str, str]:
    name, what, unit = WORDS[metric]
    return {"name": name, "what": what, "unit": unit}


def counts_of(row: MonthFigure) -> dict[str, Any]:
    """The same with everything that it was made of, and whether the hash still holds."""
    return {
        **told(row),
        "holds": record.query_hash(row) == row.query_hash,
        "name": subjects.names([row.offer])[row.offer],
    }


def differential(month: date, stage: str, offer: str, attribute: str, bands: Bands) -> list[dict[str, Any]]:
    """M16: how far the rates of any two groups lie apart, under this attribute and together with each other one.

    A group with fewer than the smallest cell on either side is left out, since smoothing would make a gap of nobody,
    and is named in `left_out`; not so where its whole interval lies under the failing line, which no smoothing made.
    """
    tables: dict[str, list[GroupCounts]] = {}
    for cell in read.cells(month=month, stage=stage, offer=offer):
        if cell.total >= small_groups.smallest(bands) and attribute in (cell.attribute, *cell.attribute.split(BOTH)):
            tables.setdefault(cell.attribute, []).append(cell.counts)
    found = []
    for name, groups in sorted(tables.items(), key=lambda one: (BOTH in one[0], one[0])):
        counted = [group for group in groups if _counts(group, groups, bands)]
        value = metrics.smoothed_differential_fairness(counted)
        if value is not None:
            left_out = [group.group for group in groups if group not in counted]
            found.append({"attribute": name, "value": value, "factor": exp(value), "left_out": left_out})
    return found


def _counts(group: GroupCounts, groups: Sequence[GroupCounts], bands: Bands) -> bool:
    if min(group.favourable, group.unfavourable) >= bands.smallest_cell:
        return True
    best = max(groups, key=lambda one: one.rate or 0.0)
    return group is not best and thresholds.evident(group, best, bands)


def subgroups(month: date) -> list[dict[str, Any]]:
    """What the scan came upon, the highest score first."""
    rows = list(MonthFigure.objects.filter(month=month, kind=Kind.SUBGROUP))
    return _named(sorted(rows, key=lambda row: -row.content["score"])[:LISTED])


def estimates(month: date) -> list[dict[str, Any]]:
    """Of estimated groups, any offer and what is not green, the lowest ratio first."""
    rows = MonthFigure.objects.filter(month=month, kind=Kind.ESTIMATE)
    wanted = [row for row in rows if not row.offer or row.content["verdict"] in ("fail", "watch")]
    found = _named(sorted(wanted, key=lambda row: (bool(row.offer), row.content["low"] or 0.0))[:LISTED])
    for one in found:
        held = {estimator["method"]: estimator for estimator in one["estimators"]}
        one["methods_found"] = [(method, held.get(method)) for method in surname_proxy.METHODS]
    return found


def looked_at(month: date) -> bool:
    """Whether a night looked at the scores of the month at all, if only to find too few people."""
    return record.looked_at(month) is not None


def beyond(month: date, bands: Bands, proxies: frozenset[str]) -> dict[str, Any]:
    """What the home page shows beside the map; `proxies` are the attributes that a pack in force lets one estimate."""
    return {
        "looked_at": looked_at(month), "subgroups": subgroups(month), "estimates": estimates(month),
        "proxies": [name for name in PROXIES if name in proxies], "bands": bands,
    }  # fmt: skip


def _named(rows: Sequence[MonthFigure]) -> list[dict[str, Any]]:
    names = subjects.names([row.offer for row in rows])
    return [{"row": row, "name": names[row.offer], **row.content} for row in rows]
