"""What the drill-down of one offer and attribute shows: its comparisons, the waterfall of one group, the trend, and the
cuts by channel and credit band; read from the cube, nothing is counted here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from fairness import monitoring, small_groups, thresholds
from fairness.causes import mantel_haenszel, waterfall
from fairness.counts import NOT_RECORDED, Comparison
from fairness.cube import drift, lines, read, record
from fairness.cube.rollup import ANY
from fairness.cube.stages import STAGES, WORDS
from fairness.models import CubeComparison, CubeCount
from fairness.thresholds import Bands, ComparisonResult, Verdict

SCALE: Final = (0.4, 1.4)  # of impact ratios


def rows_of(month: date, stage: str, offer: str, attribute: str, bands: Bands) -> list[dict[str, Any]]:
    """The stored comparisons, each derived from its counts, the worst first; too small groups say only that."""
    stored = list(CubeComparison.objects.filter(month=month, stage=stage, offer=offer, attribute=attribute))
    found = [
        {
            "stored": row, "row": record.judged_again(row, bands),
            "few": small_groups.few(row.total, row.reference_total, bands),
        }
        for row in stored
    ]  # fmt: skip
    return sorted(found, key=lambda one: _rank(one["row"]))


def _rank(row: ComparisonResult) -> tuple[int, float]:
    order = [Verdict.FAIL, Verdict.WATCH, Verdict.TOO_LITTLE_DATA, Verdict.UNDEFINED, Verdict.PASS]
    return order.index(row.verdict), 9.0 if row.ratio is None else row.ratio


def missing_share(month: date, stage: str, offer: str, attribute: str) -> float | None:
    """The share of the denominator whose attribute nobody recorded."""
    cells = read.cells(month=month, stage=stage, offer=offer, attribute=attribute)
    people = sum(cell.total for cell in cells)
    return sum(cell.total for cell in cells if cell.group == NOT_RECORDED) / people if people else None


def waterfall_of(month: date, offer: str, row: CubeComparison) -> dict[str, Any] | None:
    """The steps of one group, with each stage's share of the whole gap."""
    found = waterfall.of_month(month, offer, row.attribute, row.group, row.reference)
    if found is None or found.until is None:
        return None
    lost = sum(min(0.0, step.log_ratio or 0.0) for step in found.steps)
    # Where the group is shut out there is no whole that a stage could have a share of.
    steps = [
        {"step": step, "words": WORDS[step.stage],
         "share": step.log_ratio / lost if step.log_ratio and step.log_ratio < 0 and not found.shut_out else None}
        for step in found.steps
    ]  # fmt: skip
    return {"found": found, "steps": steps, "largest": found.largest}


def trend_of(row: CubeComparison, bands: Bands) -> drift.Chart | None:
    periods = lines.monitors(lines.last_day(row.month)).red_periods
    return drift.chart(monitoring.points(row), periods=periods, significance=bands.significance)


def cuts_of(month: date, stage: str, offer: str, row: CubeComparison, bands: Bands) -> dict[str, Any]:
    """The same comparison on each channel and in each credit band, judged as one family; and over all bands, and all
    channels, at once (M12)."""
    stored = CubeCount.objects.filter(month=month, offer=offer, attribute=row.attribute).exclude(channel="", segment="")
    found: list[tuple[str, str, Comparison]] = []
    for one in stored.order_by("channel", "segment"):
        held = {cell.group: cell.counts for cell in read.cells_of(one, [stage])}
        if row.group in held and row.reference in held:
            pair = Comparison(row.attribute, held[row.group], held[row.reference], "caller")
            found.append((one.channel, one.segment, pair))
    judged = thresholds.judge([pair for _, _, pair in found], bands)
    rows = [
        {"channel": channel, "segment": segment, "row": result,
         "few": small_groups.few(result.total, result.reference_total, bands)}
        for (channel, segment, _), result in zip(found, judged, strict=True)
    ]  # fmt: skip
    return {
        "channels": [one for one in rows if one["channel"]],
        "segments": [one for one in rows if one["segment"]],
        "within": [
            _within("the same credit band", row.ratio, [(name, pair) for _, name, pair in found if name]),
            _within("the same channel", row.ratio, [(name, pair) for name, _, pair in found if name]),
        ],
    }


def _within(alike: str, whole: float | None, pairs: Sequence[tuple[str, Comparison]]) -> dict[str, Any]:
    """The common ratio of people who have something in common; `turns` is Simpson's guard: whether it says the opposite
    of the whole (R-MET-8)."""
    common = mantel_haenszel.common([mantel_haenszel.Stratum(name, one.group, one.reference) for name, one in pairs])
    ratio = common.risk_ratio
    turns = whole is not None and ratio is not None and (whole - 1) * (ratio - 1) < 0
    return {"alike": alike, "common": common, "turns": turns}


def other_stages(month: date, offer: str, attribute: str, group: str) -> Mapping[str, str]:
    """The verdict of the same comparison at every stage."""
    rows = CubeComparison.objects.filter(month=month, offer=offer, attribute=attribute, group=group)
    found = dict(rows.values_list("stage", "verdict"))
    return {stage: found[stage] for stage in STAGES if stage in found}


def attributes_of(month: date) -> list[str]:
    rows = CubeCount.objects.filter(month=month, offer=ANY, channel="", segment="")
    return sorted(set(rows.values_list("attribute", flat=True)))


def denominator(stage: str) -> str:
    return STAGES[STAGES.index(stage) - 1]


def counts_of(row: CubeComparison) -> dict[str, Any]:
    """One stored comparison whole: what was asked, both forms of each figure, and whether the hash still holds."""
    bands = lines.in_force(lines.last_day(row.month))
    again = record.judged_again(row, bands)
    closed: Mapping[str, float | None] = {
        "disparate_impact": again.ratio, "statistical_parity_difference": again.difference,
    }  # fmt: skip
    return {
        "row": row, "again": again, "question": record.question(row),
        "holds": record.query_hash(row) == row.query_hash
        and (again.ratio, again.p, again.shortfall, again.verdict.value)
        == (row.ratio, row.p, row.shortfall, row.verdict),
        "forms": [(name, value, row.aif360.get(name)) for name, value in closed.items()],
        "few": small_groups.few(row.total, row.reference_total, bands),
        "denominator": denominator(row.stage), "words": WORDS[row.stage], "of_words": WORDS[denominator(row.stage)],
        "smallest_shown": small_groups.smallest(bands),
    }  # fmt: skip


def chosen_row(rows: Sequence[dict[str, Any]], group: str) -> CubeComparison | None:
    """The group that the reader asked for, else the worst."""
    stored: list[CubeComparison] = [one["stored"] for one in rows if not one["few"]]
    return next((row for row in stored if row.group == group), stored[0] if stored else None)
