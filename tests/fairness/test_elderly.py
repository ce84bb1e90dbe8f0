"""T-LEG-04: where a pack lets a score read age, nobody of 62 or more would score higher for being younger."""

import lightgbm
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fairness import elderly
from fairness.elderly import Floats

AGE = 1
people = arrays(np.float64, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(0, 1)).map(
    lambda drawn: np.column_stack([drawn[:, 0], 18 + np.rint(drawn[:, 1] * 80), drawn[:, 2]])
)


def by_age(curve: Floats, rows: Floats) -> Floats:
    """A score of age (by `curve`, a value a year) and of the other inputs."""
    years: Floats = curve[rows[:, AGE].astype(int)]
    return years + rows[:, 0] * rows[:, 2]


@given(people, arrays(np.float64, 120, elements=st.floats(-5, 5)))
def test_the_test_finds_exactly_who_would_score_higher_when_younger(rows: Floats, curve: Floats) -> None:
    found = elderly.test(lambda given: by_age(curve, given), rows, AGE)
    best = curve[18:62].max()
    old = rows[:, AGE] >= 62
    raised = best - curve[rows[old, AGE].astype(int)] > 1e-9
    assert found.tested == old.sum()
    assert abs(found.raised - raised.sum()) <= (np.abs(best - curve[rows[old, AGE].astype(int)]) <= 1e-9).sum()
    if found.at_age is not None:
        assert curve[found.at_age] >= best - 1e-9


@given(people, arrays(np.float64, 120, elements=st.floats(-5, 5)))
def test_a_score_that_favours_the_elderly_or_ignores_age_passes(rows: Floats, curve: Floats) -> None:
    favouring = curve.copy()
    favouring[62:] = np.maximum(favouring[62:], favouring[18:62].max())
    assert elderly.test(lambda given: by_age(favouring, given), rows, AGE).passed
    assert elderly.test(lambda given: given[:, 0] - given[:, 2], rows, AGE).passed


def test_trees_that_learned_that_age_counts_against_somebody_are_caught() -> None:
    random = np.random.default_rng(4)
    rows = np.column_stack([random.random(4000), random.integers(18, 95, 4000), random.random(4000)]).astype(float)
    accepted = random.random(4000) < np.where(rows[:, AGE] > 65, 0.2, 0.6)
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": 0}
    trees = lightgbm.train(settings, lightgbm.Dataset(rows, accepted.astype(float)), 20)
    found = elderly.test(lambda given: np.asarray(trees.predict(given, raw_score=True)), rows, AGE)
    assert found.raised > 0.9 * found.tested
    assert found.at_age is not None
    assert found.at_age < 62
    kept = lightgbm.train(
        {**settings, "monotone_constraints": [0, 1, 0]}, lightgbm.Dataset(rows, accepted.astype(float)), 20
    )
    assert elderly.test(lambda given: np.asarray(kept.predict(given, raw_score=True)), rows, AGE).passed
