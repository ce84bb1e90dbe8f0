"""Trains the propensity model on logged offers and their outcomes; reads no database and never puts a model live."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import orjson
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from decisioning.propensity.encoding import PAIR_COLUMNS, Column, Encoder, FloatArray, Kind, OfferRow, Source
from decisioning.propensity.reasons import BASELINE, families_of
from decisioning.propensity.scoring import PropensityModel
from offers import register

MINIMUM_POSITIVES = 30
MINIMUM_NEGATIVES = 30
FOLDS = 5
# How large the trees and how many is chosen out of fold: few acceptances want small trees, interactions larger ones.
LEAVES = (3, 7, 15)
MOST_ROUNDS = 300
_CHECKPOINTS = range(20, MOST_ROUNDS + 1, 20)
LARGEST_VOCABULARY = 64

# Acceptance is rare, so a leaf needs many rows before its rate means anything.
PARAMETERS: Mapping[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "min_data_in_leaf": 50,
    "lambda_l2": 5.0,
    "min_data_per_group": 50,
    "cat_smooth": 20.0,
}
# The same data and seed must give the same model, byte for byte. One thread: training shares the machine with serving,
# and LightGBM's threads wait for each other by spinning, which made it ten times slower on two busy cores.
REPRODUCIBLE: Mapping[str, Any] = {"deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1}

_KINDS: Mapping[register.AttributeType, Kind] = {
    "number": "number",
    "integer": "number",
    "boolean": "flag",
    "category": "category",
    "set": "set_size",
}


class TooFewExamples(ValueError):
    """There are not enough acceptances or refusals to train and calibrate on."""


@dataclass(frozen=True, slots=True)
class Example:
    """One logged offer to one customer, with what was known at that moment and whether it was accepted.

    `row.key` is the arm's key where arms were logged. The logged probability is not a weight in training, because the
    offer is an input of the model; off-policy evaluation reads it.
    """

    customer: int | str
    attributes: Mapping[str, Any]
    row: OfferRow
    accepted: bool
    logged_probability: float
    at: datetime | None = None


def train(
    name: str,
    examples: Sequence[Example],
    *,
    per_arm: bool,
    seed: int,
    params: Mapping[str, Any] | None = None,
    monotone: Mapping[str, int] | None = None,
    weights: FloatArray | None = None,
) -> PropensityModel:
    """Choose size and number of trees and calibrate out of fold (by customer), then fit on every row.

    `params` override PARAMETERS; a `num_leaves` among them fixes the size of the trees. `monotone` are columns in which
    the score may only rise (1) or fall (-1). `weights` (rows,) count the rows while trees are grown, not where they are
    calibrated or judged.
    Raises TooFewExamples below MINIMUM_POSITIVES acceptances or MINIMUM_NEGATIVES refusals.
    """
    accepted = np.array([example.accepted for example in examples], dtype=np.float64)
    _check_enough(accepted)
    encoder, matrix = _encode(examples, per_arm)
    settings = {**PARAMETERS, **(params or {}), **REPRODUCIBLE, "seed": seed}
    if monotone:
        settings["monotone_constraints"] = [monotone.get(name, 0) for name in encoder.names]
    folds = _folds([example.customer for example in examples], seed)
    counted = np.ones(len(accepted)) if weights is None else weights
    raw, leaves, rounds = _out_of_fold(settings, encoder, matrix, accepted, counted, folds)
    settings["num_leaves"] = leaves
    calibration = logistic_line(raw, accepted)
    booster = _fit(settings, encoder, matrix, accepted, counted, rounds)
    report = {
        "rows": len(examples),
        "positives": int(accepted.sum()),
        "base_rate": float(accepted.mean()),
        "evaluated": f"out of fold, {FOLDS} folds by customer, calibrated on the other folds",
        **quality(_cross_calibrated(raw, accepted, folds), accepted),
        "rounds": rounds,
        "seed": seed,
        "parameters": settings,
        "columns": list(encoder.names),
        "group_versions": {group: register.GROUPS[group].version for group in encoder.groups},
        "reason_families": families_of(encoder.names),
        "reason_baseline": BASELINE,
        "typical": _typical(encoder, matrix),
        "gain": dict(zip(encoder.names, booster.feature_importance("gain").tolist(), strict=True)),
        "training_sha256": _training_hash(encoder, matrix, accepted, settings, weights),
    }
    return PropensityModel(
        name, encoder, booster.model_to_string(), calibration, float(accepted.mean()), per_arm, report
    )


def quality(probability: FloatArray, accepted: FloatArray) -> dict[str, float]:
    """How well probabilities foretold acceptance: discrimination, and calibration as intercept and slope on log-odds.

    A slope near 1 means that the spread is right, an intercept near 0 that the level is.
    """
    intercept, slope = logistic_line(logit(probability), accepted)
    return {
        "auc": float(roc_auc_score(accepted, probability)),
        "brier": float(brier_score_loss(accepted, probability)),
        "log_loss": float(log_loss(accepted, probability)),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
    }


def logistic_line(raw: FloatArray, accepted: FloatArray) -> tuple[float, float]:
    """The (intercept, slope) of acceptance on log-odds by maximum likelihood (Platt 1999)."""
    if np.ptp(raw) == 0.0:
        return float(logit(accepted.mean()) - raw[0]), 1.0
    fit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(raw[:, None], accepted)
    return float(fit.intercept_[0]), float(fit.coef_[0, 0])


def _check_enough(accepted: FloatArray) -> None:
    positives = int(accepted.sum())
    negatives = len(accepted) - positives
    if positives < MINIMUM_POSITIVES or negatives < MINIMUM_NEGATIVES:
        raise TooFewExamples(
            f"{positives} acceptances and {negatives} refusals; "
            f"training needs at least {MINIMUM_POSITIVES} and {MINIMUM_NEGATIVES}"
        )


def _encode(examples: Sequence[Example], per_arm: bool) -> tuple[Encoder, FloatArray]:
    """The encoder of the columns that vary in the examples, and their matrix."""
    attributes = [example.attributes for example in examples]
    rows = [example.row for example in examples]
    every = Encoder(_candidates(attributes, rows, per_arm))
    matrix = every.training_matrix(attributes, rows)
    kept = [at for at in range(matrix.shape[1]) if _varies(matrix[:, at])]
    return Encoder([every.columns[at] for at in kept]), np.ascontiguousarray(matrix[:, kept])


def _varies(values: FloatArray) -> bool:
    missing = np.isnan(values)
    present = values[~missing]
    return len(present) > 0 and bool(missing.any() or np.ptp(present) > 0)


def _candidates(attributes: Sequence[Mapping[str, Any]], rows: Sequence[OfferRow], per_arm: bool) -> list[Column]:
    """Every column that the register allows a model to have; a name outside the register is never read."""
    columns = [
        _column(declared.name, "customer", declared.type, declared.meaning, declared.choices, attributes)
        for declared in register.attributes(use="model")
    ]
    distinct = list({id(row): row for row in rows}.values())
    sources: list[tuple[Source, list[Mapping[str, Any]]]] = [("offer", [row.offer_facts for row in distinct])]
    if per_arm:
        sources.append(("arm", [row.arm_facts for row in distinct]))
    for source, facts in sources:
        columns += [
            _column(fact.name, source, fact.type, fact.meaning, (), facts) for fact in register.OFFER_FACTS.values()
        ]
    if per_arm:
        columns.append(_column("creative", "arm", "category", "creative", (), sources[1][1]))
    return columns + [Column(name, "pair", "number", label) for name, label in PAIR_COLUMNS.items()]


def _column(
    name: str,
    source: Source,
    kind: register.AttributeType,
    label: str,
    choices: tuple[str, ...],
    known: Sequence[Mapping[str, Any]],
) -> Column:
    vocabulary = choices
    if kind == "category" and not choices:
        counts = Counter(str(facts[name]) for facts in known if facts.get(name) is not None)
        vocabulary = tuple(sorted(sorted(counts, key=lambda value: (-counts[value], value))[:LARGEST_VOCABULARY]))
    return Column(name, source, _KINDS[kind], label, vocabulary)


def _typical(encoder: Encoder, matrix: FloatArray) -> dict[str, float]:
    """What most examples had in each column, encoded: the median of a number, the most frequent of anything else. An
    explanation says of a value whether it is above it."""
    typical = {}
    for column, values in zip(encoder.columns, matrix.T, strict=True):
        present = values[~np.isnan(values)]
        if column.kind in ("number", "set_size"):
            typical[column.name] = float(np.median(present))
        else:
            found, counts = np.unique(present, return_counts=True)
            typical[column.name] = float(found[np.argmax(counts)])
    return typical


def _folds(customers: Sequence[int | str], seed: int) -> npt.NDArray[np.intp]:
    """A fold for each row; all rows of a customer share one, so that no customer is on both sides."""
    distinct, inverse = np.unique(np.array([str(customer) for customer in customers]), return_inverse=True)
    return np.asarray((np.random.default_rng(seed).permutation(len(distinct)) % FOLDS)[inverse], dtype=np.intp)


def _dataset(encoder: Encoder, matrix: FloatArray, accepted: FloatArray, counted: FloatArray) -> lightgbm.Dataset:
    return lightgbm.Dataset(
        matrix, accepted, weight=None if (counted == 1.0).all() else counted,
        categorical_feature=encoder.categorical, feature_name=list(encoder.names),
    )  # fmt: skip


def _fit(
    settings: Mapping[str, Any],
    encoder: Encoder,
    matrix: FloatArray,
    accepted: FloatArray,
    counted: FloatArray,
    rounds: int,
) -> lightgbm.Booster:
    try:
        return lightgbm.train(dict(settings), _dataset(encoder, matrix, accepted, counted), rounds)
    except lightgbm.basic.LightGBMError as error:
        # What it says when no column can be split into two leaves of `min_data_in_leaf` rows.
        raise TooFewExamples(f"no attribute or offer fact varies enough to learn from: {error}") from error


def _out_of_fold(
    settings: Mapping[str, Any],
    encoder: Encoder,
    matrix: FloatArray,
    accepted: FloatArray,
    counted: FloatArray,
    folds: npt.NDArray[np.intp],
) -> tuple[FloatArray, int, int]:
    """Raw scores of each row from a model that did not see its customer, at the (leaves, trees) that foretold best."""
    sizes = (settings["num_leaves"],) if "num_leaves" in settings else LEAVES
    best: tuple[float, FloatArray, int, int] | None = None
    for leaves in sizes:
        paths = _fold_paths({**settings, "num_leaves": leaves}, encoder, matrix, accepted, counted, folds)
        for rounds, raw in zip(_CHECKPOINTS, paths, strict=True):
            loss = float(log_loss(accepted, expit(raw)))
            if best is None or loss < best[0]:
                best = loss, raw, leaves, rounds
    assert best is not None
    return best[1:]


def _fold_paths(
    settings: Mapping[str, Any],
    encoder: Encoder,
    matrix: FloatArray,
    accepted: FloatArray,
    counted: FloatArray,
    folds: npt.NDArray[np.intp],
) -> FloatArray:
    """Held-out raw scores after each of _CHECKPOINTS trees, shape (checkpoints, rows)."""
    raw = np.zeros((len(_CHECKPOINTS), len(accepted)))
    for fold in range(FOLDS):
        held = folds == fold
        booster = _fit(settings, encoder, matrix[~held], accepted[~held], counted[~held], MOST_ROUNDS)
        for at, rounds in enumerate(_CHECKPOINTS):
            scores = booster.predict(matrix[held], raw_score=True, num_iteration=rounds, num_threads=1)
            raw[at, held] = np.asarray(scores, dtype=np.float64)
    return raw


def _cross_calibrated(raw: FloatArray, accepted: FloatArray, folds: npt.NDArray[np.intp]) -> FloatArray:
    """Calibrate each fold on the others, so that the report does not judge the calibration on its own rows."""
    probability = np.empty_like(raw)
    for fold in range(FOLDS):
        held = folds == fold
        intercept, slope = logistic_line(raw[~held], accepted[~held])
        probability[held] = expit(intercept + slope * raw[held])
    return probability


def _training_hash(
    encoder: Encoder,
    matrix: FloatArray,
    accepted: FloatArray,
    settings: Mapping[str, Any],
    weights: FloatArray | None,
) -> str:
    """SHA-256 over everything that determines the model: columns, values, labels and settings."""
    digest = hashlib.sha256(orjson.dumps([encoder.to_json(), dict(settings)], option=orjson.OPT_SORT_KEYS))
    digest.update(np.ascontiguousarray(matrix).tobytes())
    digest.update(accepted.tobytes())
    if weights is not None:
        digest.update(weights.tobytes())
    return digest.hexdigest()
