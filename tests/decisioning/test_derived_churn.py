"""Churn risk against public data: its coefficients are those that a fit gives, and how well it orders is printed.

`pytest -s tests/decisioning/test_derived_churn.py` shows the figures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from decisioning.features.derived import churn
from tests.exports import needs

CARD_HOLDERS = Path(settings.CANDOR_DATA) / "card_holders"
LEAKS = 2  # the last columns are another model's opinion of the label


def _inputs(holders: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "activity": holders["Total_Ct_Chng_Q4_Q1"].clip(0, churn.MOST_ACTIVITY),
            "log_transactions": np.log1p(holders["Total_Trans_Ct"] / 12),
            "utilisation": holders["Avg_Utilization_Ratio"],
        }
    )


@needs(CARD_HOLDERS)
def test_the_declared_coefficients_are_those_of_a_fit_on_card_holders() -> None:
    holders = pd.read_csv(CARD_HOLDERS / "BankChurners.csv").iloc[:, :-LEAKS]
    inputs, left = _inputs(holders), (holders["Attrition_Flag"] == "Attrited Customer").to_numpy()
    model = LogisticRegression(C=1e6, max_iter=1_000)  # as good as no penalty
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    unseen = roc_auc_score(left, cross_val_predict(model, inputs, left, cv=folds, method="predict_proba")[:, 1])
    fitted = model.fit(inputs, left)
    found = [float(fitted.intercept_[0]), *fitted.coef_[0].tolist()]
    assert list(churn.COEFFICIENTS)[1:] == list(inputs)
    assert np.allclose(found, list(churn.COEFFICIENTS.values()), atol=0.01)

    monthly = holders["Total_Trans_Ct"].to_numpy(dtype=np.float64) / 12
    scores = churn.score(inputs["activity"].to_numpy(), monthly, inputs["utilisation"].to_numpy())
    declared = roc_auc_score(left, scores)
    flagged = scores >= 0.5
    print(
        f"\nchurn on {len(holders):,} card holders, {left.mean():.1%} left: AUC {unseen:.3f} of five folds unseen,"
        f" {declared:.3f} as declared; a score of 0.5 or more: {flagged.mean():.1%} of them, {left[flagged].mean():.0%}"
        f" of whom left"
    )
    assert unseen > 0.83
    assert declared > 0.83


def test_a_customer_by_hand() -> None:
    found = churn.churn_risk(np.array([4.0]), np.array([24.0]), np.array([0.3]))
    z = 5.90 - 3.30 * (4 / 8) - 2.89 * np.log(1 + 8) - 2.15 * 0.3
    assert found[0] == pytest.approx(1 / (1 + np.exp(-z)))


def test_somebody_whose_transactions_ended_is_at_the_highest_risk() -> None:
    ended, active = churn.churn_risk(np.array([0.0, 8.0]), np.array([0.0, 24.0]), np.array([0.0, 0.0])).tolist()
    assert ended > 0.99
    assert active < 0.05


def test_an_unknown_utilisation_counts_as_the_typical_one() -> None:
    unknown, typical = churn.churn_risk(np.full(2, 4.0), np.full(2, 24.0), np.array([np.nan, 0.27])).tolist()
    assert unknown == typical


@given(
    st.lists(st.integers(0, 500), min_size=2, max_size=8, unique=True),
    st.integers(500, 3_000),
    st.floats(0, 1),
)
def test_risk_never_rises_with_activity(last: list[int], quarter: int, utilisation: float) -> None:
    counts = np.array(sorted(last), dtype=np.float64)
    risks = churn.churn_risk(counts, np.full(len(counts), float(quarter)), np.full(len(counts), utilisation))
    assert all(np.diff(risks) <= 0)
