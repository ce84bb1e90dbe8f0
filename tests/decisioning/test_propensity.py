"""Propensity: the same bits however a score is asked for, an honest calibration, and clear refusals."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from decisioning.propensity.encoding import Column, ColumnOrder, Encoder, OfferRow
from decisioning.propensity.precision import rounded
from decisioning.propensity.scoring import PropensityModel, UnreadableModel
from decisioning.propensity.training import Example, TooFewExamples, quality, train

OFFERS = (
    OfferRow("travel-gold", "travel-gold", "travel", {"rate": 0.19, "fee": 95.0, "family": "travel"}),
    OfferRow("everyday", "everyday", "cashback", {"rate": 0.21, "fee": 0.0, "family": "cashback"}),
    OfferRow("first", "first", "student", {"rate": 0.25, "family": "student"}),
)
ARMS = tuple(
    OfferRow(f"{row.key}/{mailer}", row.offer, row.family, row.offer_facts, {"mailer": mailer, "creative": mailer})
    for row in OFFERS
    for mailer in ("letter", "postcard")
)


def _customer(draw: np.random.Generator) -> dict[str, Any]:
    known = {
        "utilisation": float(draw.beta(2, 3)),
        "revolving": bool(draw.random() < 0.4),
        "credit_rating": ("low", "medium", "high")[draw.integers(3)],
        "cards_held": frozenset(["a", "b", "c"][: draw.integers(4)]),
        "affinity_travel": float(draw.random()),
        "affinity_cashback": float(draw.random()),
        "cards_viewed": frozenset({"travel-gold"} if draw.random() < 0.3 else ()),
        "gender": "F" if draw.random() < 0.5 else "M",
    }
    return {name: value for name, value in known.items() if draw.random() > 0.1}


def _true_rate(known: dict[str, Any], row: OfferRow) -> float:
    score = -1.5 + 1.5 * known.get(f"affinity_{row.family}", 0.5) - 1.2 * known.get("utilisation", 0.4)
    score += 1.0 if row.offer in known.get("cards_viewed", ()) else 0.0
    score += {"low": 0.8, "medium": 0.0, "high": -0.8}.get(known.get("credit_rating", "medium"), 0.0)
    return float(expit(score + (0.7 if row.arm_facts.get("mailer") == "letter" else 0.0)))


def _examples(count: int, *, rows: tuple[OfferRow, ...] = OFFERS, seed: int = 1) -> list[Example]:
    draw = np.random.default_rng(seed)
    made = []
    for number in range(count):
        known, row = _customer(draw), rows[draw.integers(len(rows))]
        made.append(Example(number // 2, known, row, bool(draw.random() < _true_rate(known, row)), 1 / len(rows)))
    return made


@pytest.fixture(scope="module")
def model() -> PropensityModel:
    return train("propensity-1", _examples(4000), per_arm=False, seed=7)


@pytest.fixture(scope="module")
def customers() -> list[dict[str, Any]]:
    draw = np.random.default_rng(99)
    return [_customer(draw) for _ in range(300)] + [{}]


def test_one_row_a_batch_and_a_reloaded_model_give_the_same_bits(
    model: PropensityModel, customers: list[dict[str, Any]]
) -> None:
    prepared, every = model.prepare(OFFERS), np.arange(len(OFFERS))
    batch = model.score_many(customers, prepared, threads=2)
    again = PropensityModel.from_bytes(model.to_bytes())
    for at, known in enumerate(customers):
        alone = [model.score(known, prepared, np.array([row]))[0] for row in every]
        assert batch[at].tobytes() == np.array(alone).tobytes()
        assert batch[at].tobytes() == again.score(known, again.prepare(OFFERS), every).tobytes()
    assert len(np.unique(batch)) > 300


def test_scores_do_not_depend_on_the_order_or_the_selection_of_offers(
    model: PropensityModel, customers: list[dict[str, Any]]
) -> None:
    prepared = model.prepare(OFFERS)
    forward = model.score(customers[0], prepared, np.array([0, 1, 2]))
    assert model.score(customers[0], prepared, np.array([2, 0])).tolist() == [forward[2], forward[0]]
    assert model.score(customers[0], prepared, np.array([], dtype=np.intp)).shape == (0,)


def test_the_same_examples_and_seed_train_the_same_bytes(model: PropensityModel) -> None:
    again = train("propensity-1", _examples(4000), per_arm=False, seed=7)
    assert again.to_bytes() == model.to_bytes()
    assert again.sha256 == model.sha256
    other = train("propensity-1", _examples(4000, seed=2), per_arm=False, seed=7)
    assert other.report["training_sha256"] != model.report["training_sha256"]


def test_contributions_add_up_to_the_raw_score(model: PropensityModel, customers: list[dict[str, Any]]) -> None:
    prepared, every = model.prepare(OFFERS), np.arange(len(OFFERS))
    for known in customers[:20]:
        contributions = model.contributions(known, prepared, every)
        assert contributions.shape == (3, len(model.encoder.columns) + 1)
        raw = model.raw_scores(known, prepared, every)
        np.testing.assert_allclose(contributions.sum(axis=1), raw, rtol=0, atol=1e-9)
        intercept, slope = model.calibration
        propensity = rounded(expit(intercept + slope * raw))
        np.testing.assert_array_equal(propensity, model.score(known, prepared, every))


def test_probabilities_are_calibrated_on_customers_that_were_not_seen(model: PropensityModel) -> None:
    unseen = _examples(6000, seed=5)
    prepared = model.prepare(OFFERS)
    places = {row.key: at for at, row in enumerate(OFFERS)}
    scores = model.score_many([example.attributes for example in unseen], prepared)
    logged = np.array([scores[at, places[example.row.key]] for at, example in enumerate(unseen)])
    measured = quality(logged, np.array([float(example.accepted) for example in unseen]))
    assert 0.8 < measured["calibration_slope"] < 1.2
    assert measured["auc"] > 0.68
    assert abs(measured["auc"] - model.report["auc"]) < 0.03


def test_a_model_per_arm_tells_creatives_apart_and_one_per_offer_does_not(model: PropensityModel) -> None:
    per_arm = train("arms", _examples(4000, rows=ARMS), per_arm=True, seed=7)
    letter, postcard = per_arm.score({}, per_arm.prepare(ARMS), np.array([0, 1]))
    assert letter > postcard
    whole = model.score({}, model.prepare(ARMS), np.array([0, 1]))
    assert whole[0] == whole[1]


def test_sixty_acceptances_are_enough_and_a_handful_is_refused_in_words() -> None:
    examples = _examples(4000)
    refusals = [example for example in examples if not example.accepted][:800]
    acceptances = [example for example in examples if example.accepted]
    few = train("few", refusals + acceptances[:60], per_arm=False, seed=1)
    assert few.report["positives"] == 60
    assert math.isfinite(few.report["auc"])
    with pytest.raises(TooFewExamples, match="5 acceptances and 800 refusals"):
        train("too-few", refusals + acceptances[:5], per_arm=False, seed=1)


def test_a_name_that_the_register_refuses_or_does_not_know_is_never_a_column() -> None:
    noisy = [
        replace(example, attributes={**example.attributes, "invented": float(at)})
        for at, example in enumerate(_examples(2000))
    ]
    names = train("names", noisy, per_arm=False, seed=1).encoder.names
    assert "affinity_travel" in names
    assert "gender" not in names
    assert "invented" not in names


def test_what_is_missing_or_was_never_seen_is_nan() -> None:
    encoder = Encoder(
        [
            Column("balance", "customer", "number", "balance"),
            Column("owns_home", "customer", "flag", "home"),
            Column("credit_rating", "customer", "category", "rating", ("high", "low")),
            Column("cards_held", "customer", "set_size", "cards"),
        ]
    )
    np.testing.assert_array_equal(encoder.customer_row({}), np.full(4, np.nan))
    known = {"balance": 2, "owns_home": False, "credit_rating": "low", "cards_held": frozenset({"a"})}
    assert encoder.customer_row(known).tolist() == [2.0, 0.0, 1.0, 1.0]
    assert math.isnan(encoder.customer_row({"credit_rating": "unrated"})[2])
    assert Encoder.from_json(encoder.to_json()).columns == encoder.columns


def test_columns_out_of_order_are_refused() -> None:
    with pytest.raises(ColumnOrder):
        Encoder([Column("fee", "offer", "number", "fee"), Column("balance", "customer", "number", "balance")])


def test_training_rows_equal_the_rows_that_scoring_builds(model: PropensityModel) -> None:
    examples = _examples(200, seed=11)
    encoder = model.encoder
    together = encoder.training_matrix([e.attributes for e in examples], [e.row for e in examples])
    static = encoder.static_matrix(OFFERS)
    for at, example in enumerate(examples):
        place = np.array([static.keys.index(example.row.key)])
        np.testing.assert_array_equal(encoder.matrix(example.attributes, static, place)[0], together[at])


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b'{"format": 99}', b'{"name": "x"}'])
def test_bytes_of_something_else_are_refused(content: bytes) -> None:
    with pytest.raises(UnreadableModel):
        PropensityModel.from_bytes(content)
