"""What a search found, for whoever takes it along: the order of its candidates, what is said of each, and its table as
CSV; counts and shares, no person."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from django.utils import timezone

from fairness import small_groups
from fairness.explanations import wording
from fairness.governance.examiner.archive import cell
from fairness.models import Candidate, Search
from offers import packs
from offers.types import Bands

TOP: Final = 20
_COLUMNS: Final = (
    "number", "generator", "parameters", "performance", "performance_low", "performance_high", "worst_ratio", "within",
    "pareto", "uses_group_at_training", "uses_group_at_decision", "closer", "further", "refused", "model_sha256",
)  # fmt: skip


def in_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """What is in use first, then what no other beats, then the rest by how close to parity they are."""
    return sorted(
        candidates,
        key=lambda one: (
            one.number != 0, one.uses_group_at_decision, not one.pareto, not one.figures.get("within", False),
            -(one.worst_ratio or 0.0), one.number,
        ),
    )  # fmt: skip


def comparisons(one: Candidate, bands: Bands) -> list[dict[str, Any]]:
    """Its comparisons as they may be shown: those of too few people are `few`, with their names and verdict alone,
    whatever was stored of them."""
    return [_as_shown(row, bands) for row in one.figures.get("comparisons", ())]


def _as_shown(row: Mapping[str, Any], bands: Bands) -> dict[str, Any]:
    if row["total"] is None:  # hidden when it was written
        return {**row, "few": True}
    few = small_groups.few(row["total"], row["reference_total"], bands)
    return {**small_groups.hidden(row, bands), "few": few}


def by_group(one: Candidate, bands: Bands) -> dict[tuple[str, str], dict[str, Any]]:
    """The same by attribute and group, in their order."""
    return {(row["attribute"], row["group"]): row for row in comparisons(one, bands)}


def table(search: Search) -> bytes:
    """Every candidate, with the impact ratio of each group and both ends of its interval, empty where the group is of
    too few people; safe for a spreadsheet."""
    candidates = list(search.run.candidates.defer("content"))
    bands = packs.strictest(packs.live(timezone.now().date())).bands
    groups = list(by_group(candidates[0], bands))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(
        [
            *_COLUMNS,
            *(f"{attribute} {group} {part}" for attribute, group in groups for part in ("ratio", "low", "high")),
        ]
    )
    for one in in_order(candidates):
        values = (*_values(one, search.protocol["metric"]), *_ratios(one, groups, bands))
        writer.writerow([cell(value) for value in values])
    return out.getvalue().encode()


def _values(one: Candidate, metric: str) -> Iterator[Any]:
    ends = one.figures.get(metric) or [None, None, None]
    shown = {
        "performance_low": ends[1], "performance_high": ends[2], "within": one.figures.get("within", False),
        "closer": one.figures.get("closer", []), "further": one.figures.get("further", []),
    }  # fmt: skip
    for name in _COLUMNS:
        yield shown[name] if name in shown else getattr(one, name)


def _ratios(one: Candidate, groups: Sequence[tuple[str, str]], bands: Bands) -> Iterator[float | None]:
    found = by_group(one, bands)
    for key in groups:
        row = found.get(key)
        low, high = (row["ratio_interval"] if row else None) or (None, None)
        yield from (row["ratio"] if row else None, low, high)


def made(one: Candidate) -> list[tuple[str, str]]:
    """How a candidate differs, in words; settings that all have are left to the table of values."""
    told: list[tuple[str, str]] = []
    for name, value in one.parameters.items():
        label = wording.code(name)
        if isinstance(value, Mapping):
            told += [(wording.code(inner), f"{number:.4g}") for inner, number in value.items()]
        elif isinstance(value, list):
            told += [(label, wording.listed([wording.meaning(str(item)) for item in value]))] if value else []
        elif isinstance(value, float):
            told += [(label, f"{value:,.4g}")] if value else []
        elif value not in (None, "", False):
            told.append((label, "yes" if value is True else str(value)))
    return told


def remarks(one: Candidate, bands: Bands) -> list[str]:
    """What a reader must know of a candidate before its figures."""
    said = []
    if one.refused:
        said.append(f"could not be made: {one.refused}")
    if one.uses_group_at_decision:
        said.append("looks at groups when it decides: never adopted")
    if one.uses_group_at_training:
        said.append("uses groups in training")
    if one.pareto:
        said.append("no other is better")
    missing = [group for _, group in one.figures.get("missing", ())]
    if missing:
        said.append(f"chooses nobody of {', '.join(missing)} nor of whom they are compared with: not ranked")
    said += [f"chooses nobody of {reference}, while others are chosen" for reference in _shut_out(one, bands)]
    closer, further = ([group for _, group in one.figures.get(side, ())] for side in ("closer", "further"))
    if closer and further:
        said.append(f"helps {', '.join(closer)} at the cost of {', '.join(further)}")
    return said


def _shut_out(one: Candidate, bands: Bands) -> list[str]:
    """References of whom it chooses nobody while it chooses others."""
    rows = comparisons(one, bands)
    return list(dict.fromkeys(row["reference"] for row in rows if row["reference_favourable"] == 0 < row["favourable"]))
