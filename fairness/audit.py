"""What really happened, by protected group: who was eligible, chosen for, and clicked; or who accepted in a bank's own
history. AIF360 is the audit of record, the closed forms stand beside it; only counts leave this module."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from django.db import transaction
from django.db.models import Max, Min
from numpy.typing import NDArray

from decisioning import activity, decision_log, identity, impact, runtime
from decisioning.models import Decision as DecisionRow
from decisioning.models import LoggedDecision, Outcome
from fairness import audit_worker, dataset, thresholds
from fairness.audit_worker import AuditCell, AuditResult
from fairness.counts import GroupCounts
from fairness.dataset import Grouping
from fairness.models import FairnessAudit
from fairness.thresholds import ComparisonResult, Verdict
from offers import audit as trail

DECISIONS: Final = "decisions"
ELIGIBLE, EXPOSED, CLICKED, ACCEPTED = "eligible", "exposed", "clicked", "accepted"
STAGES: Final[Mapping[str, str]] = {
    ELIGIBLE: "eligible for the offer, or for at least one competing offer, of those who could be contacted",
    EXPOSED: "an offer ranked first for them, of those eligible for it",
    CLICKED: "clicked, of those who were shown the offer",
    ACCEPTED: "accepted, of those who were sent the arm",
}
"""The favourable outcome and the denominator of each stage, for whoever reads its numbers."""
ANY: Final = "any_offer"
_BEFORE_ELIGIBILITY: Final = frozenset({"NO_CONSENT", "SUPPRESSED", "NOT_NOW", "HOLDOUT"})

Unit = tuple[int, int]  # customer and month: rows of one person are not independent, so a month counts once
Period = tuple[datetime, datetime]
Mask = NDArray[np.bool_]


@dataclass(slots=True)
class Funnel:
    """One stage by unit: which offers (or arms) each could have had, and which it got, as bits of an integer."""

    stage: str
    bits: dict[str, int] = field(default_factory=dict)
    could: dict[Unit, int] = field(default_factory=lambda: defaultdict(int))
    got: dict[Unit, int] = field(default_factory=lambda: defaultdict(int))

    def bit(self, offer: str) -> int:
        return self.bits.setdefault(offer, 1 << len(self.bits))

    def note(self, unit: Unit, could: Iterator[str] | Sequence[str], got: Iterator[str] | Sequence[str]) -> None:
        for offer in could:
            self.could[unit] |= self.bit(offer)
        for offer in got:
            self.got[unit] |= self.bit(offer)

    def units(self) -> list[Unit]:
        return sorted(self.could)

    def subjects(self) -> Iterator[tuple[str, Mask, Mask]]:
        """(subject, in the denominator (U,), favourable (U,)) for any offer and then for each, over `units()`."""
        units = self.units()
        could, got = [self.could[unit] for unit in units], [self.got.get(unit, 0) for unit in units]
        for name, bit in [(ANY, -1), *sorted(self.bits.items())]:
            yield name, _has(could, bit), _has([had & have for had, have in zip(could, got, strict=True)], bit)


def _has(bits: Sequence[int], wanted: int) -> Mask:
    return np.fromiter((held & wanted != 0 for held in bits), dtype=bool, count=len(bits))


def audit(now: datetime, *, source: str = DECISIONS, period: Period | None = None) -> list[FairnessAudit]:
    """Audit each stage and store it. `source` is "decisions", or a mapping whose logged decisions were loaded; without
    a period: this month and the one before, or the whole of a loaded history.

    Raises AuditFailed where AIF360 gives no answer; nothing is stored then.
    """
    if source == DECISIONS:
        chosen = period or (_month_before(now), now)
        funnels = [*_from_decisions(chosen), _from_outcomes(chosen)]
    else:
        chosen = period or _whole(source, now)
        funnels = [_from_history(source, chosen)]
    compared = [_compare(funnel, now) for funnel in funnels]
    checked = iter(_checked([row for rows in compared for _, row in rows]))
    with transaction.atomic():
        return [_store(*pair, checked, source, chosen, now) for pair in zip(funnels, compared, strict=True)]


def _from_decisions(period: Period) -> list[Funnel]:
    """Eligibility and exposure from the decisions of the period, read in bounded memory."""
    eligible, exposed = Funnel(ELIGIBLE), Funnel(EXPOSED)
    rows = DecisionRow.objects.filter(
        id__gte=activity.first_id(period[0]), id__lt=activity.first_id(period[1])
    ).order_by()
    with transaction.atomic():  # a cursor that outlives its transaction would copy every decision to disk first
        for row in rows.only("id", "customer_id", "release", "reason", "offer", "result").iterator(chunk_size=2000):
            if row.reason in _BEFORE_ELIGIBILITY:
                continue
            unit = (row.customer_id, _month(row.id))
            refusals = decision_log.result(row).refusals
            running = _competing(row.release) - {refusal.offer for refusal in refusals if refusal.stage == "stops"}
            passed = running - {refusal.offer for refusal in refusals if refusal.stage == "eligibility"}
            eligible.note(unit, sorted(running), sorted(passed))
            exposed.note(unit, sorted(passed), [row.offer] if row.offer else [])
    return [eligible, exposed]


def _competing(release: int) -> frozenset[str]:
    plan = runtime.plan(release)
    return frozenset(np.array(plan.offers, dtype=object)[impact.competing_offers(plan)].tolist())


def _from_outcomes(period: Period) -> Funnel:
    """Clicks among the offers that channels report as seen; a click without its impression was seen as well."""
    funnel = Funnel(CLICKED)
    rows = Outcome.objects.filter(occurred_at__gte=period[0], occurred_at__lt=period[1]).order_by()
    seen = rows.filter(type__in=("impression", "click")).values_list("customer_id", "decision_id", "offer", "type")
    with transaction.atomic():
        for customer, decision, offer, kind in seen.iterator(chunk_size=5000):
            funnel.note((customer, _month(decision)), [offer], [offer] if kind == "click" else [])
    return funnel


def _from_history(source: str, period: Period) -> Funnel:
    """Acceptance in a bank's own logged decisions, by arm and over all; one unit a customer."""
    funnel = Funnel(ACCEPTED)
    rows = LoggedDecision.objects.filter(source=source, occurred_at__gte=period[0], occurred_at__lte=period[1])
    with transaction.atomic():
        for customer, arm, reward in rows.order_by().values_list("customer_id", "arm", "reward").iterator(5000):
            funnel.note((customer, 0), [arm], [arm] if reward > 0 else [])
    return funnel


def _compare(funnel: Funnel, now: datetime) -> list[tuple[str, ComparisonResult]]:
    """Every comparison of a stage with its subject; those of one subject are one family."""
    customers = np.array([customer for customer, _ in funnel.units()], dtype=np.int64)
    distinct, place = np.unique(customers, return_inverse=True)
    groupings = {name: groups.among(place) for name, groups in dataset.groupings(distinct, now).items()}
    return [
        (subject, row)
        for subject, could, got in funnel.subjects()
        for row in thresholds.compare_all(_tables(groupings, could, got))
    ]


def _tables(groupings: Mapping[str, Grouping], could: Mask, got: Mask) -> dict[str, dict[str, GroupCounts]]:
    return {name: groups.among(could).table(got[could]) for name, groups in groupings.items()}


def _checked(rows: Sequence[ComparisonResult]) -> list[AuditResult]:
    """AIF360 on the same counts, in a process of its own for all stages together: its import costs seconds."""
    cells = [
        AuditCell(
            row.attribute,
            GroupCounts(row.group, row.total, row.favourable),
            GroupCounts(row.reference, row.reference_total, row.reference_favourable),
        )
        for row in rows
    ]
    return audit_worker.run_isolated(cells) if cells else []


def _store(
    funnel: Funnel,
    rows: Sequence[tuple[str, ComparisonResult]],
    checked: Iterator[AuditResult],
    source: str,
    period: Period,
    now: datetime,
) -> FairnessAudit:
    content: list[dict[str, Any]] = []
    largest = 0.0
    for subject, row in rows:
        result = next(checked)
        largest = max(largest, result.largest_difference)
        content.append(
            {"subject": subject, **row.to_json(), "aif360": result.metrics, "aif360_version": result.aif360_version}
        )
    population = len(funnel.could)
    nothing = Verdict.TOO_LITTLE_DATA if population else Verdict.UNDEFINED
    verdict = thresholds.worst(row.verdict for _, row in rows) if rows else nothing
    stored = FairnessAudit.objects.create(
        stage=funnel.stage, source=source, period_from=period[0], period_to=period[1], population=population,
        verdict=verdict.value, comparisons=content, largest_difference=largest, computed_at=now,
    )  # fmt: skip
    trail.record(
        actor="candor", action="fairness.audited", subject=f"{funnel.stage} of {source}",
        detail={"audit": stored.pk, "verdict": verdict.value, "population": population}, now=now,
    )  # fmt: skip
    return stored


def _month(decision: UUID) -> int:
    moment = identity.moment_of(decision)
    return moment.year * 12 + moment.month


def _month_before(now: datetime) -> datetime:
    year, month = (now.year, now.month - 1) if now.month > 1 else (now.year - 1, 12)
    return datetime(year, month, 1, tzinfo=UTC)


def _whole(source: str, now: datetime) -> Period:
    ends = LoggedDecision.objects.filter(source=source).aggregate(first=Min("occurred_at"), last=Max("occurred_at"))
    return ends["first"] or now, ends["last"] or now
