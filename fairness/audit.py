"""Audits of what really happened, by protected group: each month of our own decisions from the count cube, and
acceptance in a bank's own history. AIF360 is the audit of record, beside the closed forms; only counts leave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np
from django.db import transaction
from django.db.models import Max, Min
from numpy.typing import NDArray

from decisioning.models import LoggedDecision
from fairness import audit_worker, dataset, thresholds
from fairness.counts import GroupCounts
from fairness.cube import record
from fairness.dataset import Grouping
from fairness.models import FairnessAudit
from fairness.thresholds import ComparisonResult, Verdict
from offers import audit as trail

DECISIONS: Final = record.SOURCE
ACCEPTED: Final = "accepted"
"""The stage of a loaded history: accepted, of those who were sent the arm."""
ANY: Final = "any_offer"

Mask = NDArray[np.bool_]


def audit(now: datetime, *, source: str = DECISIONS) -> list[FairnessAudit]:
    """Audit and store. `source` is "decisions", of which every month is audited that was counted since its last audit,
    or a mapping whose logged decisions were loaded, of which the whole is.

    Raises AuditFailed where AIF360 gives no answer; nothing of that month is stored then.
    """
    if source != DECISIONS:
        return [_of_history(source, now)]
    record.refresh(now, nightly=True)
    return record.audit(record.due(), now)


def _of_history(source: str, now: datetime) -> FairnessAudit:
    """Acceptance by arm and over all; one unit a customer, and the comparisons of one arm are one family."""
    sent, took = _arms(source)
    customers = np.array(sorted({customer for held in sent.values() for customer in held}), dtype=np.int64)
    groupings = dataset.groupings(customers, now)
    compared = [
        (arm, row)
        for arm in [ANY, *sorted(sent)]
        for row in thresholds.compare_all(_tables(groupings, *_masks(customers, arm, sent, took)))
    ]
    cells = [record.cell_of(row) for _, row in compared]
    checked = audit_worker.run_isolated(cells) if cells else []
    content = [
        {"subject": arm, **row.to_json(), "aif360": one.metrics, "aif360_version": one.aif360_version}
        for (arm, row), one in zip(compared, checked, strict=True)
    ]
    largest = max((one.largest_difference for one in checked), default=0.0)
    return _store(source, content, _verdict(compared, len(customers)), len(customers), largest, now)


Sent = Mapping[str, set[int]]


def _arms(source: str) -> tuple[Sent, Sent]:
    """Customers by the arm that they were sent, and by the arm that they accepted."""
    sent: dict[str, set[int]] = defaultdict(set)
    took: dict[str, set[int]] = defaultdict(set)
    rows = LoggedDecision.objects.filter(source=source).order_by()
    with transaction.atomic():  # a cursor that outlives its transaction would copy every decision to disk first
        for customer, arm, reward in rows.values_list("customer_id", "arm", "reward").iterator(5000):
            sent[arm].add(customer)
            if reward > 0:
                took[arm].add(customer)
    return sent, took


def _masks(customers: NDArray[np.int64], arm: str, sent: Sent, took: Sent) -> tuple[Mask, Mask]:
    def among(held: Sent) -> Mask:
        chosen = set[int]().union(*held.values()) if arm == ANY else held.get(arm, set())
        return np.isin(customers, list(chosen))

    return among(sent), among(took)


def _tables(groupings: Mapping[str, Grouping], could: Mask, got: Mask) -> dict[str, dict[str, GroupCounts]]:
    return {name: groups.among(could).table(got[could]) for name, groups in groupings.items()}


def _verdict(compared: list[tuple[str, ComparisonResult]], population: int) -> Verdict:
    nothing = Verdict.TOO_LITTLE_DATA if population else Verdict.UNDEFINED
    return thresholds.worst(row.verdict for _, row in compared) if compared else nothing


def _store(
    source: str, content: list[dict[str, Any]], verdict: Verdict, population: int, largest: float, now: datetime
) -> FairnessAudit:
    ends = LoggedDecision.objects.filter(source=source).aggregate(first=Min("occurred_at"), last=Max("occurred_at"))
    with transaction.atomic():
        stored = FairnessAudit.objects.create(
            stage=ACCEPTED, source=source, period_from=ends["first"] or now, period_to=ends["last"] or now,
            population=population, verdict=verdict.value, comparisons=content, largest_difference=largest,
            computed_at=now,
        )  # fmt: skip
        trail.record(
            actor="candor", action="fairness.audited", subject=f"{ACCEPTED} of {source}",
            detail={"audit": stored.pk, "verdict": verdict.value, "population": population}, now=now,
        )  # fmt: skip
    return stored
