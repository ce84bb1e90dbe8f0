"""A release compiled for speed: arrays and functions computed once per release, model and set of arms; no customer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decisioning.bandit.posterior import ArmPrior, Posterior
from decisioning.bandit.ranking import RankingWeights
from decisioning.draws import arm_counter
from decisioning.propensity.scoring import Prepared, PropensityModel
from offers.conditions.evaluate import FailuresEvaluator, RulesEvaluator, compile_conditions, compile_failures
from offers.types import PRESCREENED, Boost, ContextTerm, Mandate, Offer, Release, Rule

Indices = NDArray[np.intp]
Scopes = Mapping[tuple[str, str], tuple[int, ...]]  # positions of the offers that a scope and a target cover


@dataclass(frozen=True, eq=False)
class Plan:
    """Offers and arms stand in sorted order; `*_of_arm` arrays have one entry per arm. `scoped_*` give, for each rule
    (boost), the offers that it covers."""

    release: Release
    model: PropensityModel | None
    offers: tuple[str, ...]
    position: Mapping[str, int]  # of an offer in `offers`
    arms: tuple[str, ...]
    offer_of_arm: Indices
    row_of_arm: Indices  # the arm's row in `prepared`
    values: NDArray[np.float64]
    base_rates: NDArray[np.float64]
    counters: NDArray[np.int64]
    competes: NDArray[np.bool_]  # False: paused, or a placement's fallback, shown only when nothing else is left
    mandates: Mapping[int, Mandate]  # by position of the competing arm in `arms`
    rules: tuple[Rule, ...]
    rule_offers: tuple[tuple[int, ...], ...]
    failures: FailuresEvaluator  # the rules that a customer does not meet
    boosts: tuple[Boost, ...]
    boost_offers: tuple[Indices, ...]
    boosted: RulesEvaluator
    prepared: Prepared | None
    weights: RankingWeights
    priors: Mapping[str, ArmPrior]
    context: Callable[[Mapping[str, Any]], NDArray[np.float64]]
    reasons: Mapping[str, str]

    @cached_property
    def budgets(self) -> tuple[str, ...]:
        """The arms whose learning is capped a day."""
        return tuple(self.arms[arm] for arm, asked in self.mandates.items() if asked.learning_budget is not None)

    @cached_property
    def _bounded(self) -> dict[tuple[str, str], tuple[int, ...]]:
        return {}

    def bounded(self, channel: str, placement: str) -> tuple[int, ...]:
        """Positions of the offers whose own terms may keep them from such a request: all others are on the channel and
        on the placement, and have no dates. Found once for each pair."""
        asked = channel, placement
        if asked not in self._bounded:
            self._bounded[asked] = tuple(
                index for index, key in enumerate(self.offers) if _may_refuse(self.release.offers[key], *asked)
            )
        return self._bounded[asked]

    @property
    def dimension(self) -> int:
        return 1 + len(self.release.ranking.context)

    def why(self, arm: str) -> str:
        """A sentence from declared reasons: the rules that the offer's customers meet, and the wording that was chosen.
        Contributions are for the explanation: computing them costs more than the decision."""
        return self.reasons[arm]


def _may_refuse(offer: Offer, channel: str, placement: str) -> bool:
    dated = offer.starts_at is not None or offer.ends_at is not None
    return dated or channel not in offer.channels or placement not in offer.placements


def compile_release(release: Release, model: PropensityModel | None) -> Plan:
    """Everything of a release that does not depend on the customer."""
    offers, arms = tuple(sorted(release.offers)), tuple(sorted(release.arms))
    position = {key: index for index, key in enumerate(offers)}
    offer_of_arm = np.array([position[release.arms[arm].offer] for arm in arms], dtype=np.intp)
    rules, boosts = tuple(release.rules.values()), tuple(release.boosts.values())
    fallbacks = {placement.fallback for placement in release.placements.values()}
    competes = [arm not in fallbacks and not release.arms[arm].paused for arm in arms]
    asked = {index: release.arms[arm].mandate for index, arm in enumerate(arms) if competes[index]}
    prepared = model.prepare_release(release) if model else None
    ranking = release.ranking
    scopes = _scopes(release, offers)
    rule_offers = tuple(_covered(scopes, rule) for rule in rules)
    met = Counter(chain.from_iterable(rule_offers))
    return Plan(
        release=release,
        model=model,
        offers=offers,
        position=position,
        arms=arms,
        offer_of_arm=offer_of_arm,
        row_of_arm=np.arange(len(arms)) if model and model.per_arm else offer_of_arm,
        values=np.array([release.offers[release.arms[arm].offer].value for arm in arms], dtype=np.float64),
        base_rates=np.array([release.offers[release.arms[arm].offer].base_rate for arm in arms], dtype=np.float64),
        counters=np.array([arm_counter(arm) for arm in arms], dtype=np.int64),
        competes=np.array(competes, dtype=np.bool_),
        mandates={index: mandate for index, mandate in asked.items() if mandate},
        rules=rules,
        rule_offers=rule_offers,
        failures=compile_failures([rule.when for rule in rules]),
        boosts=boosts,
        boost_offers=tuple(np.array(_covered(scopes, boost), dtype=np.intp) for boost in boosts),
        boosted=compile_conditions([boost.when for boost in boosts]),
        prepared=prepared,
        weights=RankingWeights(
            ranking.propensity_weight, ranking.bandit_weight, ranking.shift_trials, ranking.value_exponent
        ),
        priors={arm.key: ArmPrior(arm.prior_mean, arm.prior_strength) for arm in release.arms.values()},
        context=context_reader(ranking.context),
        reasons={arm: _reason(release, arm, met[position[release.arms[arm].offer]]) for arm in arms},
    )


def _reason(release: Release, arm: str, met: int) -> str:
    offer = release.offers[release.arms[arm].offer]
    creative = release.creatives[release.arms[arm].creative]
    rules = {0: "no eligibility rule applies to it", 1: "its one eligibility rule is met"}.get(
        met, f"all {met} of its eligibility rules are met"
    )
    return f"{offer.name}: {rules}; ranked by expected response and what was learned of the wording {creative.name}."


def _covered(scopes: Scopes, rule: Rule | Boost) -> tuple[int, ...]:
    return scopes.get((rule.scope, "" if rule.scope == "all" else rule.target), ())


def _scopes(release: Release, offers: Sequence[str]) -> Scopes:
    """Positions of the offers that each scope and target covers, as Release.covers says it of one offer: asked for each
    pair of a rule and an offer, thousands of both would keep a release from going live in a second."""
    products: dict[tuple[str, str], list[int]] = {}
    for index, key in enumerate(offers):
        products.setdefault(("product", release.offers[key].product), []).append(index)
    return {
        ("all", ""): tuple(range(len(offers))),
        **{scope: tuple(covered) for scope, covered in products.items()},
        (PRESCREENED, ""): tuple(index for index, key in enumerate(offers) if key in release.prescreened),
        **{("offer", key): (index,) for index, key in enumerate(offers)},
    }


def context_reader(terms: Sequence[ContextTerm]) -> Callable[[Mapping[str, Any]], NDArray[np.float64]]:
    """From attributes to the bandit's context (1 + terms,): the constant 1, then each term; a missing value gives 0."""

    def read(attributes: Mapping[str, Any]) -> NDArray[np.float64]:
        vector = np.zeros(1 + len(terms))
        vector[0] = 1.0
        for index, term in enumerate(terms, start=1):
            value = attributes.get(term.attribute)
            if value is None:
                continue
            if term.equals is not None:
                vector[index] = 1.0 if value == term.equals else 0.0
            else:
                # Beyond three scales a value says no more: one odd customer must not bend the line for all.
                vector[index] = min(3.0, max(-3.0, (float(value) - term.centre) / term.scale))
        return vector

    return read


def complete(posterior: Posterior | None, plan: Plan) -> Posterior:
    """The posterior with a prior for each arm of the release that it has not met; the priors alone where it was learned
    over another context, which the learner has yet to start anew."""
    if posterior is None or posterior.dimension != plan.dimension:
        return Posterior.empty(plan.priors, plan.dimension, plan.release.ranking.noise_variance)
    return posterior.with_arms(plan.priors)
