"""Compares policies on a world whose truth is known: the cascade, a nightly batch, random choice and the oracle; pure.

The world says who comes and what truly follows; no policy but the oracle sees that. All policies meet the same visits
in the same order, with the same eligible arms and, through common random numbers, the same luck.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from decisioning.bandit.posterior import Posterior, RewardRow
from decisioning.decide import decide
from decisioning.draws import arm_counter
from decisioning.known import session_values
from decisioning.plan import Plan, compile_release, complete
from decisioning.propensity.encoding import OfferRow, arm_row, offer_row
from decisioning.propensity.training import Example, TooFewExamples, train
from decisioning.types import Decision, DecisionRequest, Known
from offers.types import Release

Floats = NDArray[np.float64]

POLICIES = ("cascade", "batch", "batch_per_arm", "random", "oracle")
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
# One size of tree for both policies: the search over sizes would triple the time and favours neither.
TRAINING: Mapping[str, Any] = {"num_leaves": 7}


@dataclass(frozen=True, slots=True)
class Visit:
    """One session. `attributes`: what is known of the customer before it, by register name; `context`: what the channel
    sends along, as in the API."""

    number: int
    customer: int
    channel: str
    placement: str
    attributes: Mapping[str, Any]
    context: Mapping[str, Any]
    consents: frozenset[str]


@dataclass(frozen=True, slots=True)
class Result:
    """What followed one arm: whether it was accepted (a click or more), and the reward."""

    accepted: bool
    reward: float


class World(Protocol):
    """The truth. `visits` gives those of one day; `expected` the true mean reward of each of these arms (k,)."""

    def visits(self, day: int) -> Sequence[Visit]: ...

    def expected(self, visit: Visit, arms: Sequence[str]) -> Floats: ...

    def result(self, visit: Visit, arm: str) -> Result: ...


@dataclass(frozen=True, slots=True)
class Run:
    """One seed: reward of each day by policy, (days,) each. `expected` leaves out the luck of the single visit."""

    seed: int
    visits: int
    expected: Mapping[str, Floats]
    realised: Mapping[str, Floats]


def simulate(release: Release, world: World, *, days: int, seed: int, progress: Callable[[int], None]) -> Run:
    """Live through the days with every policy side by side. The same arguments give the same numbers."""
    rng = np.random.default_rng(seed)
    cascade = Cascade(release, seed)
    batches = {"batch": Batch(release, seed, per_arm=False), "batch_per_arm": Batch(release, seed, per_arm=True)}
    expected = {name: np.zeros(days) for name in POLICIES}
    realised = {name: np.zeros(days) for name in POLICIES}
    visits = 0
    for day in range(days):
        for visit in world.visits(day):
            arms = cascade.look(visit, day)
            if not arms:
                continue  # not contactable or eligible for nothing: the same for every policy
            visits += 1
            worth = world.expected(visit, arms)
            chosen = {
                "cascade": cascade.choose(),
                **{name: batch.choose(visit, day) for name, batch in batches.items()},
                "random": str(rng.choice(arms)),
                "oracle": arms[int(worth.argmax())],
            }
            results = {name: world.result(visit, arm) for name, arm in chosen.items()}
            for name, arm in chosen.items():
                expected[name][day] += worth[arms.index(arm)]
                realised[name][day] += results[name].reward
            cascade.learn(visit, results["cascade"])
            for name, batch in batches.items():
                batch.learn(visit, chosen[name], results[name])
        for policy in (cascade, *batches.values()):
            policy.night()
        progress(day + 1)
    return Run(seed, visits, expected, realised)


@dataclass
class _Trained:
    """What both learning policies share: examples of what they showed, and a model trained on them every night."""

    release: Release
    seed: int
    per_arm: bool
    examples: list[Example] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plan: Plan = compile_release(self.release, None)
        self.nights = 0
        self._rows: dict[str, OfferRow] = {}

    def note(self, visit: Visit, attributes: Mapping[str, Any], arm: str, probability: float, accepted: bool) -> None:
        self.examples.append(Example(visit.customer, attributes, self._row(arm), accepted, probability))

    def _row(self, arm: str) -> OfferRow:
        """One object a row, because the encoder groups examples by it."""
        offer = self.release.offers[self.release.arms[arm].offer]
        key = arm if self.per_arm else offer.key
        if key not in self._rows:
            creative = self.release.creatives[self.release.arms[arm].creative]
            self._rows[key] = arm_row(arm, offer, creative) if self.per_arm else offer_row(offer)
        return self._rows[key]

    def night(self) -> None:
        """Train on everything so far; too little leaves the model of the night before."""
        self.nights += 1
        try:
            model = train(
                f"night-{self.nights}", self.examples, per_arm=self.per_arm, seed=self.seed, params=TRAINING
            )  # fmt: skip
        except TooFewExamples:
            return
        self.plan = compile_release(self.release, model)


class Cascade(_Trained):
    """The product: `decide()` with the session's context; the bandit learns at once, the model every night."""

    def __init__(self, release: Release, seed: int) -> None:
        super().__init__(release, seed, per_arm=False)
        self._posterior: Posterior = complete(None, self.plan)
        self._decision: Decision | None = None
        self._known: Mapping[str, Any] = {}
        self._position = 0

    def look(self, visit: Visit, day: int) -> list[str]:
        """Decide; returns the arms that competed."""
        self._known = {**visit.attributes, **session_values(visit.context)}
        self._decision = _decide(visit, day, self._known, self.plan, self._posterior, self.seed)
        return [scored.arm for scored in self._decision.scored]

    def choose(self) -> str:
        assert self._decision is not None
        return self._decision.choices[0].arm

    def learn(self, visit: Visit, result: Result) -> None:
        assert self._decision is not None
        first = self._decision.choices[0]
        self._position += 1
        context = self.plan.context(self._known)
        row = RewardRow(self._position, first.arm, context, trial=True, reward=result.reward)
        self._posterior = self._posterior.fold([row])
        self.note(visit, self._known, first.arm, first.action_probability, result.accepted)


class Batch(_Trained):
    """The usual practice: each night a model scores everybody, and the next day shows the best. It sees no session and
    draws nothing. With a model per offer, as the cascade's, it rotates the wording at random; with one per arm, it
    takes the wording that the model prefers. Until a first model exists it chooses at random: it must start."""

    def __init__(self, release: Release, seed: int, *, per_arm: bool) -> None:
        super().__init__(release, seed, per_arm=per_arm)
        self._dice = np.random.default_rng([seed, per_arm])

    def choose(self, visit: Visit, day: int) -> str:
        decision = _decide(visit, day, visit.attributes, self.plan, None, self.seed, session=False)
        first = decision.choices[0]
        open_to = [
            scored.arm
            for scored in decision.scored
            if self.plan.model is None or scored.arm == first.arm or (not self.per_arm and scored.offer == first.offer)
        ]
        return str(self._dice.choice(open_to))

    def learn(self, visit: Visit, arm: str, result: Result) -> None:
        self.note(visit, visit.attributes, arm, 1.0, result.accepted)


def _decide(
    visit: Visit,
    day: int,
    attributes: Mapping[str, Any],
    plan: Plan,
    posterior: Posterior | None,
    seed: int,
    *,
    session: bool = True,
) -> Decision:
    """The engine's own decision, with no caps and nobody's stop."""
    context = visit.context if session else {}
    now = START + timedelta(days=day)
    request = DecisionRequest(visit.customer, str(visit.number), visit.channel, visit.placement, 1, now, context)
    known = Known(attributes, {}, visit.consents, suppressed=False, contacts={}, stops=frozenset())
    return decide(request, known, plan, posterior, arm_counter(f"{seed}/{visit.number}") & ((1 << 63) - 1))


@dataclass(frozen=True, slots=True)
class Summary:
    """Cumulative expected reward of one policy after `day` days: mean over seeds, its standard error, and the share of
    the oracle's (None without an oracle's reward)."""

    policy: str
    day: int
    mean: float
    standard_error: float
    of_oracle: float | None


def summarise(runs: Sequence[Run], days: Sequence[int]) -> list[Summary]:
    """The policies side by side after each of these days; the standard error is over seeds, 0 for a single one."""
    summaries = []
    for day in days:
        totals = {name: np.array([run.expected[name][:day].sum() for run in runs]) for name in POLICIES}
        best = float(totals["oracle"].mean())
        for name, total in totals.items():
            error = float(total.std(ddof=1) / np.sqrt(len(total))) if len(total) > 1 else 0.0
            mean = float(total.mean())
            summaries.append(Summary(name, day, mean, error, mean / best if best else None))
    return summaries
