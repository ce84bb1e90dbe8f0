"""How arms have fared in what was decided: shares by day, shares by mandate against shares by merit, whether the draws
fell as logged, and how late rewards come. It reads a bounded number of decisions however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import median
from typing import Any, Final

import numpy as np
from django.db import connection
from django.db.models import Count, Min
from numpy.typing import NDArray
from scipy.stats import chi2

from decisioning import records, runtime
from decisioning.activity import Z_95, first_id
from decisioning.bandit.action_probability import first_probabilities_many
from decisioning.bandit.posterior import Posterior
from decisioning.bandit.ranking import blend
from decisioning.identity import moment_of
from decisioning.models import Decision as DecisionRow
from decisioning.models import Outcome, RewardLog, RewardWork
from decisioning.plan import Plan
from decisioning.reward_log import REWARD
from decisioning.types import Decision
from offers.types import ContextTerm

Floats = NDArray[np.float64]

DAYS: Final = 14
A_DAY: Final = 1_200  # decisions of a day that shares are taken from; of busier days a sample
DRAWS: Final = 500  # decisions whose draws are checked
MISMATCH_BELOW: Final = 0.001  # a p-value under which the draws did not fall as logged
NEWEST_REWARDS: Final = 200
_SLOTS_A_DAY: Final = 8
_MOST_ARMS: Final = 40_000  # of all these decisions together: a second's work
_BLOCK: Final = 2048  # arms of decisions that are computed at a time
_NO_CHANCE: Final = 1e-9  # variance under which an arm always or never comes first

# The index on id finds each slot at once, in the partition of its month.
_SHARES: Final = """
SELECT slot.day, chosen.arm, count(*)
FROM unnest(%s::date[], %s::uuid[], %s::uuid[], %s::int[]) AS slot (day, low, high, most)
CROSS JOIN LATERAL (
  SELECT arm FROM decisioning_decision WHERE id >= slot.low AND id < slot.high AND arm IS NOT NULL
  ORDER BY id DESC LIMIT slot.most
) AS chosen GROUP BY 1, 2
"""
_BUSY: Final = """
SELECT span.day FROM unnest(%s::date[], %s::uuid[], %s::uuid[]) AS span (day, low, high)
WHERE EXISTS (SELECT 1 FROM decisioning_decision WHERE id >= span.low AND id < span.high OFFSET %s)
"""


# --- Share over time -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Day:
    """How often each arm came first in a sample of one day's decisions that chose one."""

    day: date
    arms: Mapping[str, int]

    def share_of(self, arm: str) -> float | None:
        """None on a day without such a decision."""
        total = sum(self.arms.values())
        return self.arms.get(arm, 0) / total if total else None


_over: dict[date, Day] = {}  # days that are over do not change


def by_day(now: datetime, days: int = DAYS) -> list[Day]:
    """The last days up to today (UTC), the oldest first; of busy ones a sample spread over the day."""
    today = now.astimezone(UTC).date()
    wanted = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    missing = [day for day in wanted if day not in _over]
    found = _counted(missing)
    result = [_over.get(day) or Day(day, found.get(day, {})) for day in wanted]
    # A decision of the day's last second may still be under way shortly after midnight.
    settled = {day.day: day for day in result if day.day < (now - timedelta(hours=1)).astimezone(UTC).date()}
    _over.clear()
    _over.update(settled)
    return result


def forget() -> None:
    """Drop the days that are held, as a fresh process would start."""
    _over.clear()


def _counted(days: Sequence[date]) -> dict[date, dict[str, int]]:
    counts: dict[date, dict[str, int]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(_BUSY, [*_columns([_whole(day) for day in days]), A_DAY])
        busy = {day for (day,) in cursor.fetchall()}
        slots = [slot for day in days for slot in (_slots(day) if day in busy else [_whole(day)])]
        most = [A_DAY // _SLOTS_A_DAY if day in busy else A_DAY for day, _, _ in slots]
        cursor.execute(_SHARES, [*_columns(slots), most])
        for day, arm, count in cursor.fetchall():
            counts[day][arm] = count
    return counts


Slot = tuple[date, datetime, datetime]  # of a day: from, to


def _whole(day: date) -> Slot:
    start = datetime.combine(day, time(), UTC)
    return day, start, start + timedelta(days=1)


def _slots(day: date) -> list[Slot]:
    """The day in equal parts, so that a sample of a busy one is not of its evening."""
    _, start, end = _whole(day)
    length = (end - start) / _SLOTS_A_DAY
    return [(day, start + length * slot, start + length * (slot + 1)) for slot in range(_SLOTS_A_DAY)]


def _columns(slots: Sequence[Slot]) -> list[list[Any]]:
    return [
        [day for day, _, _ in slots],
        [first_id(low) for _, low, _ in slots],
        [first_id(high) for *_, high in slots],
    ]


# --- Draws -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Draws:
    """One arm in the newest decisions in which it competed: how often it came `first`, how often it was due to
    (`expected`, the sum of its chances of rank 1) and the p-value of that; `merit` is the mean chance before mandates,
    `share` after them. None without a decision, or where chance had no say."""

    decisions: int
    first: int
    expected: float
    merit: float | None
    share: float | None
    p_value: float | None

    @property
    def moved(self) -> float | None:
        """By how much mandates have moved its chance."""
        return None if self.share is None or self.merit is None else self.share - self.merit

    @property
    def mismatch(self) -> bool:
        return self.p_value is not None and self.p_value < MISMATCH_BELOW


def draws() -> Mapping[str, Draws]:
    """By arm, of the newest DRAWS decisions, or fewer where each has hundreds of arms. The chances are recomputed from
    what each decision recorded of its arms, so that a fault of the logged probabilities shows as well. Decisions
    without a posterior are left out."""
    by_release: dict[int, list[Decision]] = defaultdict(list)
    for release, decision in _newest():
        by_release[release].append(decision)
    tallies: dict[str, list[tuple[bool, float, float]]] = defaultdict(list)
    for release, decisions in by_release.items():
        chances = _chances(runtime.plan(release), decisions)
        for decision, (merits, shares) in zip(decisions, chances, strict=True):
            first = decision.choices[0].arm
            for row, merit, share in zip(decision.scored, merits, shares, strict=True):
                tallies[row.arm].append((row.arm == first, merit, share))
    return {arm: _draws(tally) for arm, tally in tallies.items()}


def _newest() -> Iterator[tuple[int, Decision]]:
    """Decisions that chose one of several arms by draw, with their release, the newest first."""
    rows = DecisionRow.objects.filter(arm__isnull=False).order_by("-id")
    arms = 0
    for release, result, degraded in rows.values_list("release", "result", "degraded")[:DRAWS]:
        decision = records.result_from_bytes(bytes(result))
        if decision.scored and "bandit_propensity_order" not in degraded:
            arms += len(decision.scored)
            yield release, decision
        if arms > _MOST_ARMS:
            return


def _chances(plan: Plan, decisions: Sequence[Decision]) -> list[tuple[Floats, Floats]]:
    """Of each decision, in the order of its arms, their chances of rank 1 by merit and those that it was drawn with."""
    place = {arm: at for at, arm in enumerate(plan.arms)}
    most = max(len(decision.scored) for decision in decisions)
    location, scale = np.full((len(decisions), most), -np.inf), np.zeros((len(decisions), most))
    for row, decision in enumerate(decisions):
        if decision.scored[0].share is None:
            size = len(decision.scored)
            at = [place[scored.arm] for scored in decision.scored]
            location[row, :size], scale[row, :size] = _blended(plan, decision, at)
    merits = first_probabilities_many(location, scale, block=max(1, _BLOCK // most))
    return [
        _logged(decision) or (merit[: len(decision.scored)],) * 2
        for decision, merit in zip(decisions, merits, strict=True)
    ]


def _logged(decision: Decision) -> tuple[Floats, Floats] | None:
    """Merit and share as a mandated decision recorded them; None of one without a mandate on shares."""
    if decision.scored[0].share is None:
        return None
    merit, share = (
        np.array([getattr(row, name) for row in decision.scored], dtype=np.float64) for name in ("merit", "share")
    )
    return merit, share


def _blended(plan: Plan, decision: Decision, at: list[int]) -> tuple[Floats, Floats]:
    """Locations and scales again from the record. An arm that was met by its expected score was not drawn for."""
    columns = np.array(
        [[row.propensity, row.boost, row.mean, row.width, row.draw] for row in decision.scored], dtype=np.float64
    )
    propensity, boost, mean, width, draw = columns.T
    trials = plan.release.ranking.noise_variance / np.square(width)
    location, scale = blend(
        plan.weights, propensity=propensity, boost=boost, mean=mean, width=width, effective_trials=trials,
        value=plan.values[at],
    )  # fmt: skip
    return location, np.where(draw == mean, 0.0, scale)


def _draws(tally: list[tuple[bool, float, float]]) -> Draws:
    first, merit, share = (np.array(column, dtype=np.float64) for column in zip(*tally, strict=True))
    variance = float((share * (1.0 - share)).sum())
    # The decisions differ in their chances, so the variance is that of the sum and not the usual expected count.
    statistic = float((first.sum() - share.sum()) ** 2) / variance if variance > _NO_CHANCE else None
    return Draws(
        len(tally), int(first.sum()), float(share.sum()), float(merit.mean()), float(share.mean()),
        None if statistic is None else float(chi2.sf(statistic, df=1)),
    )  # fmt: skip


# --- Results by context ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Segment:
    """Expected reward of a trial, with its 95 % credible interval, for the average customer or where one term of the
    context is one scale above its centre (of a category: where it holds). `term` None is the average customer."""

    term: ContextTerm | None
    mean: float
    low: float
    high: float


def by_context(plan: Plan, posterior: Posterior, arm: str) -> list[Segment]:
    """What the bandit believes of one arm, the average customer first."""
    terms = plan.release.ranking.context
    contexts = np.zeros((1 + len(terms), plan.dimension))
    contexts[:, 0] = 1.0
    contexts[np.arange(1, len(contexts)), np.arange(1, len(contexts))] = 1.0
    place = posterior.indices([arm])
    found = []
    for term, context in zip((None, *terms), contexts, strict=True):
        (mean,), (width,) = posterior.predict(context, place)
        found.append(
            Segment(term, float(mean), max(0.0, float(mean - Z_95 * width)), max(0.0, float(mean + Z_95 * width)))
        )
    return found


# --- Rewards that are late -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delays:
    """`waiting` outcomes of the offer that the learner has not seen, the oldest since `oldest`; `typical` is the median
    of seconds from a decision for this arm to an outcome that was rewarded, of the newest ones, None without any."""

    waiting: int
    oldest: datetime | None
    typical: float | None
    rewarded: int


def delays(arm: str, offer: str) -> Delays:
    work = RewardWork.objects.filter(offer=offer).aggregate(waiting=Count("id"), oldest=Min("occurred_at"))
    logged = RewardLog.objects.filter(arm=arm, type=REWARD, reward__gt=0).order_by("-folded_at")
    targets = list(logged.values_list("customer_id", "decision_id")[:NEWEST_REWARDS])
    outcomes = Outcome.objects.filter(
        customer_id__in={customer for customer, _ in targets}, decision_id__in=[decision for _, decision in targets],
        arm=arm,
    ).exclude(type__in=("impression", "dismissal", "decline"))  # fmt: skip
    found = outcomes.values_list("decision_id", "occurred_at")
    waits = [(at - moment_of(decision)).total_seconds() for decision, at in found]
    return Delays(work["waiting"], work["oldest"], median(waits) if waits else None, len(waits))
