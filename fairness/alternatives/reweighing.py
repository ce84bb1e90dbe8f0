"""Weights under which acceptance does not depend on a group (Kamiran and Calders 2012, Knowl. Inf. Syst. 33:1): counts
alone. It is the one use of groups in training, off unless a policy pack and a second signature allow it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def weights(groups: NDArray[np.int16], accepted: NDArray[np.bool_], strength: float = 1.0) -> Floats:
    """The weight P(g) P(y) / P(g, y) of each row (n,), moved from 1 by `strength`: 0 leaves all at 1. A group of -1
    (not recorded) is a group like the others."""
    distinct, codes = np.unique(groups, return_inverse=True)
    rows = np.bincount(codes, minlength=len(distinct)).astype(np.float64)
    cells = np.bincount(codes * 2 + accepted, minlength=2 * len(distinct)).astype(np.float64)
    outcomes = np.array([float((~accepted).sum()), float(accepted.sum())])
    expected = np.outer(rows, outcomes).ravel() / len(groups)
    full = (expected / np.where(cells > 0, cells, 1.0))[codes * 2 + accepted]
    return np.asarray(1.0 + strength * (full - 1.0), dtype=np.float64)
