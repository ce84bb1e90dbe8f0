"""Entropies and differential fairness against AIF360 on rows, which is all that it knows of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairness import metrics
from fairness.audit_worker import _contained  # AIF360 prints and warns when imported
from fairness.counts import ConfusionCounts, GroupCounts

with _contained():
    from aif360.datasets import BinaryLabelDataset
    from aif360.metrics import BinaryLabelDatasetMetric, ClassificationMetric


def _dataset(frame: pd.DataFrame, label: str, protected: list[str]) -> BinaryLabelDataset:
    return BinaryLabelDataset(df=frame[[*protected, label]].rename(columns={label: "y"}), label_names=["y"],
                              protected_attribute_names=protected)  # fmt: skip


def _counts(frame: pd.DataFrame, name: str) -> ConfusionCounts:
    cells = [((frame.decided == d) & (frame.actual == a)).sum() for d, a in ((1, 1), (1, 0), (0, 0), (0, 1))]
    return ConfusionCounts(name, *(int(cell) for cell in cells))


def test_generalised_entropy_and_its_part_between_groups_are_aif360s_on_rows() -> None:
    random = np.random.default_rng(9)
    for _ in range(25):
        frame = pd.DataFrame(random.integers(0, 2, (random.integers(20, 300), 3)).astype(float),
                             columns=["sex", "actual", "decided"])  # fmt: skip
        theirs = ClassificationMetric(
            _dataset(frame, "actual", ["sex"]), _dataset(frame, "decided", ["sex"]),
            unprivileged_groups=[{"sex": 0.0}], privileged_groups=[{"sex": 1.0}],
        )  # fmt: skip
        groups = [_counts(frame[frame.sex == sex], str(sex)) for sex in (0, 1)]
        assert metrics.theil_index(*groups) == pytest.approx(theirs.theil_index(), abs=1e-12)
        for alpha in (1, 2, 3):
            ours = metrics.generalized_entropy_index(*groups, alpha=alpha)
            assert ours == pytest.approx(theirs.generalized_entropy_index(alpha=alpha), abs=1e-12)
        between = theirs.between_group_theil_index()
        assert metrics.between_group_theil_index(*groups) == pytest.approx(between, abs=1e-12)


def test_smoothed_differential_fairness_is_aif360s_on_rows() -> None:
    """M16."""
    random = np.random.default_rng(10)
    for _ in range(25):
        frame = pd.DataFrame(random.integers(0, 2, (200, 3)).astype(float), columns=["sex", "age", "decided"])
        theirs = BinaryLabelDatasetMetric(
            _dataset(frame, "decided", ["sex", "age"])
        ).smoothed_empirical_differential_fairness()
        cells = [
            GroupCounts(str(key), len(part), int(part.decided.sum())) for key, part in frame.groupby(["sex", "age"])
        ]
        assert metrics.smoothed_differential_fairness(cells) == pytest.approx(theirs, abs=1e-12)


def test_entropies_of_nobody_or_of_order_zero_have_no_value() -> None:
    assert metrics.generalized_entropy_index(ConfusionCounts("a", 0, 0, 0, 0)) is None
    assert metrics.between_group_theil_index(ConfusionCounts("a", 0, 0, 0, 5)) is None
    assert metrics.smoothed_differential_fairness([GroupCounts("a", 5, 1), GroupCounts("b", 0, 0)]) is None
    with pytest.raises(ValueError, match="order 0"):
        metrics.generalized_entropy_index(ConfusionCounts("a", 1, 1, 1, 1), alpha=0)
