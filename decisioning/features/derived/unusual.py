"""Unusual activity: an isolation forest on behaviour. It holds back marketing for a while and says nothing else of a
customer: it is no finding of fraud, no ground for a refusal, and the register lets only rules use it.

A forest is kept as what it was fitted on, some thousand rows of behaviour without a customer's key, and is fitted again
from them wherever it is needed: the same rows and seed give the same forest, and nothing that came from a database is
ever unpickled. Another release of scikit-learn may grow its trees differently: fit a new one with it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from decisioning.features.derived.column import Column, Columns, Derived, finite, within

INPUTS: Final = (
    "transactions_24h", "spend_24h", "transactions_30d", "spend_30d", "spend_90d", "spend_share_travel",
    "spend_share_groceries", "spend_share_dining", "spend_share_fuel", "spend_share_online",
)  # fmt: skip
DEFINITION: Final = (
    "Whether an isolation forest finds the spending of the last 24 hours, 30 and 90 days rarer than that of 99 in 100"
    " customers; marketing waits meanwhile, and nothing else follows from it."
)
TREES, SUBSAMPLE = 100, 256  # of Liu, Ting & Zhou, "Isolation Forest", ICDM 2008
SHARE: Final = 0.01  # of the sample that counts as unusual
SAMPLE: Final = 4_096  # customers that a forest is fitted on, at most
FEWEST: Final = 256  # customers with behaviour; fewer say nothing of what is usual

_SHARES = tuple(name for name in INPUTS if name.startswith("spend_share_"))


class TooFewCustomers(ValueError):
    """Too few customers show any behaviour to tell what is usual."""


class UnreadableForest(ValueError):
    """The bytes are no forest."""


@dataclass(frozen=True, slots=True)
class Forest:
    """`rows` (n, features) float32 are the behaviour that it was fitted on; `seed` chose trees and split points."""

    rows: NDArray[np.float32]
    seed: int
    _fitted: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Every page that names an attribute imports this module, and few processes ever fit a forest.
        from sklearn.ensemble import IsolationForest

        fitted = IsolationForest(
            n_estimators=TREES, max_samples=SUBSAMPLE, contamination=SHARE, random_state=self.seed
        ).fit(self.rows)
        object.__setattr__(self, "_fitted", fitted)

    def flags(self, columns: Columns) -> Column:
        """Whether each customer's activity is unusual: 1, 0, or NaN for one of whom no behaviour is known."""
        behaviour = _behaviour(columns)
        flags = np.full(len(behaviour), np.nan)
        known = _known(columns)
        if known.any():
            flags[known] = self._fitted.predict(_filled(behaviour[known])) == -1
        return flags

    def to_bytes(self) -> bytes:
        """The rows and the seed; the same forest gives the same bytes."""
        content = io.BytesIO()
        np.savez(content, rows=self.rows, seed=self.seed)
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Fit it again. Raises UnreadableForest."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                return cls(stored["rows"], int(stored["seed"]))
        except (OSError, ValueError, KeyError, EOFError, TypeError, BadZipFile) as error:
            raise UnreadableForest(f"not a forest: {type(error).__name__}") from None


def fit(columns: Columns, seed: int) -> Forest:
    """A forest of a sample of these customers, which the seed alone chooses. Raises TooFewCustomers."""
    behaviour = _behaviour(columns)[_known(columns)]
    if len(behaviour) < FEWEST:
        raise TooFewCustomers(f"{len(behaviour)} customers with known behaviour, {FEWEST} are needed")
    chosen = np.random.default_rng(seed).permutation(len(behaviour))[:SAMPLE]
    return Forest(_filled(behaviour[np.sort(chosen)]), seed)


@dataclass(frozen=True, slots=True, eq=False)
class Forests:
    """Forests by the moments from which they hold, `since` in epoch seconds and rising."""

    since: tuple[float, ...] = ()
    forests: tuple[Forest, ...] = ()

    def flags(self, moments: Column, columns: Columns) -> Column:
        """Forest.flags by the forest that held at each row's moment (epoch seconds), NaN before the first."""
        flags = np.full(len(moments), np.nan)
        holding = np.searchsorted(self.since, moments, side="right") - 1
        for index, forest in enumerate(self.forests):
            rows = holding == index
            if rows.any():
                flags[rows] = forest.flags({name: columns[name][rows] for name in INPUTS})
        return flags


def declared(forests: Forests) -> Derived:
    """The attribute by these forests; where none held, nobody's activity is known to be unusual or not."""

    def unusual_activity(moment: Column, *values: Column) -> Column:
        return forests.flags(moment, dict(zip(INPUTS, values, strict=True)))

    return Derived("unusual_activity", ("moment", *INPUTS), DEFINITION, unusual_activity)


def _known(columns: Columns) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = np.isfinite(columns["spend_90d"]) & np.isfinite(columns["transactions_30d"])
    return known


def _behaviour(columns: Columns) -> NDArray[np.float64]:
    """Features (n, 12): levels, on a scale where doubling is a step, and the last day and month against the usual."""
    return np.column_stack(list(_features({name: finite(columns[name]) for name in INPUTS})))


def _features(columns: Columns) -> Iterator[Column]:
    counts = {name: np.log1p(np.maximum(columns[name], 0.0)) for name in INPUTS if name not in _SHARES}
    yield from counts.values()
    for name in _SHARES:
        yield within(name, columns[name])
    month = np.maximum(columns["spend_90d"], 0.0) / 3.0
    yield counts["spend_24h"] - np.log1p(month / 30.0)
    yield counts["spend_30d"] - np.log1p(month)


def _filled(behaviour: NDArray[np.float64]) -> NDArray[np.float32]:
    """What is not known stands at 0: no transaction today, no share, no difference from the usual.

    Two decimals: so the kept rows say no more of anybody than a forest needs.
    """
    return np.nan_to_num(behaviour, nan=0.0).round(2).astype(np.float32)
