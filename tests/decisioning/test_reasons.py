"""Reasons of a score by family: they add up, they are few, they point where they say, and a retraining keeps them
(T-EXP-01 to 04)."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisioning.propensity import reasons
from decisioning.propensity.encoding import PAIR_COLUMNS, OfferRow
from decisioning.propensity.reasons import Reasons
from decisioning.propensity.scoring import PropensityModel
from decisioning.propensity.training import Example, train
from offers.register import ATTRIBUTES, OFFER_FACTS, attributes
from tests.decisioning.test_propensity import OFFERS, _customer, _examples
from tests.exports import MAILING, needs

RETRAINS: Final = 5
INPUTS: Final = [*(row.name for row in attributes(use="model")), *OFFER_FACTS, *PAIR_COLUMNS, "creative"]
VALUES: Final = st.dictionaries(st.sampled_from(INPUTS), st.floats(-3, 3), max_size=len(INPUTS))
BALANCES: Final = {f"balance_q{quarter}": f"Q{quarter} Balance" for quarter in (1, 2, 3, 4)}
INCOME: Final = {"Low": "below_2000", "Medium": "2000_3999", "High": "7000_up"}


@pytest.fixture(scope="module")
def model() -> PropensityModel:
    return train("propensity-1", _examples(4000), per_arm=False, seed=7)


def principal(model: PropensityModel, known: Mapping[str, Any], row: OfferRow) -> tuple[Reasons, float, float]:
    """The reasons of one score, the mean that they start from, and the raw score."""
    prepared, index = model.prepare([row]), np.array([0])
    values = model.contributions(known, prepared, index)[0]
    by_name = dict(zip(model.encoder.names, values[:-1].tolist(), strict=True))
    raw = float(model.raw_scores(known, prepared, index)[0])
    return reasons.principal(reasons.grouped(by_name, model.report["reason_families"])), float(values[-1]), raw


def test_every_input_that_a_model_may_have_belongs_to_one_family() -> None:
    listed = [name for family in reasons.FAMILIES for name in family.inputs]
    assert sorted(listed) == sorted(INPUTS)


def test_a_close_proxy_shares_its_family_with_nothing_else() -> None:
    for family in reasons.FAMILIES:
        classes = {ATTRIBUTES[name].basis_class for name in family.inputs if name in ATTRIBUTES}
        assert "close_proxy" not in classes or classes == {"close_proxy"}


def test_an_input_without_a_family_is_refused_by_name() -> None:
    with pytest.raises(reasons.NoFamily, match="shoe_size"):
        reasons.families_of(["income_band", "shoe_size"])


@given(VALUES)
def test_reasons_add_up_are_ranked_and_never_more_than_four_each_way(values: dict[str, float]) -> None:
    found = reasons.principal(reasons.grouped(values))
    for side in (found.raising, found.lowering):
        sizes = [abs(reason.log_odds) for reason in side]
        assert sizes == sorted(sizes, reverse=True)
        assert len(side) <= reasons.MOST
        assert all(size >= reasons.MINIMUM for size in sizes)
    total = sum(reason.log_odds for reason in (*found.raising, *found.lowering)) + found.rest
    assert total == pytest.approx(sum(values.values()), abs=1e-9)


def test_mean_reasons_and_rest_are_the_raw_score(model: PropensityModel) -> None:
    draw = np.random.default_rng(3)
    for known in [_customer(draw) for _ in range(50)]:
        found, base, raw = principal(model, known, OFFERS[0])
        total = base + found.rest + sum(reason.log_odds for reason in (*found.raising, *found.lowering))
        assert total == pytest.approx(raw, abs=1e-9)


def test_moving_a_reason_to_what_is_typical_moves_the_score_as_it_says(model: PropensityModel) -> None:
    draw, names, typical = np.random.default_rng(5), model.encoder.names, model.report["typical"]
    right: list[bool] = []
    for known in [_customer(draw) for _ in range(200)]:
        row = OFFERS[draw.integers(len(OFFERS))]
        found, _, raw = principal(model, known, row)
        for reason in (*found.raising, *found.lowering):
            moved = model.encoder.matrix(known, model.prepare([row]), np.array([0]))
            moved[0, [names.index(name) for name, _ in reason.inputs]] = [typical[name] for name, _ in reason.inputs]
            after = float(np.asarray(model.booster.predict(moved, raw_score=True, num_threads=1))[0])
            right.append((after < raw) == (reason.log_odds > 0) and after != raw)
    assert len(right) > 200
    assert np.mean(right) >= 0.95


def test_a_retraining_on_resampled_examples_keeps_the_reasons() -> None:
    draw = np.random.default_rng(5)
    assert overlap(_examples(4000), [_customer(draw) for _ in range(100)], OFFERS[0]) >= 0.80


@needs(MAILING)
def test_a_retraining_on_the_public_mailing_keeps_the_reasons() -> None:
    with (MAILING / "card_offers.csv").open() as file:
        rows = list(csv.DictReader(file))
    examples = [_mailed(number, row) for number, row in enumerate(rows)]
    assert overlap(examples, [example.attributes for example in examples[:100]], examples[0].row) >= 0.80


def overlap(examples: Sequence[Example], customers: Sequence[Mapping[str, Any]], row: OfferRow) -> float:
    """How much the families of two of five models have in common, by customer and direction: shared of the longer."""
    found = []
    for seed in range(RETRAINS):
        drawn = np.random.default_rng(seed).integers(0, len(examples), len(examples))
        model = train("resampled", [examples[at] for at in drawn], per_arm=False, seed=7)
        rows = [principal(model, known, row)[0] for known in customers]
        found.append([{reason.family for reason in side} for one in rows for side in (one.raising, one.lowering)])
    return float(
        np.mean(
            [
                len(one & other) / max(len(one), len(other)) if one or other else 1.0
                for first, second in combinations(found, 2)
                for one, other in zip(first, second, strict=True)
            ]
        )
    )


def _mailed(number: int, row: Mapping[str, str]) -> Example:
    known: dict[str, Any] = {
        "income_band": INCOME[row["Income Level"]],
        "credit_rating": row["Credit Rating"].lower(),
        "overdraft_protection": row["Overdraft Protection"] == "Yes",
        "owns_home": row["Own Your Home"] == "Yes",
        "accounts_open": int(row["# Bank Accounts Open"]),
        "cards_held_count": int(row["# Credit Cards Held"]),
        "homes_owned": int(row["# Homes Owned"]),
        "household_size": int(row["Household Size"]),
        **{name: float(row[column]) for name, column in BALANCES.items() if row[column].strip()},
    }
    facts = {"reward": row["Reward"], "mailer": row["Mailer Type"]}
    offer = OfferRow(f"{row['Reward']}/{row['Mailer Type']}", row["Reward"], "cashback", facts)
    return Example(number, known, offer, row["Offer Accepted"] == "Yes", 1.0)
