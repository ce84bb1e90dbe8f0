"""Made-up months: customers, their groups, scores and answers as arrays, with what is planted in them."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from fairness.dataset import Grouping
from fairness.scores.month import Mask, Month

OFFERS = ("travel-plus", "cash-basic")


def month(size: int, *, seed: int = 3, underrated: float = 0.0, passed_over: float = 0.0) -> tuple[Month, Grouping]:
    """`size` customers of whom two in five are female: `underrated` lowers the log-odds of their scores below what they
    would accept, `passed_over` those of being given the offer at the same score."""
    random = np.random.default_rng(seed)
    female = random.random(size) < 0.4
    keen = random.normal(-0.4, 1.0, (size, len(OFFERS)))
    score = expit(keen - underrated * female[:, None])
    chosen: Mask = random.random((size, len(OFFERS))) < expit(keen - passed_over * female[:, None])
    accepted: Mask = chosen & (random.random((size, len(OFFERS))) < expit(keen))
    held = Month(
        np.arange(size), OFFERS, score, chosen, np.where(chosen, score, np.nan), accepted,
        np.where(random.random(size) < 0.5, "670_739", "740_plus"), (("US", "NJ"),) * size,
        random.integers(1, 4, size),
    )  # fmt: skip
    return held, Grouping((~female).astype(np.int16), ("female", "male"))
