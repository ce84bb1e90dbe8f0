"""Makes alternatives to a model without any group: other settings, fewer attributes, other targets, windows and seeds,
through the product's own trainer. What it is given holds no protected attribute, and it may not ask for one (an import
contract)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import optuna

from decisioning.propensity.encoding import FloatArray
from decisioning.propensity.scoring import PropensityModel
from decisioning.propensity.training import Example, train

Space = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one candidate is made. `window` is the share of the training rows that is used, the latest; `reweighing` the
    strength at which weights that somebody else computed count, 0 for none."""

    params: Mapping[str, float]
    dropped: tuple[str, ...] = ()
    monotone: bool = False
    target: str = "accepted"
    window: float = 1.0
    seed: int = 7
    reweighing: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"dropped": list(self.dropped)}


def today(space: Space) -> Recipe:
    """The recipe of the model that is in use."""
    return Recipe(dict(space["today"]), seed=space["seed"])


def study(space: Space) -> optuna.Study:
    """A search for the best of two figures at once; the same space gives the same proposals to the same answers."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.NSGAIISampler(seed=space["seed"], population_size=max(4, min(20, space["trials"] // 4)))
    return optuna.create_study(directions=["maximize", "maximize"], sampler=sampler)


def suggest(trial: optuna.Trial, space: Space) -> Recipe:
    params: dict[str, float] = {
        "learning_rate": trial.suggest_float("learning_rate", *space["learning_rate"], log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", *space["min_data_in_leaf"], step=10),
        "lambda_l2": trial.suggest_float("lambda_l2", *space["lambda_l2"]),
        "feature_fraction": trial.suggest_float("feature_fraction", *space["feature_fraction"], step=0.1),
        "num_leaves": _one_of(trial, "num_leaves", space["num_leaves"]),
    }
    return Recipe(
        params,
        tuple(name for name in space["droppable"] if _one_of(trial, f"drop {name}", (False, True))),
        bool(space["monotone"]) and _one_of(trial, "monotone", (False, True)),
        _one_of(trial, "target", space["targets"]),
        _one_of(trial, "window", space["windows"]),
        _one_of(trial, "seed", space["seeds"]),
        _one_of(trial, "reweighing", space["reweighing"]) if space["reweighing"] else 0.0,
    )


def _one_of(trial: optuna.Trial, name: str, choices: Sequence[T]) -> T:
    at = trial.suggest_categorical(name, list(range(len(choices))))
    assert isinstance(at, int)
    return choices[at]


def differences(recipe: Recipe, from_today: Recipe) -> str:
    """The generator that tells a candidate most from what is in use, for the table."""
    if recipe.reweighing:
        return "reweighing"
    for name, label in (("target", "target"), ("dropped", "feature drop"), ("monotone", "monotone"),
                        ("window", "training window")):  # fmt: skip
        if getattr(recipe, name) != getattr(from_today, name):
            return label
    return "hyper-parameters"


def fit(
    name: str,
    recipe: Recipe,
    examples: Mapping[str, Sequence[Example]],
    space: Space,
    *,
    per_arm: bool,
    weights: FloatArray | None = None,
) -> PropensityModel:
    """Train one candidate. `examples` are those of the training period for each target, ordered by time; `weights`
    count all of them. Raises TooFewExamples."""
    rows = examples[recipe.target]
    first = round((1 - recipe.window) * len(rows))
    hidden = frozenset(recipe.dropped)
    kept = [_without(example, hidden) for example in rows[first:]]
    return train(
        name, kept, per_arm=per_arm, seed=recipe.seed, params=recipe.params,
        monotone=space["monotone"] if recipe.monotone else None,
        weights=None if weights is None else weights[first:],
    )  # fmt: skip


def _without(example: Example, hidden: frozenset[str]) -> Example:
    """An attribute that nobody has varies for nobody, and so the trainer gives it no column."""
    if not hidden:
        return example
    return replace(example, attributes={name: v for name, v in example.attributes.items() if name not in hidden})
