"""The distribution of one attribute as counts, and the distance of two of them; pure, of columns as rules read them.

The distance is the population stability index, the sum over bins of (p - q) ln(p / q): the relative entropy of either
side with respect to the other, added (Jeffreys' divergence), which scipy has. Missing is a bin of its own, because a
source that falls silent moves a model as much as one that changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr
from scipy.stats import chi2

from offers.conditions.vectorise import CategoryColumn, Column, NumberColumn, SetColumn
from offers.register import RESOLUTION, Attribute, attribute

Reading = Literal["stable", "watch", "shifted", "not enough"]

WATCH, SHIFTED = 0.1, 0.25  # how credit scoring reads the index: a rule of thumb, and no test
EMPTY_SHARE = 1e-4  # of a bin that is empty on one side only: the logarithm of nothing says nothing
MOST_LABELS = 20
NONE = "none"  # of a set: no member

_NUMBERS = ("number", "integer")
_DECILES = np.linspace(0, 1, 11)
# Were both sides drawn from one distribution, the index would exceed this quantile's bound once in twenty times.
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar. `label` is None for values that have no bin of their own and "" for missing ones; `share` is of all bins
    together."""

    label: str | None
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """One attribute over `rows` customers (or decisions, for an attribute of a session; or training rows).

    A number has ascending `edges`: `counts[i]` lies above `edges[i - 1]` and up to `edges[i]`; the first and the last
    bin are outside of what was seen when the edges were set. Anything else has `labels`, one a count, the most frequent
    first; of a set they are its members and "none", so that its counts may add up to more than `rows`. `other` counts
    further values.
    """

    attribute: str
    rows: int
    missing: int
    counts: tuple[int, ...]
    labels: tuple[str, ...] = ()
    other: int = 0
    edges: tuple[float, ...] = ()

    @property
    def coverage(self) -> float:
        """The share of rows with a value."""
        return 1 - self.missing / self.rows if self.rows else 0.0

    @property
    def bins(self) -> tuple[Bin, ...]:
        """Every bin, ready to draw, further values and the missing last: two distributions with the same edges or
        labels have the same bins."""
        labels: list[str | None] = [*(self.labels or _spans(self.edges, _step(attribute(self.attribute))))]
        counts = [*self.counts, self.missing]
        if not self.edges:
            labels.append(None)
            counts.insert(-1, self.other)
        total = sum(counts) or 1
        return tuple(Bin(label, count, count / total) for label, count in zip([*labels, ""], counts, strict=True))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Distribution:
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
        }
        return cls(**plain)


@dataclass(frozen=True, slots=True)
class Drift:
    """How far an attribute is now from what a model was trained on, in the training's bins. `index` is None where there
    are too few rows to tell."""

    attribute: str
    index: float | None
    reading: Reading
    now: Distribution
    training: Distribution


def of(name: str, parts: Sequence[Column]) -> Distribution:
    """The distribution of an attribute, whose column may come in parts, in bins of its own: of tenths, or of the
    commonest labels."""
    if attribute(name).type not in _NUMBERS:
        counts = _label_counts(parts)
        return _labelled(name, parts, counts, tuple(sorted(counts, key=lambda label: (-counts[label], label))))
    values = _numbers(parts)
    return _binned(name, parts, values, _edges(values, _step(attribute(name))))


def like(known: Distribution, parts: Sequence[Column]) -> Distribution:
    """The same in the bins of another distribution of the attribute."""
    if attribute(known.attribute).type not in _NUMBERS:
        return _labelled(known.attribute, parts, _label_counts(parts), known.labels)
    return _binned(known.attribute, parts, _numbers(parts), known.edges)


def compare(now: Distribution, training: Distribution) -> Drift:
    """The index and its reading, of two distributions in the same bins."""
    ours, theirs = _every_bin(now), _every_bin(training)
    if not _tells(ours, theirs, now.rows, training.rows):
        return Drift(now.attribute, None, "not enough", now, training)
    index = stability_index(ours, theirs)
    return Drift(
        now.attribute, index, "stable" if index < WATCH else "watch" if index <= SHIFTED else "shifted", now, training
    )


def stability_index(now: Sequence[int], training: Sequence[int]) -> float:
    """The population stability index of two rows of counts over the same bins, neither of them all zero."""
    p, q = (np.maximum(np.asarray(counts) / np.sum(counts), EMPTY_SHARE) for counts in (now, training))
    return float(np.sum(rel_entr(p, q) + rel_entr(q, p)))


def _tells(now: Sequence[int], training: Sequence[int], now_rows: int, training_rows: int) -> bool:
    """Whether an index of WATCH would mean anything: for equal distributions it is about chi-squared (one degree of
    freedom less than bins) times (1/n + 1/m): Yurdakul and Naranjo, Statistical properties of the population stability
    index, Journal of Risk Model Validation."""
    if not now_rows or not training_rows:
        return False
    used = sum(1 for pair in zip(now, training, strict=True) if any(pair))
    noise = chi2.ppf(_CONFIDENCE, max(used - 1, 1)) * (1 / now_rows + 1 / training_rows)
    return bool(noise < WATCH)


def _every_bin(found: Distribution) -> tuple[int, ...]:
    return (*found.counts, found.other, found.missing)


def _binned(name: str, parts: Sequence[Column], values: NDArray[np.float64], edges: tuple[float, ...]) -> Distribution:
    # The bin of a value is the number of edges below it: it belongs to the bin that ends at it.
    counts = np.bincount(np.searchsorted(np.asarray(edges), values), minlength=len(edges) + 1)
    rows = _rows(parts)
    return Distribution(
        attribute=name,
        rows=rows,
        missing=rows - len(values),
        counts=tuple(counts.tolist()) if edges else (),
        other=0 if edges else len(values),
        edges=edges,
    )


def _edges(values: NDArray[np.float64], step: float) -> tuple[float, ...]:
    """Tenths, fewer where values repeat, with a bin below the least value and one above the greatest."""
    if not len(values):
        return ()
    # A decile that falls between two values is drawn to the lower one, so that every edge is on the attribute's grid.
    tenths = np.unique(np.quantile(values, _DECILES, method="lower"))
    return (round(float(tenths[0]) - step, 6), *map(float, _without_least(tenths, values)))


def _without_least(tenths: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The least value is an edge only where a tenth of all values equal it: a bin of one row would tell nothing."""
    alone = len(tenths) > 1 and np.mean(values == tenths[0]) < 0.1
    return tenths[1:] if alone else tenths


def _labelled(name: str, parts: Sequence[Column], counts: Mapping[str, int], labels: tuple[str, ...]) -> Distribution:
    kept = labels[:MOST_LABELS]
    return Distribution(
        attribute=name,
        rows=_rows(parts),
        missing=sum(_missing(part) for part in parts),
        counts=tuple(counts.get(label, 0) for label in kept),
        labels=kept,
        other=sum(count for label, count in counts.items() if label not in kept),
    )


def _rows(parts: Sequence[Column]) -> int:
    return sum(len(part) for part in parts)


def _missing(column: Column) -> int:
    if isinstance(column, NumberColumn):
        return int(np.isnan(column.values).sum())
    return int((column.codes < 0).sum()) if isinstance(column, CategoryColumn) else int(column.missing.sum())


def _label_counts(parts: Sequence[Column]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for part in parts:
        if isinstance(part, NumberColumn):
            found = {"true": int((part.values == 1).sum()), "false": int((part.values == 0).sum())}
        elif isinstance(part, CategoryColumn):
            known = np.bincount(part.codes[part.codes >= 0], minlength=len(part.vocabulary))
            found = dict(zip(part.vocabulary, known.tolist(), strict=True))
        else:
            found = _member_counts(part)
        counts.update(found)
    return +counts  # without the labels that nobody has


def _member_counts(column: SetColumn) -> dict[str, int]:
    found = {member: int((held & ~column.missing).sum()) for member, held in column.members.items()}
    empty = ~np.logical_or.reduce([column.missing, *column.members.values()])
    return {**found, NONE: int(empty.sum())}


def _numbers(parts: Sequence[Column]) -> NDArray[np.float64]:
    values = np.concatenate([part.values for part in parts if isinstance(part, NumberColumn)] or [np.empty(0)])
    return np.asarray(values[~np.isnan(values)])


def _step(declared: Attribute) -> float:
    """The smallest difference of two values."""
    return 1.0 if declared.type == "integer" else RESOLUTION.get(declared.unit, 1e-4)


def _spans(edges: Sequence[float], step: float) -> list[str]:
    """ "below 300", "300 to 640", "650", "above 850": the values of each bin, both ends included."""
    if not edges:
        return []
    spans = [f"below {_short(edges[0] + step)}"]
    for low, high in pairwise(edges):
        first = low + step
        spans.append(_short(high) if high - first < step / 2 else f"{_short(first)} to {_short(high)}")
    return [*spans, f"above {_short(edges[-1])}"]


def _short(value: float) -> str:
    return f"{round(value, 6):,.10g}"
