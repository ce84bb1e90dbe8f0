"""The audit of anybody's decisions in a CSV file: which columns mean what, and the same comparisons and verdicts as for
our own; nothing of the file is kept."""

from __future__ import annotations

import io
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairness import counts, metrics, thresholds
from fairness.audit_worker import AuditCell, AuditResult, run_isolated
from fairness.counts import NOT_RECORDED, Comparison, ConfusionCounts, GroupCounts, ReferenceSource
from fairness.score_metrics import standardised_mean_difference
from fairness.thresholds import ComparisonResult

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

MOST_GROUPS: Final = 200
"""Values of one column; more are no groups but names of people."""
FAVOURABLE: Final = ("1", "1.0", "yes", "y", "true", "t", "approved", "accepted", "granted", "favourable", "favorable")
UNFAVOURABLE: Final = (
    "0", "0.0", "no", "n", "false", "f", "denied", "declined", "rejected", "refused", "unfavourable", "unfavorable",
)  # fmt: skip
_SEPARATORS: Final = (",", ";", "\t", "|")
_MISSING: Final = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_OPPOSITE: Final = {">=": "<", "<=": ">", ">": "<=", "<": ">="}


class UnreadableFile(ValueError):
    """The file, or what was said of its columns, cannot be audited; the message names the column or the line."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns mean: "COLUMN", "COLUMN=value" or "COLUMN>=40" for groups; "COLUMN" or "COLUMN=favourable" for
    decision and outcome; "COLUMN" for score and weight."""

    groups: Sequence[str]
    decision: str
    outcome: str = ""
    score: str = ""
    weight: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison with what only a file's other columns can tell; None where a column was not given.

    `smd` is the standardised mean difference of the score: (group - reference) / standard deviation of both.
    """

    result: ComparisonResult
    equal_opportunity_difference: float | None
    average_odds_difference: float | None
    theil_index: float | None
    smd: float | None

    def to_json(self) -> dict[str, Any]:
        """The fields of the command's JSON; no NaN and no infinity."""
        one = self.result
        return {
            "attribute": one.attribute,
            "group": one.group,
            "reference": one.reference,
            "n_group": one.total,
            "n_reference": one.reference_total,
            "favourable_group": one.favourable,
            "favourable_reference": one.reference_favourable,
            "disparate_impact": one.ratio,
            "disparate_impact_interval": list(one.ratio_interval) if one.ratio_interval else None,
            "statistical_parity_difference": one.difference,
            "statistical_parity_interval": list(one.difference_interval) if one.difference_interval else None,
            "p_value": one.p,
            "q_value": one.q,
            "equal_opportunity_difference": self.equal_opportunity_difference,
            "average_odds_difference": self.average_odds_difference,
            "theil_index": self.theil_index,
            "shortfall": one.shortfall,
            "verdict": one.verdict.value,
        }


@dataclass(frozen=True, slots=True)
class FileAudit:
    """`rows` were audited, `left_out` had no decision (or outcome, or weight); `audited` is AIF360's word on each
    comparison, in their order, and None where it was not asked. `notes` say what the reader must know."""

    rows: int
    left_out: int
    compared: tuple[Compared, ...]
    audited: tuple[AuditResult | None, ...] | None
    notes: tuple[str, ...]

    @property
    def largest_difference(self) -> float | None:
        """Between AIF360 and the closed forms; None where it was not asked."""
        if self.audited is None:
            return None
        return max((one.largest_difference for one in self.audited if one), default=0.0)


@dataclass(frozen=True, slots=True)
class _Attribute:
    """One way to group the rows: a name for each (None: not recorded), and the reference."""

    name: str
    groups: NDArray[np.object_]
    reference: str | None


@dataclass(frozen=True, slots=True)
class _Rows:
    """What was read of each row."""

    frame: pd.DataFrame
    decided: Mask
    actual: Mask | None
    score: Floats | None
    weights: Floats | None


def audit(source: str | Path | IO[bytes], columns: Columns, *, oracle: bool = True) -> FileAudit:
    """Audit a CSV file with a header. `oracle` asks AIF360 as well, in a process of its own.

    Raises UnreadableFile, and AuditFailed where AIF360 ends without an answer.
    """
    if not columns.groups:
        raise UnreadableFile("name at least one column of groups")
    frame = _read(source)
    rows, left_out = _rows(frame, columns)
    attributes = [_attribute(rows.frame, text) for text in columns.groups]
    pairs = [pair for one in attributes for pair in _pairs(one, rows)]
    judged = thresholds.judge(pairs)
    confusions = {one.name: _confusions(one, rows) for one in attributes}
    compared = tuple(_compared(result, confusions, attributes, rows) for result in judged)
    audited = _oracle(pairs, confusions) if oracle else None
    return FileAudit(len(rows.frame), left_out, compared, audited, tuple(_notes(rows, left_out, pairs)))


def _read(source: str | Path | IO[bytes]) -> pd.DataFrame:
    """Every column as text; an empty field is missing. Fields are parted by whichever sign the header has most of."""
    try:
        content = Path(source).read_bytes() if isinstance(source, str | Path) else source.read()
        text = content.decode("utf-8-sig")
        header = text.partition("\n")[0]
        sign = max(_SEPARATORS, key=header.count)
        frame = pd.read_csv(io.StringIO(text), dtype=str, sep=sign, skipinitialspace=True, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as fault:
        raise UnreadableFile(f"the file is no CSV with a header, in UTF-8, that can be read: {fault}") from fault
    frame.columns = [str(name).strip() for name in frame.columns]
    if frame.empty:
        raise UnreadableFile("the file has a header and no row")
    return pd.DataFrame({name: _known(frame[name].str.strip()) for name in frame.columns})


def _known(column: pd.Series[str]) -> pd.Series[str]:
    return column.where(~column.isin(_MISSING))


def _rows(frame: pd.DataFrame, columns: Columns) -> tuple[_Rows, int]:
    """The rows that can be audited, and how many cannot."""
    decision, decided = _binary(frame, columns.decision, "decision")
    usable = frame[decision].notna()
    outcome, actual = _binary(frame, columns.outcome, "outcome") if columns.outcome else ("", None)
    usable &= frame[outcome].notna() if outcome else True
    weights = _numbers(frame, columns.weight, "weight") if columns.weight else None
    if weights is not None:
        if (weights < 0).any():
            raise UnreadableFile(f"{columns.weight}: a weight is below zero")
        usable &= ~np.isnan(weights)
    kept = usable.to_numpy(dtype=bool)
    if not kept.any():
        raise UnreadableFile(f"no row has a {decision}")
    score = _numbers(frame, columns.score, "score") if columns.score else None
    return _Rows(
        frame[kept], decided[kept], None if actual is None else actual[kept], None if score is None else score[kept],
        None if weights is None else weights[kept],
    ), int((~kept).sum())  # fmt: skip


def _column(frame: pd.DataFrame, name: str) -> str:
    if name not in frame.columns:
        raise UnreadableFile(f"there is no column {name!r}; the file has {', '.join(map(str, frame.columns))}")
    return name


def _binary(frame: pd.DataFrame, text: str, what: str) -> tuple[str, Mask]:
    """The column, and for whom it is favourable: the named value, or what its two values commonly mean."""
    name, _, value = (text, "", "") if text in frame.columns else text.partition("=")
    values = frame[_column(frame, name.strip())]
    known = [str(one) for one in values.dropna().unique()]
    if value.strip():
        wanted = value.strip()
        if not any(_same(one, wanted) for one in known):
            raise UnreadableFile(f"{what}: no row has {name}={wanted}; its values are {', '.join(known[:8])}")
        return name.strip(), np.array([isinstance(one, str) and _same(one, wanted) for one in values], dtype=bool)
    odd = [one for one in known if one.lower() not in (*FAVOURABLE, *UNFAVOURABLE)]
    if odd:
        raise UnreadableFile(
            f"{what}: say which value of {name} is favourable, as {name}={known[0]}; its values are "
            f"{', '.join(known[:8])}"
        )
    return name.strip(), np.array([isinstance(one, str) and one.lower() in FAVOURABLE for one in values], dtype=bool)


def _same(left: str, right: str) -> bool:
    """Equal as texts, or as numbers: "1" is "1.0"."""
    if left == right:
        return True
    try:
        return float(left) == float(right)
    except ValueError:
        return False


def _numbers(frame: pd.DataFrame, name: str, what: str) -> Floats:
    values = frame[_column(frame, name.strip())]
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    odd = values[np.isnan(numbers) & values.notna().to_numpy()]
    if len(odd) or np.isinf(numbers).any():
        raise UnreadableFile(f"{what}: {name} holds {odd.iloc[0] if len(odd) else 'infinity'}, which is no number")
    return numbers


def _attribute(frame: pd.DataFrame, text: str) -> _Attribute:
    """ "COLUMN", "COLUMN=reference" or "COLUMN>=40", whose named side is the reference."""
    if text in frame.columns:
        return _by_value(frame, text, None)
    found = re.fullmatch(r"(.+?)\s*(>=|<=|>|<|=)\s*(.+)", text)
    if found is None:
        _column(frame, text)
        raise AssertionError("a column that is there has been taken")
    name, sign, value = found.groups()
    if sign == "=":
        return _by_value(frame, _column(frame, name), value)
    ages = _numbers(frame, _column(frame, name), "group")
    try:
        limit = float(value)
    except ValueError:
        raise UnreadableFile(f"group: {value} in {text} is no number") from None
    inside = _COMPARE[sign](ages, limit)
    groups = np.where(inside, f"{name} {sign} {value}", f"{name} {_OPPOSITE[sign]} {value}").astype(object)
    groups[np.isnan(ages)] = None
    return _Attribute(name, groups, f"{name} {sign} {value}")


def _by_value(frame: pd.DataFrame, name: str, reference: str | None) -> _Attribute:
    values = frame[name]
    known = [str(one) for one in values.dropna().unique()]
    if len(known) > MOST_GROUPS:
        raise UnreadableFile(
            f"group: {name} has {len(known):,} values, which are no groups; split a number as {name!r}>=40"
        )
    if reference is not None:
        match = next((one for one in known if _same(one, reference)), None)
        if match is None:
            raise UnreadableFile(f"group: no row has {name}={reference}; its values are {', '.join(known[:8])}")
        reference = match
    return _Attribute(name, values.where(values.notna(), None).to_numpy(dtype=object), reference)


def _pairs(attribute: _Attribute, rows: _Rows) -> list[Comparison]:
    """Each group beside the reference: the one that was named, else the largest recorded one."""
    table = counts.table(attribute.groups, rows.decided, rows.weights)
    table = {name: _people(group, rows) for name, group in table.items()}
    recorded = [name for name in table if name != NOT_RECORDED]
    if not recorded:
        raise UnreadableFile(f"group: no row has a value of {attribute.name}")
    reference = attribute.reference or max(recorded, key=lambda name: table[name].total)
    source: ReferenceSource = "caller" if attribute.reference else "largest group"
    return [
        Comparison(attribute.name, group, table[reference], source)
        for name, group in table.items()
        if name != reference
    ]


def _people(group: GroupCounts, rows: _Rows) -> GroupCounts:
    """Whole people. Whole weights are people counted together; of others, the sums are rounded."""
    if rows.weights is None:
        return group
    total = round(group.total)
    return GroupCounts(group.group, total, min(total, round(group.favourable)))


def _confusions(attribute: _Attribute, rows: _Rows) -> Mapping[str, ConfusionCounts]:
    if rows.actual is None:
        return {}
    return counts.confusion_table(attribute.groups, rows.decided, rows.actual, rows.weights)


def _compared(
    result: ComparisonResult,
    confusions: Mapping[str, Mapping[str, ConfusionCounts]],
    attributes: list[_Attribute],
    rows: _Rows,
) -> Compared:
    of = confusions[result.attribute]
    group, reference = of.get(result.group), of.get(result.reference)
    smd = _smd(next(one for one in attributes if one.name == result.attribute), result, rows)
    if group is None or reference is None:
        return Compared(result, None, None, None, smd)
    return Compared(
        result,
        metrics.equal_opportunity_difference(group, reference),
        metrics.average_odds_difference(group, reference),
        metrics.theil_index(*of.values()),
        smd,
    )


def _smd(attribute: _Attribute, result: ComparisonResult, rows: _Rows) -> float | None:
    """Standardised by the spread of both groups together."""
    if rows.score is None:
        return None
    known = ~np.isnan(rows.score)
    names = np.array([NOT_RECORDED if one is None else one for one in attribute.groups], dtype=object)
    group, reference = (known & (names == name) for name in (result.group, result.reference))
    return standardised_mean_difference(np.nan_to_num(rows.score), group, reference, weights=rows.weights)


def _oracle(
    pairs: Sequence[Comparison], confusions: Mapping[str, Mapping[str, ConfusionCounts]]
) -> tuple[AuditResult | None, ...]:
    """AIF360 on the same counts; None beside a comparison that has an empty side."""
    cells: dict[int, AuditCell] = {}
    for place, pair in enumerate(pairs):
        of = confusions[pair.attribute]
        group, reference = of.get(pair.group.group, pair.group), of.get(pair.reference.group, pair.reference)
        if pair.group.total and pair.reference.total and type(group) is type(reference):
            cells[place] = AuditCell(pair.attribute, group, reference)
    results = dict(zip(cells, run_isolated(list(cells.values())), strict=True)) if cells else {}
    return tuple(results.get(place) for place in range(len(pairs)))


def _notes(rows: _Rows, left_out: int, pairs: Sequence[Comparison]) -> list[str]:
    notes = [
        f"{pair.attribute} is compared with its largest group, {pair.reference.group}"
        for place, pair in enumerate(pairs)
        if pair.reference_chosen_by == "largest group"
        and pair.attribute not in {one.attribute for one in pairs[:place]}
    ]
    if left_out:
        notes.append(f"{left_out:,} rows without a decision, an outcome or a weight are left out")
    if rows.weights is not None and (rows.weights != np.round(rows.weights)).any():
        notes.append("weights are no whole numbers: tests and intervals take their rounded sums for people")
    return notes
