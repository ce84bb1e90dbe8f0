"""The cascade for many customers at once, stage by stage as `decisioning.cascade` orders them, without a session; only
the first rank is decided. The same eligible sets and choices as `decide`, and scores to 1e-12."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decisioning import caps, consent
from decisioning.bandit import mandates
from decisioning.bandit.action_probability import first_probabilities_many
from decisioning.bandit.posterior import Posterior
from decisioning.bandit.ranking import Blend, blend
from decisioning.bandit.stage import REDRAW
from decisioning.draws import normals, uniforms
from decisioning.impact.people import Floats, Mask, People
from decisioning.impact.propensities import keys_of, propensities
from decisioning.impact.reach import eligible_by_rules
from decisioning.impact.scene import Scene
from decisioning.plan import Plan
from offers.conditions.grammar import Condition
from offers.conditions.vectorise import CategoryColumn, Columns, NumberColumn, evaluate_many
from offers.types import Mandate

REASONS: Final = (
    "", "STOPPED", "NO_CONSENT", "SUPPRESSED", "NOT_NOW", "HOLDOUT", "CAPPED", "NO_ELIGIBLE_OFFER",
)  # fmt: skip
"""Why there is no offer, by code; 0 is that there is one."""
NOBODY: Final = -1
_BLOCK: Final = 4_096  # customers whose arms are ranked at a time: their arrays stay in the processor's cache


@dataclass(frozen=True)
class Policy:
    """What decides beside the customer: a release, what was learned, what is stopped, what was learned on today."""

    plan: Plan
    posterior: Posterior
    stops: frozenset[tuple[str, str]]
    spent: Mapping[str, int]

    @property
    def model_stopped(self) -> bool:
        return self.plan.model is not None and ("model", self.plan.model.name) in self.stops


@dataclass(slots=True)
class Batch:
    """Some customers with what several releases compute of them alike, computed once. `keys` (n,) seed the draws."""

    people: People
    keys: NDArray[np.uint64]
    _conditions: dict[Condition, NDArray[np.int8]] = field(default_factory=dict)
    _noise: dict[int, Floats] = field(default_factory=dict)

    def evaluate(self, condition: Condition) -> NDArray[np.int8]:
        """Whether it holds of each (n,): 1, 0, or -1 where data is missing."""
        found = self._conditions.get(condition)
        if found is None:
            found = self._conditions[condition] = evaluate_many(condition, self.people.columns)
        return found

    def noise(self, counters: NDArray[np.int64]) -> Floats:
        """The standard normal draws of these arms (n, k)."""
        new = [counter for counter in counters.tolist() if counter not in self._noise]
        for start in range(0, len(self.people) if new else 0, _BLOCK):
            part = slice(start, start + _BLOCK)
            drawn = normals(self.keys[part, np.newaxis], np.array(new))
            for at, counter in enumerate(new):
                self._noise.setdefault(counter, np.empty(len(self.people)))[part] = drawn[:, at]
        return np.stack([self._noise[counter] for counter in counters.tolist()], axis=1)


@dataclass(frozen=True, slots=True)
class Made:
    """What was decided of n customers. `allowed` (n, offers) by `allowed_offers`; `live` (n, offers) before propensity;
    `reason` (n,) into REASONS; `arm` (n,) the plan's index of the first rank or NOBODY. The rest is of the customers
    `ranked` (m,) and all arms k of the plan; `score` is minus infinity for an arm that does not compete. `propensity`
    (m, rows) counts as `propensities.keys_of`, `likely` (m, k) is the same by arm."""

    allowed: Mask
    live: Mask
    reason: NDArray[np.int8]
    arm: NDArray[np.int16]
    ranked: NDArray[np.intp]
    propensity: Floats
    likely: Floats
    mean: Floats
    width: Floats
    score: Floats

    @property
    def best(self) -> Floats:
        """The highest propensity (n,) among the arms that compete; NaN of whom none does."""
        found = np.full(len(self.arm), np.nan)
        # What is not competing was not asked for, and may be unknown or known.
        found[self.ranked] = np.where(self.score > -np.inf, self.likely, -np.inf).max(axis=1, initial=-np.inf)
        return found


def make(policy: Policy, batch: Batch, scene: Scene) -> Made:
    """Decide on everybody in the batch."""
    plan, size = policy.plan, len(batch.people)
    stopped = stopped_offers(policy)
    places, kept = kept_from(plan, batch.people)
    by_rules = allowed_offers(plan, batch, batch.people.moment)
    live = by_rules & ~stopped & available(plan, scene, batch.people.moment)
    lost = ~live & ~stopped
    lost[places] &= ~kept
    reason = barred(policy, batch, scene)
    _end_by_stops(policy, stopped, reason, places, kept)
    full, everything = capped(plan, batch.people)
    full &= live
    live &= ~full
    reason[(reason == 0) & (live | full).any(axis=1) & everything] = REASONS.index("CAPPED")
    arm = np.full(size, NOBODY, dtype=np.int16)
    ranked, *beliefs = _rank(policy, batch, np.where((reason == 0)[:, np.newaxis], live, False), arm)
    fallback = _fallback(policy, scene)
    if fallback is not None:
        left = (reason == 0) & (arm == NOBODY) & live[:, plan.offer_of_arm[fallback]]
        left[ranked] = False
        arm[left] = fallback
    nothing = (reason == 0) & (arm == NOBODY)
    reason[nothing] = _why_nothing(full, lost, bool(stopped.any()), places[kept.any(axis=1)])[nothing]
    return Made(by_rules, live, reason, arm, ranked, *beliefs)


def allowed_offers(plan: Plan, batch: Batch, moment: datetime) -> Mask:
    """Which offers (n, offers) the rules allow each customer and no override keeps from her."""
    result = eligible_by_rules(plan, moment, len(batch.people), batch.evaluate)
    places, kept = kept_from(plan, batch.people)
    result[places] &= ~kept
    return result


def kept_from(plan: Plan, people: People) -> tuple[NDArray[np.intp], Mask]:
    """The places (k,) of those from whom overrides keep something, and which offers (k, offers)."""
    kept = np.zeros((len(people.kept), len(plan.offers)), dtype=bool)
    for row, offers in enumerate(people.kept.values()):
        kept[row] = "" in offers
        kept[row, [plan.position[offer] for offer in offers if offer in plan.position]] = True
    return np.fromiter(people.kept, dtype=np.intp, count=len(people.kept)), kept


def _end_by_stops(
    policy: Policy, stopped: Mask, reason: NDArray[np.int8], places: NDArray[np.intp], kept: Mask
) -> None:
    """Fill in the reason (n,) of those whom the first stage leaves no offer."""
    everything = ("all", "") in policy.stops
    if everything or stopped.all():
        # Where there never was an offer, none was stopped.
        reason[:] = REASONS.index("STOPPED" if everything or len(stopped) else "NO_ELIGIBLE_OFFER")
    if not everything:
        reason[places[(kept | stopped).all(axis=1) & kept.any(axis=1)]] = REASONS.index("SUPPRESSED")


def _why_nothing(capped: Mask, lost: Mask, any_stopped: bool, kept: NDArray[np.intp]) -> NDArray[np.int8]:
    """As `decide` names it: what the offer that came furthest met. `kept` are the places of who has an override."""
    ended = np.full(len(lost), REASONS.index("STOPPED" if any_stopped else "NO_ELIGIBLE_OFFER"))
    ended[kept] = REASONS.index("SUPPRESSED")
    ended[lost.any(axis=1)] = REASONS.index("NO_ELIGIBLE_OFFER")
    return np.where(capped.any(axis=1), REASONS.index("CAPPED"), ended).astype(np.int8)


def stopped_offers(policy: Policy) -> Mask:
    """Offers (offers,) that are stopped, by themselves, by product or with all their arms."""
    plan, stops = policy.plan, policy.stops
    arms: dict[str, list[str]] = {offer: [] for offer in plan.offers}
    for arm in plan.release.arms.values():
        arms[arm.offer].append(arm.key)
    return np.array(
        [
            ("offer", offer) in stops
            or ("product", plan.release.offers[offer].product) in stops
            or all(("arm", arm) in stops for arm in arms[offer])
            for offer in plan.offers
        ],
        dtype=bool,
    )  # fmt: skip


def available(plan: Plan, scene: Scene, now: datetime) -> Mask:
    """Offers (offers,) whose own terms allow them on the channel and placement, at this time."""
    offers = [plan.release.offers[key] for key in plan.offers]
    return np.array(
        [
            scene.channel in offer.channels
            and scene.placement in offer.placements
            and not (offer.starts_at and now < offer.starts_at)
            and not (offer.ends_at and now >= offer.ends_at)
            for offer in offers
        ],
        dtype=bool,
    )  # fmt: skip


def barred(policy: Policy, batch: Batch, scene: Scene) -> NDArray[np.int8]:
    """Who is not to be contacted at all (n,), by the code of the first reason; 0 of everybody else."""
    people, size = batch.people, len(batch.people)
    unusual = people.columns.get(consent.UNUSUAL)
    held_back = unusual.values == 1 if isinstance(unusual, NumberColumn) else np.zeros(size, dtype=bool)
    share = policy.plan.release.contact_policy.holdout_share
    held_out = np.array([share > 0 and consent.in_holdout(one, share) for one in people.customers.tolist()], dtype=bool)
    reason = np.zeros(size, dtype=np.int8)
    nobody = np.zeros(size, dtype=bool)
    for name, who in (
        ("HOLDOUT", held_out), ("NOT_NOW", held_back), ("SUPPRESSED", people.suppressed),
        ("NO_CONSENT", ~people.consenting.get(scene.channel, nobody)),
    ):  # fmt: skip
        reason[who] = REASONS.index(name)
    return reason


def capped(plan: Plan, people: People) -> tuple[Mask, Mask]:
    """Offers whose cap is reached (n, offers), and customers of whom all of it is (n,)."""
    policy, now = plan.release.contact_policy, people.moment
    everything, offers = caps.reached(policy, {}, plan.offers, now)
    whole = np.full(len(people), everything)
    single = np.zeros((len(people), len(plan.offers)), dtype=bool)
    single[:, [plan.position[offer] for offer in offers]] = True
    for at, contacts in people.contacts.items():
        whole[at], offers = caps.reached(policy, contacts, plan.offers, now)
        single[at, [plan.position[offer] for offer in offers]] = True
    single[whole] = False
    return single, whole


def _fallback(policy: Policy, scene: Scene) -> int | None:
    placement = policy.plan.release.placements.get(scene.placement)
    key = placement.fallback if placement else None
    if key is None or policy.plan.release.arms[key].paused or ("arm", key) in policy.stops:
        return None
    return policy.plan.arms.index(key)


# --- Ranking -------------------------------------------------------------------------------------------------------


def _rank(
    policy: Policy, batch: Batch, live: Mask, chosen: NDArray[np.int16]
) -> tuple[NDArray[np.intp], Floats, Floats, Floats, Floats, Floats]:
    """Fill in the first rank; returns who was ranked and their propensities, means, widths and scores."""
    plan = policy.plan
    stopped = np.array([("arm", arm) in policy.stops for arm in plan.arms], dtype=bool)
    candidates = plan.competes & ~stopped
    competing = live[:, plan.offer_of_arm] & candidates
    ranked = np.flatnonzero(competing.any(axis=1))
    people = batch.people.among(ranked)
    competing = competing[ranked]
    likely = _propensities(policy, people, competing)
    boosts = _boosts(policy, batch, ranked)
    means, widths, scores = (np.empty((len(ranked), len(plan.arms))) for _ in range(3))
    noise = batch.noise(plan.counters)[ranked] if len(ranked) else np.empty((0, len(plan.arms)))
    contexts = contexts_of(plan, people.columns, len(ranked))
    for start in range(0, len(ranked), _BLOCK):
        part = slice(start, start + _BLOCK)
        p, boost = likely[part][:, plan.row_of_arm], boosts[part][:, plan.offer_of_arm]
        mean, width, trials = _believe(policy, contexts[part])
        blended = blend(
            plan.weights, propensity=p, boost=boost, mean=mean, width=width, effective_trials=trials,
            value=plan.values,
        )  # fmt: skip
        some = people.among(np.arange(len(ranked))[part]) if plan.mandates else people
        blended, score = _drawn(policy, blended, noise[part], some, competing[part])
        first = np.argmax(score, axis=1)
        keys = batch.keys[ranked[part]]
        chosen[ranked[part]] = _by_mandate(policy, blended, first, some, competing[part], keys)
        means[part], widths[part], scores[part] = mean, width, score
    return ranked, likely, likely[:, plan.row_of_arm], means, widths, scores


def _propensities(policy: Policy, people: People, competing: Mask) -> Floats:
    plan = policy.plan
    needed = np.zeros((len(people), len(keys_of(plan))), dtype=bool)
    for arm, row in enumerate(plan.row_of_arm.tolist()):
        needed[:, row] |= competing[:, arm]
    return propensities(plan, people, needed, model_stopped=policy.model_stopped)


def _boosts(policy: Policy, batch: Batch, ranked: NDArray[np.intp]) -> Floats:
    """The factors (m, offers), multiplied in the release's order."""
    plan = policy.plan
    factor = np.ones((len(ranked), len(plan.offers)))
    for boost, covered in zip(plan.boosts, plan.boost_offers, strict=True):
        if len(covered) and boost.in_force(batch.people.moment):
            holds = batch.evaluate(boost.when)[ranked] == 1
            factor[np.ix_(holds, covered)] *= boost.factor
    cap = plan.release.ranking.boost_cap
    return factor if cap is None else np.minimum(factor, cap)


def _believe(policy: Policy, contexts: Floats) -> tuple[Floats, Floats, Floats]:
    """Expected rewards, their standard deviations and effective trials (m, k)."""
    posterior = policy.posterior
    mean, width = posterior.predict_many(contexts)
    places = posterior.indices(policy.plan.arms)
    if not np.array_equal(places, np.arange(len(posterior.arms))):
        mean, width = mean[:, places], width[:, places]
    return mean, width, posterior.effective_trials(width)


def contexts_of(plan: Plan, columns: Columns, size: int) -> Floats:
    """`plan.context` of many customers (n, dimension)."""
    matrix = np.zeros((size, plan.dimension))
    matrix[:, 0] = 1.0
    for at, term in enumerate(plan.release.ranking.context, start=1):
        column = columns.get(term.attribute)
        if isinstance(column, CategoryColumn):
            wanted = np.array([value == term.equals for value in column.vocabulary] + [False])
            matrix[:, at] = wanted[column.codes]
        elif isinstance(column, NumberColumn):
            scaled = np.clip((column.values - term.centre) / term.scale, -3.0, 3.0)
            matrix[:, at] = np.where(np.isnan(scaled), 0.0, scaled)
    return matrix


def _drawn(policy: Policy, blended: Blend, noise: Floats, people: People, competing: Mask) -> tuple[Blend, Floats]:
    """The scores (m, k); an arm that is not to be explored with has its expected one."""
    held = _held(policy, people)
    if held is not None:
        noise = np.where(held, 0.0, noise)
        blended = Blend(blended.location, np.where(held, 0.0, blended.scale))
    return blended, np.where(competing, blended.score(noise), -np.inf)


def _held(policy: Policy, people: People) -> Mask | None:
    """Whom (m, k) each arm is met by only by its expected score; None without a mandate that says so."""
    held = None
    for arm, mandate in policy.plan.mandates.items():
        if mandates.in_force(mandate, people.moment):
            held = np.zeros((len(people), len(policy.plan.arms)), dtype=bool) if held is None else held
            held[:, arm] = _spared(mandate, people) | mandates.used_up(mandate, policy.plan.arms[arm], policy.spent)
    return held


def _spared(mandate: Mandate, people: People) -> Mask:
    """`mandates.shielded` of many customers (m,)."""
    spared = np.zeros(len(people), dtype=bool)
    for name in mandate.never_explore:
        column = people.columns.get(name)
        spared |= column.values != 0 if isinstance(column, NumberColumn) else True
    return spared


def _by_mandate(
    policy: Policy, blended: Blend, first: NDArray[np.intp], people: People, competing: Mask, keys: NDArray[np.uint64]
) -> NDArray[np.intp]:
    """The first rank (m,) after the shares that are asked for."""
    low, high = _bounds(policy, people, competing)
    asked = np.flatnonzero(((low > 0) | (high < 1)).any(axis=1))
    if not len(asked):
        return first
    location = np.where(competing[asked], blended.location[asked], -np.inf)
    merit = first_probabilities_many(location, np.where(competing[asked], blended.scale[asked], 0.0))
    share = mandates.project_many(merit, low[asked], high[asked], competing[asked])
    keep, other = uniforms(keys[asked, np.newaxis], np.array(REDRAW)).T
    result = first.copy()
    result[asked] = mandates.redraw(merit, share, first[asked], keep, other)
    return result


def _bounds(policy: Policy, people: People, competing: Mask) -> tuple[Floats, Floats]:
    """The bounds (m, k) of each arm's chance of rank 1; those of an arm that does not compete are open."""
    low, high = np.zeros(competing.shape), np.ones(competing.shape)
    held = _held(policy, people)
    spared = np.zeros(len(competing), dtype=bool)
    for arm, mandate in policy.plan.mandates.items():
        if held is not None and mandates.in_force(mandate, people.moment):
            low[:, arm] = np.where(competing[:, arm] & ~held[:, arm], mandate.min_share, 0.0)
            high[:, arm] = np.where(competing[:, arm], mandate.max_share, 1.0)
            spared |= competing[:, arm] & _spared(mandate, people)
    high[spared] = 1.0
    return low, high
