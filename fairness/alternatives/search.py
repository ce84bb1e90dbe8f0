"""Runs a frozen protocol: makes the candidates, measures each out of time on all groups, stores what was found, all at
once. It decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import lightgbm
import numpy as np
import optuna
from django.db import transaction
from django.utils import timezone

from decisioning import retraining
from decisioning.propensity import dataset as propensity_dataset
from decisioning.propensity.scoring import PropensityModel
from decisioning.propensity.training import Example, TooFewExamples
from fairness import dataset
from fairness.alternatives import candidates, pareto, reweighing, rule_thresholds
from fairness.alternatives.candidates import Recipe
from fairness.alternatives.measuring import Panel, as_kept, chosen_of, judged, measure, panel, swap
from fairness.alternatives.protocol import TARGETS, intact, of_period
from fairness.models import Candidate, Search, SearchRun, SearchSignature
from offers import audit

Progress = Callable[[int, int], None]

GROUP_THRESHOLDS: Final = "thresholds by group"
"""Never a candidate to adopt: how much performance parity itself would cost, were the groups looked at."""
_NOTHING: Final = (-1.0, -1.0)  # told to the search of what could not be made or measured


class NotIntact(ValueError):
    """The stored protocol is not the one whose hash was frozen."""


class NotSigned(PermissionError):
    """The protocol uses groups in training, and nobody has signed that yet."""


@dataclass(slots=True)
class Found:
    """One candidate before it is stored. `model` is None where it could not be made, or is none; `today` has the ratios
    of what is in use."""

    generator: str
    parameters: Mapping[str, Any]
    performance: float | None = None
    ratios: Mapping[pareto.GroupKey, float] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    refused: str = ""
    model: PropensityModel | None = None
    at_training: bool = False
    at_decision: bool = False
    today: Mapping[pareto.GroupKey, float] = field(default_factory=dict)

    @property
    def worst(self) -> float | None:
        return pareto.worst_beside(self.today, self.ratios)

    @property
    def point(self) -> pareto.Point | None:
        worst = self.worst
        return None if self.performance is None or worst is None or self.at_decision else (self.performance, worst)


def run(search: Search, now: datetime, progress: Progress | None = None) -> SearchRun:
    """Run it once; the same protocol on the same data finds the same candidates. Raises NotIntact, NotSigned, and what
    reading the data or the rule raises."""
    if not intact(search):
        raise NotIntact(f"the protocol of search {search.pk} is not what was frozen")
    if search.reweighing and not search.signatures.filter(purpose=SearchSignature.Purpose.REWEIGHING).exists():
        raise NotSigned("this search uses groups in training: compliance signs that before it runs")
    if search.kind == Search.Kind.RULE:
        return _store(search, _rule_candidates(search, now), {}, now)
    return _store(search, *_model_candidates(search, now, progress or (lambda done, total: None)), now)


# --- Models --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Data:
    """What candidates are trained on, by target, and what they are measured on. `holdout` is looked at by nobody before
    the memo."""

    training: Mapping[str, Sequence[Example]]
    per_arm: bool
    out_of_time: Panel
    windows: Sequence[Panel]
    holdout: Panel
    groups: Mapping[str, Any]  # codes (rows,) of the training rows; empty where the protocol uses none


def _model_candidates(search: Search, now: datetime, progress: Progress) -> tuple[list[Found], dict[str, Any]]:
    protocol, space = search.protocol, search.protocol["space"]
    data, name = _read(search, now), f"alternative-{search.sha256[:8]}"
    began, total = timezone.now(), 1 + space["trials"]
    first = candidates.today(space)
    found = [_candidate(f"{name}-0", first, first, data, protocol)]
    _compare_with_today(found[0], found)
    made = {repr(first.to_json()): found[0]}
    study = candidates.study(space)
    for number in range(1, total):
        progress(number, total)
        trial = study.ask()
        recipe = candidates.suggest(trial, space)
        key = repr(recipe.to_json())
        if key not in made:
            made[key] = _candidate(f"{name}-{number}", recipe, first, data, protocol)
            _compare_with_today(found[0], [made[key]])
            found.append(made[key])
        study.tell(trial, made[key].point or _NOTHING)
    seconds = (timezone.now() - began).total_seconds()
    _seal(found, data, protocol)
    bounds = _bounds(found[0], data, protocol)
    _compare_with_today(found[0], bounds)
    found += bounds
    return found, {
        "rows": {target: len(rows) for target, rows in data.training.items()},
        "people_out_of_time": len(data.out_of_time.customers), "people_held_out": len(data.holdout.customers),
        "offers_out_of_time": len(data.out_of_time.examples), "proposals": total, "distinct": len(made),
        "seconds": round(seconds, 1), "a_minute": round(60 * total / max(seconds, 0.1), 1),
        "versions": {"lightgbm": lightgbm.__version__, "optuna": optuna.__version__},
    }  # fmt: skip


def _read(search: Search, now: datetime) -> _Data:
    protocol, periods = search.protocol, search.protocol["periods"]
    accepted, per_arm = retraining.examples_of(protocol["source"])
    by_target = {"accepted": accepted}
    for target in protocol["space"]["targets"]:
        if target not in by_target:
            by_target[target] = propensity_dataset.from_decisions(per_arm=per_arm, accepting=TARGETS[target])
    training = {
        target: sorted(of_period(rows, *periods["train"]), key=lambda one: (one.at, str(one.customer), one.row.key))
        for target, rows in by_target.items()
    }
    windows = [of_period(accepted, *window) for window in periods["out_of_time"]]
    groups = protocol["groups"]
    return _Data(
        training, per_arm, panel([one for window in windows for one in window], groups, now),
        [panel(window, groups, now) for window in windows],
        panel(of_period(accepted, *periods["holdout"]), groups, now),
        _training_groups(training["accepted"], now) if search.reweighing else {},
    )  # fmt: skip


def _training_groups(examples: Sequence[Example], now: datetime) -> dict[str, Any]:
    """Codes of the training rows under each attribute; read only where the protocol says so and it is signed."""
    customers, person = np.unique([int(example.customer) for example in examples], return_inverse=True)
    groupings = dataset.groupings(customers.astype(np.int64), now)
    return {name: grouping.codes[person] for name, grouping in groupings.items()}


def _candidate(name: str, recipe: Recipe, first: Recipe, data: _Data, protocol: Mapping[str, Any]) -> Found:
    found = Found(
        "in use today" if recipe == first else candidates.differences(recipe, first), recipe.to_json(),
        at_training=recipe.reweighing > 0,
    )  # fmt: skip
    try:
        weights = _weights(recipe, data) if recipe.reweighing else None
        found.model = candidates.fit(
            name, recipe, data.training, protocol["space"], per_arm=data.per_arm, weights=weights
        )
    except TooFewExamples as fault:
        found.refused = str(fault)
        return found
    measured = measure(found.model, data.out_of_time, protocol)
    found.performance, found.ratios = measured.performance(protocol["metric"]), measured.ratios
    windows = [measure(found.model, window, protocol) for window in data.windows]
    found.figures = {
        **measured.to_json(),
        "windows": [{"auc": one.auc and one.auc.value, "value": one.value and one.value.value, "worst_ratio": one.worst}
                    for one in windows],
        "columns": _strongest_columns(found.model),
    }  # fmt: skip
    return found


def _seal(found: Sequence[Found], data: _Data, protocol: Mapping[str, Any]) -> None:
    """The holdout's figures and the swap set of those that no other beats. They choose nothing and are shown with the
    memo alone, so that the holdout is looked at once."""
    if found[0].model is None:
        return
    today = measure(found[0].model, data.holdout, protocol)
    for one, on_front in zip(found, pareto.non_dominated([one.point for one in found]), strict=True):
        if one.model is not None and (on_front or one is found[0]):
            held = measure(one.model, data.holdout, protocol)
            worst = pareto.worst_beside(today.ratios, held.ratios)
            one.figures["holdout"] = held.to_json() | {"worst_ratio": worst}
            one.figures["swap"] = swap(today.chosen, held.chosen, data.holdout)


def _weights(recipe: Recipe, data: _Data) -> reweighing.Floats:
    """Over all attributes at once: the groups are their combinations."""
    accepted = np.array([example.accepted for example in data.training[recipe.target]], dtype=np.bool_)
    joined = np.zeros(len(accepted), dtype=np.int64)
    for codes in data.groups.values():
        joined = joined * 64 + codes + 1
    _, combined = np.unique(joined, return_inverse=True)
    return reweighing.weights(combined.astype(np.int16), accepted, recipe.reweighing)


def _strongest_columns(model: PropensityModel) -> list[str]:
    gain = model.report["gain"]
    return [name for name in sorted(gain, key=lambda name: (-gain[name], name)) if gain[name] > 0][:5]


def _bounds(today: Found, data: _Data, protocol: Mapping[str, Any]) -> list[Found]:
    """Today's model with a threshold for each group, so that each is chosen at the same rate: how far parity is. Shown
    beside the candidates, and never to be adopted."""
    if today.model is None:
        return []
    of = data.out_of_time
    matrix = today.model.encoder.training_matrix(
        [one.attributes for one in of.examples], [one.row for one in of.examples]
    )
    score, best = today.model.score_matrix(matrix), today.model.score_many(
        of.attributes, today.model.prepare(of.offers)).max(axis=1)  # fmt: skip
    bounds = []
    for name, grouping in of.groupings.items():
        chosen = np.zeros(len(best), dtype=np.bool_)
        for code in np.unique(grouping.codes).tolist():
            members = np.flatnonzero(grouping.codes == code)
            chosen[members] = chosen_of(best[members], of.customers[members], protocol["offer_rate"])
        measured = judged(score, of, chosen, protocol)
        bounds.append(
            Found(
                GROUP_THRESHOLDS, {"attribute": name}, measured.performance(protocol["metric"]), measured.ratios,
                measured.to_json(), at_decision=True,
            )
        )  # fmt: skip
    return bounds


# --- Rules ---------------------------------------------------------------------------------------------------------


def _rule_candidates(search: Search, now: datetime) -> list[Found]:
    found = [
        Found(
            "threshold" if at else "in use today", {"threshold": one.threshold}, one.value, one.ratios,
            {"value": [one.value, one.low, one.high], "eligible": one.eligible,
             "comparisons": as_kept(one.comparisons)},
        )
        for at, one in enumerate(rule_thresholds.measure(search.protocol, now))
    ]  # fmt: skip
    _compare_with_today(found[0], found)
    return found


# --- What was found ------------------------------------------------------------------------------------------------


def _compare_with_today(today: Found, found: Sequence[Found]) -> None:
    """Before anything asks for their points."""
    for one in found:
        if one.refused:
            continue
        one.today = today.ratios
        closer, further = pareto.moved(one.today, one.ratios)
        told = {"closer": closer, "further": further, "missing": pareto.missing(one.today, one.ratios)}
        one.figures |= {name: [list(key) for key in keys] for name, keys in told.items()} | {"worst_ratio": one.worst}


def within(performance: float | None, today: float | None, protocol: Mapping[str, Any]) -> bool:
    """Whether a performance is good enough by the protocol's tolerance: points of AUC, or a share of the value."""
    least = floor(today, protocol)
    return performance is not None and least is not None and performance >= least


def floor(today: float | None, protocol: Mapping[str, Any]) -> float | None:
    """The least performance that is good enough beside what is in use; None where that was not measured."""
    if today is None:
        return None
    return float(today - protocol["tolerance"] * (1.0 if protocol["metric"] == "auc" else abs(today)))


def _store(search: Search, found: Sequence[Found], facts: Mapping[str, Any], now: datetime) -> SearchRun:
    best = pareto.non_dominated([one.point for one in found])
    first = found[0]
    with transaction.atomic():
        stored = SearchRun.objects.create(search=search, started_at=now, ended_at=timezone.now(), facts=dict(facts))
        Candidate.objects.bulk_create(
            Candidate(
                run=stored, number=number, generator=one.generator, parameters=dict(one.parameters),
                performance=one.performance, worst_ratio=one.worst,
                figures={**one.figures, "within": within(one.performance, first.performance, search.protocol)},
                refused=one.refused, pareto=on_front, uses_group_at_training=one.at_training,
                uses_group_at_decision=one.at_decision, model_sha256=one.model.sha256 if one.model else "",
                content=one.model.to_bytes() if one.model and on_front and number else None,
            )
            for number, (one, on_front) in enumerate(zip(found, best, strict=True))
        )  # fmt: skip
        audit.record(
            actor="candor", action="alternatives.searched", subject=f"search {search.pk}",
            detail={"sha256": search.sha256, "candidates": len(found), "not_dominated": sum(best)}, now=now,
        )  # fmt: skip
    return stored
