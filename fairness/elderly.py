"""The elderly test of a score that reads age (12 CFR 1002.6(b)(2)): 62 years or more are never a negative factor. Which
scores may read age at all is a policy pack's to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ELDERLY: Final = 62
YOUNGER: Final = range(18, ELDERLY)
_LAST_BITS: Final = 1e-12


@dataclass(frozen=True, slots=True)
class ElderlyTest:
    """`tested` people of 62 or more; `raised` of them would have scored higher at some age from 18 to 61, the most by
    `largest` (in the score's unit), at `at_age`."""

    tested: int
    raised: int
    largest: float
    at_age: int | None

    @property
    def passed(self) -> bool:
        return self.raised == 0


def test(score: Callable[[Floats], Floats], matrix: Floats, age: int) -> ElderlyTest:
    """Every row of `matrix` (n, inputs) whose column `age` is 62 or more, scored at each age from 18 to 61, all else
    equal. `score` takes rows (m, inputs) and returns one number each (m,), higher being better for the customer."""
    people = matrix[matrix[:, age] >= ELDERLY]
    own, best, ages = score(people), np.full(len(people), -np.inf), np.zeros(len(people), dtype=int)
    for years in YOUNGER:
        younger = people.copy()
        younger[:, age] = years
        scores = score(younger)
        ages = np.where(scores > best, years, ages)
        best = np.maximum(best, scores)
    gain = best - own
    raised = gain > _LAST_BITS
    if not raised.any():
        return ElderlyTest(len(people), 0, 0.0, None)
    worst = int(np.argmax(gain))
    return ElderlyTest(len(people), int(raised.sum()), float(gain[worst]), int(ages[worst]))
