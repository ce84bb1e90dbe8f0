"""One pass over the population under several releases: who is eligible for what, what each would be shown and what that
is expected to bring. The passes read and compute at the same time; nothing is stored."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from django.db.models import Count
from numpy.typing import NDArray

from decisioning import budgets, consent, runtime
from decisioning.bandit import mandates
from decisioning.bandit.ranking import RankingWeights
from decisioning.draws import arm_counter, words
from decisioning.features import population
from decisioning.impact import people as reading
from decisioning.impact.expected import Estimate, Expected, Learned, estimate, expect
from decisioning.impact.kept import Kept
from decisioning.impact.moments import Moment, Packed, joined, packed
from decisioning.impact.people import Floats, Mask, People
from decisioning.impact.propensities import AT_MOST, unscored
from decisioning.impact.reach import BANDS, SEGMENTS, Labels, Reach, reach_of, segments
from decisioning.impact.scene import Scene, scene_for
from decisioning.impact.stages import NOBODY, REASONS, Batch, Policy, allowed_offers, make
from decisioning.models import PrecomputedScore, ScoreLayout
from decisioning.plan import Plan, complete
from offers.conditions.grammar import attributes_of
from offers.register import STATES, attributes

BOUNDED_AT_MOST: Final = 20_000  # customers of whom a mandate on shares is worked out: an integral for each arm
WORKERS: Final = 2
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Decided:
    """What one release decides of n customers: `offer` (n,) into `offers` or -1, `reason` (n,) into REASONS, `best`
    (n,) the highest propensity, NaN without one, and what each choice is expected to bring."""

    offers: tuple[str, ...]
    offer: NDArray[np.int16]
    reason: NDArray[np.int8]
    best: Floats
    response: Floats
    value: Floats
    learned_response: Learned
    learned_value: Learned

    @property
    def shown(self) -> Mask:
        """Who is shown an offer (n,)."""
        return np.asarray(self.offer != NOBODY, dtype=bool)

    def counts(self) -> dict[str, int]:
        """How many are shown each offer first."""
        found = np.bincount(self.offer[self.shown], minlength=len(self.offers)).tolist()
        return dict(zip(self.offers, found, strict=True))

    def ended(self) -> dict[str, int]:
        """How many are shown nothing, by reason."""
        found = np.bincount(self.reason, minlength=len(REASONS)).tolist()
        return {reason: count for reason, count in zip(REASONS, found, strict=True) if reason and count}


@dataclass(frozen=True, slots=True)
class Simulation:
    """Customers (N,), a reach for each release, segments to break them down by; decisions on those at the positions
    `sample` (n,), which are all unless `share` is below 1. `later` has each release's reach at moments to come."""

    customers: NDArray[np.int64]
    reaches: tuple[Reach, ...]
    segments: dict[str, Labels]
    scene: Scene
    seed: int
    share: float
    sample: NDArray[np.intp]
    decided: tuple[Decided, ...]
    policies: tuple[Policy, ...]
    later: tuple[tuple[Moment, ...], ...]

    def expected(self, which: int) -> tuple[Estimate, Estimate]:
        """Response and value of one customer under one release."""
        one = self.decided[which]
        return (
            estimate(one.response, [(1.0, one.learned_response)], sampled=self.share < 1),
            estimate(one.value, [(1.0, one.learned_value)], sampled=self.share < 1),
        )

    def change(self) -> tuple[Estimate, Estimate]:
        """The last release's less the first's."""
        first, last = self.decided[0], self.decided[-1]
        pairs = (
            (last.response - first.response, [(1.0, last.learned_response), (-1.0, first.learned_response)]),
            (last.value - first.value, [(1.0, last.learned_value), (-1.0, first.learned_value)]),
        )
        response, value = (estimate(each, learned, sampled=self.share < 1) for each, learned in pairs)
        return response, value


def seed_of(text: str) -> int:
    """The seed of the draws for what is named here, such as a candidate's hash."""
    return arm_counter(text)


def keys_for(customers: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """The key (n,) of each customer's draws: the same under every release that is compared."""
    return words(np.uint64(seed), customers)


def policies_for(plans: Sequence[Plan], now: datetime) -> list[Policy]:
    """Each release as it would decide now: with what was learned, what is stopped and what was learned on today."""
    learned = runtime.learned()
    spent = budgets.spent_on(now) if any(plan.budgets for plan in plans) else {}
    policies = [
        Policy(plan, complete(learned, plan), runtime.stops_for(plan), {arm: spent.get(arm, 0) for arm in plan.budgets})
        for plan in plans
    ]
    for policy in policies:  # made once here, and not by each thread
        if policy.posterior is not None:
            _ = policy.posterior.theta
        if policy.plan.model is not None:
            _ = policy.plan.model.booster
    return policies


def simulate(
    plans: Sequence[Plan],
    now: datetime,
    *,
    about: Collection[str] = (),
    seed: int = 0,
    share: float = 1.0,
    progress: Progress | None = None,
    later: Sequence[datetime] = (),
) -> Simulation:
    """Decide on the population, or on a fixed share of it, under each plan. `about` are the offers that it is about;
    `later` are moments to come, at which rules are evaluated too.

    Rules are evaluated for everybody; decisions are made for a fixed sample where a model would have to score more
    than AT_MOST times, or where shares are asked for.
    """
    policies, scene = policies_for(plans, now), scene_for(plans, about)
    total = population.size() * share
    decided = min(1.0, _affordable(policies, total, now))
    scored = decided < 1 or any(unscored(plan, _nightly(), int(total)) for plan in plans)
    names = names_for(plans, scored=scored and decided == 1)
    whole = _Pass(policies, scene, seed, decided == 1, tuple(later))
    parts = list(_passed(whole, reading.read(names, [scene.channel], now, share=share), _counted(progress, int(total))))
    if decided < 1:
        sampled = reading.read(names_for(plans, scored=True), [scene.channel], now, share=share * decided)
        chosen = list(_passed(_Pass(policies, scene, seed, True), sampled, None))
    else:
        chosen = parts
    return _joined(whole, share * decided, parts, chosen)


def simulate_people(
    plans: Sequence[Plan], kept: Kept, now: datetime, *, about: Collection[str] = (), seed: int = 0
) -> Simulation:
    """The same of a sample that was read before."""
    policies, scene = policies_for(plans, now), scene_for(plans, about)
    alone = _Pass(policies, scene, seed, True)
    parts = [_part(alone, kept.people)] if len(kept.people) else []
    return _joined(alone, kept.share, parts, parts)


def names_for(plans: Sequence[Plan], *, scored: bool) -> frozenset[str]:
    """The attributes that these releases read; with `scored`, those of their models too."""
    names = {*SEGMENTS, consent.UNUSUAL}
    for plan in plans:
        for condition in (*(rule.when for rule in plan.rules), *(boost.when for boost in plan.boosts)):
            names |= attributes_of(condition)
        names |= {term.attribute for term in plan.release.ranking.context}
        names |= {name for mandate in plan.mandates.values() for name in mandate.never_explore}
        if scored and plan.model:
            names |= plan.model.encoder.attributes & {declared.name for declared in attributes(use="model")}
    return frozenset(names)


def _affordable(policies: Sequence[Policy], customers: float, now: datetime) -> float:
    """The share of the customers that can be decided on in a reasonable time."""
    nightly = _nightly()
    scores = sum(unscored(policy.plan, nightly, int(customers)) for policy in policies)
    bounded = any(
        mandates.in_force(mandate, now) and (mandate.min_share > 0 or mandate.max_share < 1)
        for policy in policies
        for mandate in policy.plan.mandates.values()
    )
    return min(AT_MOST / max(scores, 1), BOUNDED_AT_MOST / max(customers, 1.0) if bounded else 1.0, 1.0)


def _nightly() -> dict[tuple[str, tuple[str, ...]], int]:
    """Customers by the model and the keys of their stored scores."""
    counts = dict(PrecomputedScore.objects.values_list("layout_id").annotate(Count("pk")).order_by())
    rows = ScoreLayout.objects.filter(pk__in=counts)
    return {(row.model, tuple(row.keys)): counts[row.number] for row in rows}


def _counted(progress: Progress | None, total: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(done, max(done, total))


# --- One pass ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pass:
    """What is done with each chunk: rules at `later` moments too, and decisions where `decide`."""

    policies: Sequence[Policy]
    scene: Scene
    seed: int
    decide: bool
    later: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """What became of one chunk, by release; `later` by release and moment."""

    customers: NDArray[np.int64]
    allowed: list[Mask]
    later: list[Packed]
    segments: dict[str, NDArray[np.int16]]
    offer: list[NDArray[np.int16]]
    reason: list[NDArray[np.int8]]
    best: list[Floats]
    expected: list[Expected]


def _passed(asked: _Pass, chunks: Iterable[People], progress: Callable[[int], None] | None) -> Iterator[_Part]:
    """In their order. Threads compute while the next is read: numpy and the database let go of the interpreter."""
    done = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting: deque[Future[_Part]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(_part, asked, chunk))
            while len(waiting) > WORKERS:
                yield waiting.popleft().result()
            done += len(chunk)
            if progress:
                progress(done)
        while waiting:
            yield waiting.popleft().result()


def _part(asked: _Pass, people: People) -> _Part:
    found, policies = segments(people.columns), asked.policies
    batch = Batch(people, keys_for(people.customers, asked.seed))
    later = [packed(policy.plan, batch, moment) for policy in policies for moment in asked.later]
    if not asked.decide:
        allowed = [allowed_offers(one.plan, batch, people.moment) for one in policies]
        return _Part(people.customers, allowed, later, found, [], [], [], [])
    made = [make(policy, batch, asked.scene) for policy in policies]
    weights, judge = _measure(policies)
    return _Part(
        people.customers,
        [one.allowed for one in made],
        later,
        found,
        [_offers(policy, one.arm) for policy, one in zip(policies, made, strict=True)],
        [one.reason for one in made],
        [one.best for one in made],
        [expect(policy, one, people, weights, judge) for policy, one in zip(policies, made, strict=True)],
    )


def _measure(policies: Sequence[Policy]) -> tuple[RankingWeights, Policy]:
    """The weights of the first release and the model of the last, for all: one measuring rod."""
    return policies[0].plan.weights, policies[-1]


def _offers(policy: Policy, arm: NDArray[np.int16]) -> NDArray[np.int16]:
    codes = np.append(policy.plan.offer_of_arm, NOBODY).astype(np.int16)
    return codes[arm]


def _joined(asked: _Pass, share: float, parts: Sequence[_Part], chosen: Sequence[_Part]) -> Simulation:
    policies = asked.policies
    customers = _whole([part.customers for part in parts], np.int64)
    decided = _whole([part.customers for part in chosen], np.int64)
    return Simulation(
        customers,
        tuple(reach_of(policy.plan, [part.allowed[at] for part in parts]) for at, policy in enumerate(policies)),
        {
            name: Labels(_whole([part.segments[name] for part in parts], np.int16), names)
            for name, names in (("credit_score_band", BANDS), ("state", STATES))
        },
        asked.scene,
        asked.seed,
        share,
        np.searchsorted(customers, decided),
        tuple(_decided(policy, at, chosen) for at, policy in enumerate(policies)),
        tuple(policies),
        joined([policy.plan for policy in policies], asked.later, [part.later for part in parts]),
    )


def _decided(policy: Policy, at: int, parts: Sequence[_Part]) -> Decided:
    expected = [part.expected[at] for part in parts]
    none = np.zeros((len(policy.plan.arms), policy.plan.dimension))
    return Decided(
        policy.plan.offers,
        _whole([part.offer[at] for part in parts], np.int16),
        _whole([part.reason[at] for part in parts], np.int8),
        _whole([part.best[at] for part in parts], np.float64),
        _whole([one.response for one in expected], np.float64),
        _whole([one.value for one in expected], np.float64),
        Learned(policy.plan.arms, sum((one.learned_response for one in expected), none), policy.posterior),
        Learned(policy.plan.arms, sum((one.learned_value for one in expected), none), policy.posterior),
    )


def _whole(parts: Sequence[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype=kind), *parts])
