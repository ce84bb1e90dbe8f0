"""The audit of record: AIF360 on weighted contingency cells beside our closed forms, and its scan for groups that
nobody named; nothing else imports AIF360.

AIF360 keeps every data set that it ever saw and puts a handler on the root logger when imported, so callers use
`run_isolated` and `scan_isolated`, which run this module in a process that ends with the audit.
"""

import json
import logging
import math
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Self, SupportsFloat

import numpy as np
import pandas as pd

from fairness import metrics
from fairness.counts import ConfusionCounts, GroupCounts

TIMEOUT_SECONDS: Final = 120.0
_BLOCK: Final = 200
"""Comparisons in one data set of AIF360: building one takes it 3 ms, asking it 0.2 ms."""
_PENALTY: Final = 2.0
"""Points of the score that a scan pays for each value it names: at 2 it names nothing where chance alone is at work."""
_WORDS: Final = {"cells": "comparisons", "scans": "scans"}
_PROJECT: Final = Path(__file__).resolve().parents[1]


class AuditFailed(Exception):
    """The audit process ended without results, or AIF360 and the closed form disagree on what is defined."""


@dataclass(frozen=True, slots=True)
class AuditCell:
    """One comparison to audit: counts of decisions, or of decisions against actual outcomes, for both groups."""

    attribute: str
    unprivileged: GroupCounts | ConfusionCounts
    privileged: GroupCounts | ConfusionCounts

    def __post_init__(self) -> None:
        if type(self.unprivileged) is not type(self.privileged):
            raise ValueError(f"{self.attribute}: one group has actual outcomes and the other has none")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The cell that `dataclasses.asdict` was given."""
        return cls(value["attribute"], _counts(value["unprivileged"]), _counts(value["privileged"]))


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What AIF360 says of one cell, by its method names, beside the closed form; None is undefined."""

    attribute: str
    unprivileged: str
    privileged: str
    metrics: dict[str, float | None]
    closed_form: dict[str, float | None]
    largest_difference: float
    aif360_version: str


@dataclass(frozen=True, slots=True)
class Scan:
    """People to look through: a row for each combination of the values of `columns`, as (values, people, favourable
    people, favourable share that was expected of them)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], int, int, float], ...]


@dataclass(frozen=True, slots=True)
class Subset:
    """Whom a scan came upon: the values of each column that it names, none where it names nobody; and its score."""

    values: dict[str, list[str]]
    score: float


def run_isolated(cells: Sequence[AuditCell], *, timeout: float = TIMEOUT_SECONDS) -> list[AuditResult]:
    """Audit the cells in a process of its own, in their order; `timeout` in seconds, import of AIF360 included.

    Raises AuditFailed on a timeout, a failed process or an unreadable answer.
    """
    return [AuditResult(**result) for result in _isolated("cells", cells, timeout)]


def scan_isolated(scans: Sequence[Scan], *, timeout: float = TIMEOUT_SECONDS) -> list[Subset]:
    """Scan each in a process of its own for the people who fall furthest behind what was expected of them (M17);
    raises as `run_isolated` does."""
    return [Subset(**result) for result in _isolated("scans", scans, timeout)]


def _isolated(kind: str, asked: Sequence[AuditCell] | Sequence[Scan], timeout: float) -> list[dict[str, Any]]:
    """A plain subprocess, because a Celery worker's daemonic process may not start one through multiprocessing."""
    command = [sys.executable, "-m", "fairness.audit_worker", kind]
    question = json.dumps([asdict(one) for one in asked], allow_nan=False)
    try:
        process = subprocess.run(
            command, input=question, capture_output=True, text=True, timeout=timeout, cwd=_PROJECT, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise AuditFailed(f"no result within {timeout:g} s for {len(asked)} {_WORDS[kind]}") from late
    if process.returncode:
        raise AuditFailed(f"audit process ended with {process.returncode}: {_last_line(process.stderr)}")
    try:
        return [dict(result) for result in json.loads(process.stdout)]
    except (ValueError, TypeError) as fault:
        raise AuditFailed(f"audit process gave no readable answer: {process.stdout[:200]!r}") from fault


def audit_cells(cells: Sequence[AuditCell]) -> list[AuditResult]:
    """Audit the cells with AIF360 in this process, in their order. Leaks: for a process that ends soon after.

    Raises AuditFailed where a metric is defined in closed form and AIF360 gives no finite number.
    """
    with _contained():
        import aif360
        from aif360 import datasets
        from aif360 import metrics as theirs

        return [
            _audit(cell, metric, aif360.__version__)
            for _, alike in groupby(cells, lambda cell: isinstance(cell.unprivileged, GroupCounts))
            for block in _blocks(list(alike))
            for cell, metric in zip(block, _metrics(block, datasets, theirs), strict=True)
        ]


def scan(wanted: Sequence[Scan]) -> list[Subset]:
    """Scan with AIF360 in this process. Leaks: for a process that ends soon after."""
    with _contained():
        from aif360.detectors import bias_scan

        return [_scanned(one, bias_scan) for one in wanted]


def _scanned(one: Scan, bias_scan: Callable[..., Any]) -> Subset:
    """AIF360's scan knows no weights: each row is laid out once a person, the favourable ones first."""
    people = np.array([row[1] for row in one.rows], dtype=np.intp)
    values = pd.DataFrame([row[0] for row in one.rows], columns=list(one.columns), dtype=object)
    data = values.loc[values.index.repeat(people)].reset_index(drop=True)
    favourable = np.concatenate([np.arange(row[1]) < row[2] for row in one.rows]).astype(int)
    expected = np.repeat(np.array([row[3] for row in one.rows], dtype=float), people)
    found, score = bias_scan(
        data, pd.Series(favourable), pd.Series(expected), favorable_value=1, overpredicted=True, scoring="Bernoulli",
        num_iters=10, penalty=_PENALTY, mode="binary",
    )  # fmt: skip
    return Subset({name: sorted(map(str, held)) for name, held in sorted(found.items())}, float(score))


def _blocks(cells: Sequence[AuditCell]) -> Iterator[Sequence[AuditCell]]:
    for start in range(0, len(cells), _BLOCK):
        yield cells[start : start + _BLOCK]


def _audit(cell: AuditCell, metric: Any, version: str) -> AuditResult:
    closed = _closed_form(cell)
    found = {name: None if value is None else _finite(name, getattr(metric, name)()) for name, value in closed.items()}
    gaps = [abs(number - (closed[name] or 0.0)) for name, number in found.items() if number is not None]
    return AuditResult(
        attribute=cell.attribute,
        unprivileged=cell.unprivileged.group,
        privileged=cell.privileged.group,
        metrics=found,
        closed_form=closed,
        largest_difference=max(gaps, default=0.0),
        aif360_version=version,
    )


def _closed_form(cell: AuditCell) -> dict[str, float | None]:
    match cell.unprivileged, cell.privileged:
        case GroupCounts() as group, GroupCounts() as reference:
            return {name: metric(group, reference) for name, metric in metrics.DECISION_METRICS.items()}
        case ConfusionCounts() as group, ConfusionCounts() as reference:
            decisions = (group.decisions, reference.decisions)
            of_decisions = {name: metric(*decisions) for name, metric in metrics.DECISION_METRICS.items()}
            return of_decisions | {name: metric(group, reference) for name, metric in metrics.OUTCOME_METRICS.items()}
    raise AssertionError("AuditCell holds two counts of one kind")


def _metrics(cells: Sequence[AuditCell], datasets: ModuleType, theirs: ModuleType) -> Iterator[Any]:
    """AIF360's metric object of each of these cells of one kind: over a data set of all their contingency tables, one
    weighted row for each count, with the groups told apart by the cell as well."""
    rows = [
        (place, side, *row)
        for place, cell in enumerate(cells)
        for side, counts in ((0.0, cell.unprivileged), (1.0, cell.privileged))
        for row in _rows(counts)
    ]
    frame = pd.DataFrame(rows, columns=["cell", "privileged", "decided", "actual", "weight"], dtype=float)
    decided = _dataset(frame, "decided", datasets)
    actual = _dataset(frame, "actual", datasets)
    predicted = actual.copy()
    predicted.labels = decided.labels
    for place, cell in enumerate(cells):
        group, reference = ([{"cell": float(place), "privileged": side}] for side in (0.0, 1.0))
        groups = {"unprivileged_groups": group, "privileged_groups": reference}
        if isinstance(cell.unprivileged, GroupCounts):
            yield theirs.BinaryLabelDatasetMetric(decided, **groups)
        else:
            yield theirs.ClassificationMetric(actual, predicted, **groups)


def _rows(counts: GroupCounts | ConfusionCounts) -> list[tuple[float, float, float]]:
    """(decided, actual, weight); with no actual outcomes the decision stands in for them and is never read."""
    if isinstance(counts, GroupCounts):
        return [(1.0, 1.0, counts.favourable), (0.0, 0.0, counts.unfavourable)]
    return [
        (1.0, 1.0, counts.true_positives),
        (1.0, 0.0, counts.false_positives),
        (0.0, 0.0, counts.true_negatives),
        (0.0, 1.0, counts.false_negatives),
    ]


def _dataset(frame: pd.DataFrame, label: str, datasets: ModuleType) -> Any:
    return datasets.BinaryLabelDataset(
        df=frame[["cell", "privileged", label, "weight"]],
        label_names=[label],
        protected_attribute_names=["cell", "privileged"],
        instance_weights_name="weight",
        favorable_label=1.0,
        unfavorable_label=0.0,
    )


def _finite(name: str, value: SupportsFloat) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise AuditFailed(f"AIF360 gives {number} for {name}, which the closed form defines")
    return number


def _counts(value: Mapping[str, Any]) -> GroupCounts | ConfusionCounts:
    return GroupCounts(**value) if "favourable" in value else ConfusionCounts(**value)


@contextmanager
def _contained() -> Iterator[None]:
    """Keep AIF360's import notices, its root log handler and its warnings from the process around it."""
    root, disabled = logging.getLogger(), logging.root.manager.disable
    handlers = list(root.handlers)
    logging.disable(logging.WARNING)
    try:
        # Divisions by an empty group give nan and inf there; which metrics are undefined is read from the closed form.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        for handler in set(root.handlers) - set(handlers):
            root.removeHandler(handler)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]


def _main() -> None:
    question = json.load(sys.stdin)
    results: Sequence[AuditResult] | Sequence[Subset]
    # A library that prints would spoil the answer.
    with redirect_stdout(sys.stderr):
        if sys.argv[1:] == ["scans"]:
            results = scan([Scan(**one) for one in question])
        else:
            results = audit_cells([AuditCell.from_json(cell) for cell in question])
    json.dump([asdict(result) for result in results], sys.stdout, allow_nan=False)


if __name__ == "__main__":
    _main()
