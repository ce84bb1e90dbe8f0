"""The audit of record of one month: every comparison of every stage judged at the lines in force, AIF360 on the same
counts beside the closed forms, and all of it stored so that each number can be derived again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, cast

from django.db import transaction
from django.db.models import Max

from fairness import audit_worker, intervals, thresholds
from fairness.audit_worker import AuditCell, AuditResult
from fairness.counts import Comparison, GroupCounts, ReferenceSource
from fairness.cube import lines, read, rollup, units
from fairness.cube.read import Cell
from fairness.cube.stages import AUDITED, STAGES
from fairness.dataset import AGE_BAND
from fairness.models import CubeComparison, CubeCount, FairnessAudit
from fairness.thresholds import METHODS, Bands, ComparisonResult, Verdict
from offers import audit as trail
from offers import canonical

SOURCE: Final = "decisions"
_AT_ONCE: Final = 20_000  # comparisons of one audit process
_PATIENCE_EACH: Final = 0.02  # seconds beside the process's own: many times what one takes on a machine at rest
_FORMAT: Final = 2

Judged = tuple[Cell, ComparisonResult]


def refresh(now: datetime, *, nightly: bool = False) -> list[date]:
    """Fill the units and count the months again that changed; every night this month and the one before in any case,
    since what is known of people's groups changes too."""
    months = units.fill(now)
    if nightly:
        held = CubeCount.objects.order_by("-month").values_list("month", flat=True).distinct()[:2]
        months |= set(held)
    for month in sorted(months):
        rollup.rebuild(month, now)
    return sorted(months)


def due() -> list[date]:
    """Months that were counted after their last audit."""
    counted = CubeCount.objects.values("month").annotate(at=Max("computed_at")).order_by("month")
    audits = FairnessAudit.objects.filter(source=SOURCE).values_list("period_from").annotate(at=Max("computed_at"))
    audited = {start.date(): at for start, at in audits}
    return [row["month"] for row in counted if row["month"] not in audited or audited[row["month"]] < row["at"]]


def audit(months: Sequence[date], now: datetime) -> list[FairnessAudit]:
    """Audit each stage of these months and store it in place of each month's last audit, whose heads stay.

    Raises AuditFailed where AIF360 gives no answer; nothing is stored then.
    """
    bands = {month: lines.in_force(lines.last_day(month)) for month in months}
    judged = {month: judge(month, bands[month]) for month in months}
    # Before any transaction, and of all months together: it takes AIF360 seconds to begin.
    checked = _checked([result for stages in judged.values() for rows in stages.values() for _, result in rows])
    answers = iter(list(checked))
    return [head for month in months for head in keep(month, judged[month], answers, bands[month], now)]


def judge(month: date, bands: Bands) -> dict[str, list[Judged]]:
    """Every comparison of each stage, over all channels and segments; those of a stage are one family of q values."""
    return {stage: _judged(month, stage, bands) for stage in AUDITED}


def keep(
    month: date, judged: Mapping[str, Sequence[Judged]], checked: Iterator[AuditResult], bands: Bands, now: datetime
) -> list[FairnessAudit]:
    """Store the comparisons of a month with what AIF360 says of each, in their order, in place of its last ones."""
    with transaction.atomic():
        CubeComparison.objects.filter(month=month).delete()
        return [_store(month, stage, rows, checked, bands, now) for stage, rows in judged.items()]


def _judged(month: date, stage: str, bands: Bands) -> list[Judged]:
    family = read.pairs(read.cells(month=month, stage=stage, offer=None), bands.references)
    results = thresholds.judge([pair for _, pair in family], bands)
    return [(cell, result) for (cell, _), result in zip(family, results, strict=True)]


def _checked(results: Sequence[ComparisonResult]) -> Iterator[AuditResult]:
    """AIF360 on the same counts, in processes of their own."""
    for start in range(0, len(results), _AT_ONCE):
        cells = [cell_of(result) for result in results[start : start + _AT_ONCE]]
        patience = audit_worker.TIMEOUT_SECONDS + _PATIENCE_EACH * len(cells)
        yield from audit_worker.run_isolated(cells, timeout=patience)


def cell_of(result: ComparisonResult) -> AuditCell:
    """What AIF360 is asked of a comparison."""
    group = GroupCounts(result.group, result.total, result.favourable)
    reference = GroupCounts(result.reference, result.reference_total, result.reference_favourable)
    return AuditCell(result.attribute, group, reference)


def _store(
    month: date, stage: str, judged: Sequence[Judged], checked: Iterator[AuditResult], bands: Bands, now: datetime
) -> FairnessAudit:
    found = [(cell, result, next(checked)) for cell, result in judged]
    verdict = thresholds.worst(result.verdict for _, result, _ in found) if found else Verdict.UNDEFINED
    end = datetime.combine(lines.last_day(month) + timedelta(days=1), time(), UTC)
    head = FairnessAudit.objects.create(
        stage=stage, source=SOURCE, period_from=datetime.combine(month, time(), UTC), period_to=min(now, end),
        population=_population(month, stage), verdict=verdict.value, comparisons=[], methods=dict(METHODS),
        computed_at=now,
        largest_difference=max((one.largest_difference for _, _, one in found), default=0.0),
    )  # fmt: skip
    rows = [_row(head, *one, bands) for one in found]
    CubeComparison.objects.bulk_create(rows, batch_size=2000)
    digest = hashlib.sha256("".join(row.query_hash for row in rows).encode()).hexdigest()
    trail.record(
        actor="candor", action="fairness.audited", subject=f"{stage} of {month:%B %Y}",
        detail={"audit": head.pk, "verdict": verdict.value, "population": head.population, "comparisons": len(rows),
                "sha256": digest}, now=now,
    )  # fmt: skip
    return head


def _population(month: date, stage: str) -> int:
    """The people of the denominator, with any offer: the same under each attribute."""
    row = CubeCount.objects.filter(month=month, offer=rollup.ANY, channel="", segment="").order_by("attribute").first()
    return sum(cell.total for cell in read.cells_of(row, [stage])) if row else 0


def _row(
    head: FairnessAudit, cell: Cell, result: ComparisonResult, theirs: AuditResult, bands: Bands
) -> CubeComparison:
    low, high = result.ratio_interval or (None, None)
    row = CubeComparison(
        audit=head, month=cell.month, stage=cell.stage, offer=cell.offer, attribute=cell.attribute, group=cell.group,
        reference=result.reference, reference_chosen_by=result.reference_chosen_by, total=result.total,
        favourable=result.favourable, reference_total=result.reference_total,
        reference_favourable=result.reference_favourable, ratio=result.ratio, ratio_low=low, ratio_high=high,
        p=result.p, q=result.q, family=result.family, shortfall=result.shortfall, needed_n=result.needed_n,
        verdict=result.verdict.value, aif360=theirs.metrics, difference=theirs.largest_difference,
        definition=definition(cell.attribute, bands),
        version=f"cube {_FORMAT}, AIF360 {theirs.aif360_version}",
    )  # fmt: skip
    row.query_hash = query_hash(row)
    return row


def definition(attribute: str, bands: Bands) -> str:
    """Where an attribute comes from and how its groups are cut."""
    if AGE_BAND not in attribute.split(rollup.BOTH):
        return "as recorded in the vault"
    edges = ", ".join(
        f"{band.name}: {band.lower} to {'any age' if band.upper is None else f'below {band.upper}'}"
        for band in bands.age_bands
    )
    return f"completed years at the month's end, from the birth date in the vault; {edges}"[:200]


def question(row: CubeComparison) -> Mapping[str, Any]:
    """All that a stored comparison was derived from, and what was found."""
    return {
        "format": _FORMAT, "month": row.month.isoformat(), "stage": row.stage,
        "of": STAGES[STAGES.index(row.stage) - 1], "offer": row.offer, "channel": "", "segment": "",
        "attribute": row.attribute, "definition": row.definition, "group": row.group, "reference": row.reference,
        "reference_chosen_by": row.reference_chosen_by, "total": row.total, "favourable": row.favourable,
        "reference_total": row.reference_total, "reference_favourable": row.reference_favourable,
        "p": row.p, "q": row.q, "family": row.family, "ratio": row.ratio, "shortfall": row.shortfall,
        "verdict": row.verdict, "methods": row.audit.methods, "version": row.version,
    }  # fmt: skip


def query_hash(row: CubeComparison) -> str:
    return hashlib.sha256(canonical.dumps(question(row))).hexdigest()


def judged_again(row: CubeComparison, bands: Bands) -> ComparisonResult:
    """A stored comparison from its counts, with the q value of its family."""
    pair = Comparison(
        row.attribute,
        GroupCounts(row.group, row.total, row.favourable),
        GroupCounts(row.reference, row.reference_total, row.reference_favourable),
        cast("ReferenceSource", row.reference_chosen_by),
    )
    return thresholds.result(pair, intervals.p_value(pair.group, pair.reference), row.q, row.family, bands)
