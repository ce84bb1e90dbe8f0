"""The plain baseline of the backtest: one LightGBM over arms with fixed settings; never tuned, never served."""

from __future__ import annotations

import lightgbm
import numpy as np

from decisioning.propensity.encoding import Encoder, FloatArray
from decisioning.propensity.training import REPRODUCIBLE

ROUNDS = 150


def fit_plain(encoder: Encoder, matrix: FloatArray, accepted: FloatArray, *, seed: int) -> lightgbm.Booster:
    """Learning rate 0.03, 7 leaves, 150 rounds on the rows as they are, without calibration."""
    settings = {**REPRODUCIBLE, "objective": "binary", "learning_rate": 0.03, "num_leaves": 7, "seed": seed}
    rows = lightgbm.Dataset(matrix, accepted, categorical_feature=encoder.categorical, feature_name=list(encoder.names))
    return lightgbm.train(settings, rows, ROUNDS)


def plain_scores(booster: lightgbm.Booster, matrix: FloatArray) -> FloatArray:
    """P(accept) of each row, shape (N,)."""
    return np.asarray(booster.predict(matrix, num_threads=1), dtype=np.float64)
