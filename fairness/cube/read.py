"""Read the cube: the counts of one month and cut by group and stage, and what they amount to; nothing is counted anew,
and nothing is known of a person here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from fairness import thresholds
from fairness.counts import Comparison, GroupCounts, comparisons
from fairness.cube import lines
from fairness.cube.rollup import ANY, BOTH
from fairness.cube.stages import AUDITED, STAGES
from fairness.models import CubeCount
from fairness.thresholds import Bands, ComparisonResult


@dataclass(frozen=True, slots=True)
class Cell:
    """One group at one stage: of `total` people who reached the stage before, `favourable` reached this one. `exposure`
    is the sum of the expected exposures of the whole group, the same at each stage."""

    month: date
    offer: str
    channel: str
    segment: str
    attribute: str
    group: str
    stage: str
    total: int
    favourable: int
    exposure: float

    @property
    def counts(self) -> GroupCounts:
        return GroupCounts(self.group, self.total, self.favourable)


def months() -> list[date]:
    """Every month that was counted, the newest first."""
    return list(CubeCount.objects.order_by("-month").values_list("month", flat=True).distinct())


def cells(
    *,
    month: date,
    stage: str | None = None,
    offer: str | None = ANY,
    channel: str = ANY,
    segment: str = ANY,
    attribute: str | None = None,
) -> list[Cell]:
    """The counts of a month: "" means any offer, all channels, all segments; None every offer, stage or attribute
    (pairs of attributes too). A stage is one of `stages.STAGES`; "considered" has itself as denominator."""
    rows = CubeCount.objects.filter(month=month, channel=channel, segment=segment)
    if offer is not None:
        rows = rows.filter(offer=offer)
    if attribute is not None:
        rows = rows.filter(attribute=attribute)
    wanted = STAGES if stage is None else (stage,)
    return [cell for row in rows.order_by("offer", "attribute") for cell in cells_of(row, wanted)]


def cells_of(row: CubeCount, wanted: Sequence[str] = STAGES) -> list[Cell]:
    """The cells of one stored row, stage by stage."""
    width = len(row.groups)
    found = []
    for stage in wanted:
        at = STAGES.index(stage)
        here = row.reached[at * width : (at + 1) * width]
        before = row.reached[(at - 1) * width : at * width] if at else here
        found += [
            Cell(row.month, row.offer, row.channel, row.segment, row.attribute, group, stage, total, reached, exposed)
            for group, total, reached, exposed in zip(row.groups, before, here, row.exposure, strict=True)
        ]
    return found


def pairs(found: Iterable[Cell], references: Mapping[str, str]) -> list[tuple[Cell, Comparison]]:
    """Each group beside its reference, with its cell; the reference of a pair of attributes is the pair of theirs."""
    tables: dict[tuple[str, str, str], dict[str, Cell]] = defaultdict(dict)
    for cell in found:
        tables[cell.stage, cell.offer, cell.attribute][cell.group] = cell
    return [
        (table[pair.group.group], pair)
        for (_, _, attribute), table in tables.items()
        for pair in comparisons(
            attribute, {name: cell.counts for name, cell in table.items()}, None, _with_pair(attribute, references)
        )
    ]


def compared(
    *,
    month: date,
    stage: str | None = None,
    offer: str | None = ANY,
    channel: str = ANY,
    segment: str = ANY,
    attribute: str | None = None,
    bands: Bands | None = None,
) -> list[tuple[str, ComparisonResult]]:
    """The comparisons of a cut, each with its stage; those of one stage are one family of q values, whatever part of it
    is asked for. Judged at the lines in force in that month, unless the caller names others."""
    judged_at = bands or lines.in_force(lines.last_day(month))
    wanted = AUDITED if stage is None else (stage,)
    found: list[tuple[str, ComparisonResult]] = []
    for one in wanted:
        family = pairs(
            cells(month=month, stage=one, offer=None, channel=channel, segment=segment), judged_at.references
        )
        judged = thresholds.judge([pair for _, pair in family], judged_at)
        found += [
            (one, result)
            for (cell, _), result in zip(family, judged, strict=True)
            if offer in (None, cell.offer) and attribute in (None, cell.attribute)
        ]
    return found


def _with_pair(attribute: str, references: Mapping[str, str]) -> Mapping[str, str]:
    names = attribute.split(BOTH)
    if len(names) == 1 or any(name not in references for name in names):
        return references
    return {**references, attribute: BOTH.join(references[name] for name in names)}
