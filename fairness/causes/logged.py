"""What was decided of a sample of customers, one decision each, as arrays: which arms competed with what chance, what
was shown, what a cap took away. Nothing is compared here; a customer counts once, however often she came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from decisioning import activity, decision_log, identity, reward_log, runtime
from decisioning.bandit.posterior import Posterior
from decisioning.decide import decide
from decisioning.impact import band_of, competing_offers
from decisioning.impact.people import Floats, Mask
from decisioning.models import Decision as DecisionRow
from decisioning.plan import Plan, complete
from decisioning.types import Decision, DecisionRequest, Known
from fairness.cube.exposure import arm_chances, blends

MOST: Final = 20_000
"""Customers whose newest decision is looked at: each is read whole, and each arm's chance is an integral."""
MOST_PAIRS: Final = 4_000_000
"""Pairs of a decision and an arm that are kept: with 5,000 offers, of fewer decisions."""
TERMS: Final = ("rate", "fee", "limit", "bonus")
"""What an offer costs and gives, by its facts."""
_BLOCK: Final = 500
_PAGES: Final = 25  # of MOST decisions each, that are looked through for customers
_BEFORE_CAPS: Final = frozenset({"NO_CONSENT", "SUPPRESSED", "NOT_NOW", "HOLDOUT", "STOPPED"})


@dataclass(frozen=True, slots=True)
class Record:
    """One decision. `uncapped` is the offer that it would have shown first had nothing been shown before."""

    customer: int
    band: str
    plan: Plan
    decision: Decision
    uncapped: str | None


@dataclass(frozen=True, slots=True)
class Logged:
    """Decisions (n,). Pairs (m,) of a decision and an arm that competed: `chance` of rank 1, `expected` score before
    the draw. `first` (n,) is the arm that was ranked first, or -1; `offers` has the offer of each of `arms`. `wanted`
    (n,): something would have been shown without caps; `suppressed` (n,): a cap took just that away. `choices` are of
    families with a choice in them."""

    customers: NDArray[np.int64]
    bands: tuple[str, ...]
    arms: tuple[str, ...]
    offers: tuple[str, ...]
    decision: NDArray[np.intp]
    arm: NDArray[np.intp]
    chance: Floats
    expected: Floats
    first: NDArray[np.intp]
    wanted: Mask
    suppressed: Mask
    choices: Choices

    def by_offer(self) -> Logged:
        """The same with the arms of an offer as one: it competes where any of them does, with the sum of their
        chances and the best of their expected scores."""
        names, of_arm = np.unique(np.array(self.offers, dtype=np.str_), return_inverse=True)
        pairs, place = np.unique(self.decision * len(names) + of_arm[self.arm], return_inverse=True)
        expected = np.full(len(pairs), -np.inf)
        np.maximum.at(expected, place, self.expected)
        first = np.append(of_arm, -1)[self.first]
        offers = tuple(names.tolist())
        return replace(
            self, arms=offers, offers=offers, decision=pairs // max(1, len(names)), arm=pairs % max(1, len(names)),
            chance=np.bincount(place, self.chance, len(pairs)).astype(np.float64), expected=expected, first=first,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choices:
    """Customers who were eligible for two offers or more of a family and were shown one of it, (c,) each: the
    `decision`, the family, which offers stood open to them, whether the best of these was shown, and the `terms`
    (c, TERMS) of what was, NaN where an offer has none."""

    decision: NDArray[np.intp]
    family: NDArray[np.str_]
    open_to: NDArray[np.str_]
    best: Mask
    terms: Floats


def newest(now: datetime) -> Logged:
    """Of the MOST customers who came last, each one's newest decision. Constant work, however many decisions there
    are."""
    return gather(_records(_newest_ids(now)))


def gather(records: Iterable[Record]) -> Logged:
    """Records as arrays."""
    made = _Gathering()
    block: list[Record] = []
    for record in records:
        block.append(record)
        if len(block) == _BLOCK:
            made.take(block)
            block = []
        if made.pairs >= MOST_PAIRS:
            break
    made.take(block)
    return made.logged()


@dataclass(slots=True)
class _Gathering:
    """Arrays in the making."""

    customers: list[int] = field(default_factory=list)
    bands: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    offers: list[str] = field(default_factory=list)
    decision: list[NDArray[np.intp]] = field(default_factory=list)
    arm: list[NDArray[np.intp]] = field(default_factory=list)
    chance: list[Floats] = field(default_factory=list)
    expected: list[Floats] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    wanted: list[bool] = field(default_factory=list)
    suppressed: list[bool] = field(default_factory=list)
    choices: list[tuple[int, str, str, bool, list[float]]] = field(default_factory=list)
    pairs: int = 0

    def take(self, block: Sequence[Record]) -> None:
        chances = arm_chances([(one.plan, one.decision) for one in block]) if block else []
        for record, chance in zip(block, chances, strict=True):
            number, decision = len(self.customers), record.decision
            self.customers.append(record.customer)
            self.bands.append(record.band)
            self.arm.append(self._of([(row.arm, row.offer) for row in decision.scored]))
            self.decision.append(np.full(len(chance), number))
            self.chance.append(chance)
            self.expected.append(blends(record.plan, decision)[0])
            shown = [(choice.arm, choice.offer) for choice in decision.choices[:1]]
            self.first.append(int(self._of(shown)[0]) if shown else -1)
            self.wanted.append(record.uncapped is not None)
            self.suppressed.append(record.uncapped in capped(record.plan, decision))
            self.choices += _choices(number, record)
            self.pairs += len(chance)

    def _of(self, arms: Sequence[tuple[str, str]]) -> NDArray[np.intp]:
        """The places of these arms, each with its offer; one that was never met takes the next."""
        for arm, offer in arms:
            if arm not in self.places:
                self.places[arm] = len(self.places)
                self.offers.append(offer)
        return np.array([self.places[arm] for arm, _ in arms], dtype=np.intp)

    def logged(self) -> Logged:
        return Logged(
            np.array(self.customers, dtype=np.int64), tuple(self.bands), tuple(self.places), tuple(self.offers),
            np.concatenate([np.empty(0, dtype=np.intp), *self.decision]),
            np.concatenate([np.empty(0, dtype=np.intp), *self.arm]),
            np.concatenate([np.empty(0), *self.chance]), np.concatenate([np.empty(0), *self.expected]),
            np.array(self.first, dtype=np.intp), np.array(self.wanted, dtype=bool),
            np.array(self.suppressed, dtype=bool), self._chosen(),
        )  # fmt: skip

    def _chosen(self) -> Choices:
        decision, family, open_to, best, terms = zip(*self.choices, strict=True) if self.choices else ((),) * 5
        return Choices(
            np.array(decision, dtype=np.intp), np.array(family, dtype=np.str_), np.array(open_to, dtype=np.str_),
            np.array(best, dtype=bool), np.array(terms, dtype=np.float64).reshape(-1, len(TERMS)),
        )  # fmt: skip


def capped(plan: Plan, decision: Decision) -> frozenset[str]:
    """The offers that a cap ended: all that were still in, where the cap is on everything."""
    if decision.reason == "CAPPED" and not any(refusal.stage == "caps" for refusal in decision.refusals):
        return frozenset(plan.offers) - {refusal.offer for refusal in decision.refusals}
    return frozenset(refusal.offer for refusal in decision.refusals if refusal.stage == "caps")


def eligible(plan: Plan, decision: Decision) -> frozenset[str]:
    """The competing offers whose rules the customer met, under a cap or not; none where nothing came so far."""
    if decision.reason in _BEFORE_CAPS:
        return frozenset()
    competing = {plan.offers[at] for at in np.flatnonzero(competing_offers(plan)).tolist()}
    return frozenset(competing - {refusal.offer for refusal in decision.refusals if refusal.stage != "caps"})


def _choices(number: int, record: Record) -> Iterator[tuple[int, str, str, bool, list[float]]]:
    """Where the family that is shown left a choice. A rank is better the lower it is; equals are equally good."""
    if not record.decision.choices:
        return
    offers = record.plan.release.offers
    shown = offers[record.decision.choices[0].offer]
    open_to = sorted(key for key in eligible(record.plan, record.decision) if offers[key].family == shown.family)
    ranks = [offers[key].benefit_rank for key in open_to]
    if len(open_to) < 2 or shown.key not in open_to or len(set(ranks)) < 2:
        return
    terms = [float(value) if isinstance(value := shown.facts.get(name), int | float) else np.nan for name in TERMS]
    yield number, shown.family, " ".join(open_to), shown.benefit_rank == min(ranks), terms


def _newest_ids(now: datetime) -> list[UUID]:
    """One decision of each customer, the newest first, of the last _PAGES * MOST decisions: where fewer customers than
    MOST come again and again, the whole log is not read for them."""
    found: dict[int, UUID] = {}
    before = activity.first_id(now)
    for _ in range(_PAGES):
        rows = DecisionRow.objects.filter(id__lt=before).order_by("-id").values_list("customer_id", "id")[:MOST]
        page = list(rows)
        if not page or len(found) >= MOST:
            break
        for customer, decision in page:
            found.setdefault(customer, decision)
        before = page[-1][1]
    return list(found.values())[:MOST]


def recorded(
    plan: Plan, decision: Decision, inputs: tuple[DecisionRequest, Known], beliefs: Callable[[], Posterior], key: int
) -> Record:
    """A decision with what it would have been without caps: the same draws, and nothing shown before. That is worked
    out only where a cap took part."""
    request, known = inputs
    shown = decision
    if capped(plan, decision):
        shown = decide(request, replace(known, contacts={}), plan, beliefs(), key)
    first = shown.choices[0].offer if shown.choices else None
    return Record(request.customer, band_of(known.attributes), plan, decision, first)


def _records(ids: Sequence[UUID]) -> Iterator[Record]:
    posterior: Posterior | None = None
    for start in range(0, len(ids), _BLOCK):
        rows = decision_log.many(ids[start : start + _BLOCK]).values()
        for row in sorted(rows, key=lambda row: row.posterior):
            plan = runtime.plan(row.release)

            def beliefs(plan: Plan = plan, row: DecisionRow = row) -> Posterior:
                nonlocal posterior
                posterior = reward_log.advance(posterior, row.posterior)
                return complete(posterior, plan)

            inputs = decision_log.inputs(row)
            yield recorded(plan, decision_log.result(row), inputs, beliefs, identity.draw_key(row.id))
