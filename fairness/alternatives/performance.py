"""What a candidate's choice brings the bank, with its uncertainty, and how each figure of performance is found; arrays
in, numbers out, no group."""

from __future__ import annotations

from math import sqrt
from typing import Final

from fairness.intervals import Z_95
from fairness.score_metrics import Floats, Measured

METHODS: Final = {
    "auc": "area under the ROC curve over the offers that were shown; interval of DeLong, DeLong and Clarke-Pearson "
    "(Biometrics 1988;44:837)",
    "value": "value to the bank of what the people ranked highest accepted, for a thousand people; interval from the "
    "spread between people",
}


def per_thousand(each: Floats) -> Measured | None:
    """The mean of what each person (m,) brings, for a thousand people; None where there is nobody."""
    if not len(each):
        return None
    mean, error = float(each.mean()), sqrt((float(each.var(ddof=1)) if len(each) > 1 else 0.0) / len(each))
    return Measured(1000 * mean, 1000 * (mean - Z_95 * error), 1000 * (mean + Z_95 * error))
