"""How well a protected group can be told from what a model reads: by each input alone, by all of them together, and by
the score that comes of them; people are not told apart by it, inputs are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray

from decisioning.impact.people import Floats, Mask
from decisioning.propensity.encoding import Column
from fairness import proxies
from fairness.dataset import Grouping
from fairness.thresholds import DEFAULT, Bands
from offers.conditions.vectorise import CategoryColumn, NumberColumn

FOLDS: Final = 5
_TREES: Final[dict[str, Any]] = {
    "objective": "binary", "num_leaves": 7, "learning_rate": 0.1, "min_data_in_leaf": 20, "verbosity": -1, "seed": 0,
    "deterministic": True, "force_row_wise": True, "num_threads": 1,
}  # fmt: skip
_ROUNDS: Final = 60


@dataclass(frozen=True, slots=True)
class Leak:
    """AUCs of telling one group from all others, 0.5 is a coin's: `inputs` by name with the strongest first, `all` from
    all inputs, judged on people it was not fitted on, and `score` from the model's own score."""

    attribute: str
    group: str
    people: int
    inside: int
    inputs: tuple[tuple[str, float], ...]
    all_inputs: float
    score: float

    def red(self, lines: Bands = DEFAULT) -> tuple[str, ...]:
        """The inputs that stand for the group by themselves (R-SCO-3)."""
        return tuple(name for name, auc in self.inputs if auc >= lines.proxy_strong)


def screen(
    columns: Sequence[Column], matrix: Floats, score: Floats, attribute: str, grouping: Grouping
) -> Iterator[Leak]:
    """Each group of one protected attribute that enough people belong to, against all others with a recorded one.
    `matrix` (n, inputs) and `score` (n,) are of the same people as the grouping."""
    recorded = grouping.codes >= 0
    for code, name in enumerate(grouping.names):
        member = grouping.codes[recorded] == code
        inside = int(member.sum())
        if min(inside, len(member) - inside) >= proxies.LEAST:
            rows, scores = matrix[recorded], score[recorded]
            alone = [(column.name, _alone(column, rows[:, at], member)) for at, column in enumerate(columns)]
            categorical = [at for at, column in enumerate(columns) if column.kind == "category"]
            yield Leak(
                attribute, name, len(member), inside, tuple(sorted(alone, key=lambda pair: (-pair[1], pair[0]))),
                together(rows, member, categorical), proxies.auc(scores, member),
            )  # fmt: skip


def together(matrix: Floats, member: Mask, categorical: Sequence[int]) -> float:
    """AUC from all inputs: trees fitted on four fifths of the people say of the last fifth, in turn."""
    fold = np.random.default_rng(0).permutation(len(matrix)) % FOLDS
    said = np.empty(len(matrix))
    for held in range(FOLDS):
        learned = lightgbm.Dataset(
            matrix[fold != held], member[fold != held].astype(np.float64), categorical_feature=list(categorical)
        )
        grown = lightgbm.train(_TREES, learned, _ROUNDS)
        said[fold == held] = np.asarray(grown.predict(matrix[fold == held]), dtype=np.float64)
    return proxies.auc(said, member)


def _alone(column: Column, values: Floats, member: Mask) -> float:
    """Missing is a value of its own here: that a bank does not know something may tell of a group as well."""
    everybody = np.ones(len(member), dtype=bool)
    if column.kind == "category":
        codes: NDArray[np.int64] = np.where(np.isnan(values), len(column.vocabulary), values).astype(np.int64)
        return proxies.auc(
            proxies.scores(CategoryColumn(codes, (*column.vocabulary, "")), member, everybody)[0], member
        )
    known = ~np.isnan(values)
    if not known.any():
        return 0.5
    number = proxies.scores(NumberColumn(values), member, everybody)[0]
    best = 0.5 if known.all() else proxies.auc(known.astype(np.float64), member)
    inside = int(member[known].sum())
    if min(inside, int(known.sum()) - inside) < proxies.LEAST:
        return best
    return max(best, proxies.auc(number[known], member[known]))
