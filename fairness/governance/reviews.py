"""When a model is to be reviewed: at the end of its period, or as soon as something calls for it; and what becomes of a
model of tier 1 whose review is overdue."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import transaction

from decisioning import rebuild
from decisioning.features import statistics
from decisioning.models import ModelVersion, Signal
from fairness import findings
from fairness.audit import DECISIONS
from fairness.governance import fields, inventory, measurement
from fairness.governance.validation import months_after
from fairness.models import FairnessAudit, ModelRecord, ModelValidation, ReviewTrigger
from fairness.thresholds import Verdict
from offers import roles, snapshot, stopping
from offers.models import Release, Stop
from offers.register import GROUPS

SHIFTED: Final = 0.25
"""Population stability index beyond which an input is another than it was trained on."""
DROP: Final = 0.03
"""Loss of AUC against the training report."""
GRACE: Final = timedelta(days=30)
"""After the day of its review, before a model of tier 1 is stopped."""
MONTH: Final = timedelta(days=30)
SPIKE: Final = 20
"""Complaints of a month below which a doubling says nothing."""
KINDS: Final[Mapping[str, str]] = {
    "drift": "an input drifted",
    "auc": "it ranks worse than reported",
    "parity": "a group falls behind among those it scores",
    "source": "an input means something else",
    "pack": "a policy pack changed",
    "complaints": "complaints doubled",
}


@dataclass(frozen=True, slots=True)
class Due:
    """When a model is to be reviewed, and why then; `overdue` in days, 0 before."""

    name: str
    tier: int
    on: date
    because: str
    overdue: int


def look(now: datetime) -> list[Due]:
    """The nightly check of the champion: what calls for a review opens a finding, and so does an overdue one; beyond
    its grace a model of tier 1 is stopped until a person resumes it."""
    champion = ModelVersion.objects.filter(status=ModelVersion.Status.CHAMPION).defer("content").first()
    if champion is None:
        return []
    record = inventory.keep(champion.name, now)
    for kind, detail in _seen(champion, now):
        _call(champion.name, kind, detail, now)
    due = calendar(champion, record, now)
    if due is not None and due.overdue:
        _overdue(due, now)
    return [due] if due else []


def calendar(model: ModelVersion, record: ModelRecord, now: datetime) -> Due | None:
    """None of a model that never went live and that nothing calls for."""
    dates = list(_dates(model.name, record.tier))
    if not dates:
        return None
    on, because = min(dates)
    return Due(model.name, record.tier, on, because, max(0, (now.date() - on).days))


def _dates(name: str, tier: int) -> Iterator[tuple[date, str]]:
    last = (
        ModelValidation.objects.filter(model__name=name, signed_at__isnull=False).exclude(conclusion="rejected").first()
    )
    live = went_live(name)
    if last is not None and last.valid_until is not None:
        yield last.valid_until, "its validation ends"
    elif live is not None:
        yield (
            months_after(live.published_at.date(), fields.PERIODS[tier]),
            f"{fields.PERIODS[tier]} months after it went live",
        )
    for trigger in ReviewTrigger.objects.filter(model__name=name, settled_by__isnull=True):
        yield trigger.seen_at.date(), KINDS[trigger.kind]


def went_live(name: str) -> Release | None:
    """The first release with this model."""
    return Release.objects.filter(change__in=inventory.proposals(name)).order_by("number").first()


def _seen(model: ModelVersion, now: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    """What calls for a review now, by kind."""
    shifted = {
        name: drift.index for name, drift in statistics.drift(model.name).items() if (drift.index or 0) > SHIFTED
    }
    if shifted:
        yield "drift", {"index": shifted}
    made = measurement.newest(model.name)
    before, area = model.report.get("auc"), made.content["overall"]["auc"] if made else None
    if made and before and area and made.content["out_of_time"] and before - area > DROP:
        yield "auc", {"reported": before, "measured": area}
    audit = FairnessAudit.objects.filter(source=DECISIONS, stage__in=("scored", "exposed", "selected")).first()
    if audit and audit.verdict == Verdict.FAIL:
        yield "parity", {"audit": audit.pk, "stage": audit.stage}
    trained = model.report.get("group_versions", {})
    moved = {name: GROUPS[name].version for name, version in trained.items() if GROUPS[name].version != version}
    if moved:
        yield "source", {"group_versions": moved}
    live, first = snapshot.live_row(), went_live(model.name)
    if live and first and live.content.get("pack", {}) != first.content.get("pack", {}):
        yield "pack", {"release": live.number, "since": first.number}
    recent, before_that = _complaints(now - MONTH, now), _complaints(now - 2 * MONTH, now - MONTH)
    if recent >= SPIKE and recent > 2 * before_that:
        yield "complaints", {"last_30_days": recent, "30_days_before": before_that}


def _complaints(start: datetime, end: datetime) -> int:
    return Signal.objects.filter(type="complaint", occurred_at__gte=start, occurred_at__lt=end).count()


def _call(name: str, kind: str, detail: dict[str, Any], now: datetime) -> None:
    """Once for each kind, until a validation answers it; and not again for what the last validation looked at."""
    answered = ReviewTrigger.objects.filter(
        model__name=name, kind=kind, settled_by__isnull=False, detail=detail
    ).exists()
    if answered:
        return
    with transaction.atomic():
        if not ReviewTrigger.objects.filter(model__name=name, kind=kind, settled_by__isnull=True).exists():
            ReviewTrigger.objects.create(model_id=name, kind=kind, detail=detail, seen_at=now)
        findings.breach(
            kind="model", subject=f"model {name}: {kind}", title=f"Model {name} needs a review: {KINDS[kind]}",
            evidence=detail, owner_role=roles.MODEL_RISK, now=now,
        )  # fmt: skip


def _overdue(due: Due, now: datetime) -> None:
    findings.breach(
        kind="validation", subject=f"model {due.name}", title=f"The review of {due.name} is overdue since {due.on}",
        cause=due.because, evidence={"tier": due.tier, "due": due.on.isoformat()}, owner_role=roles.MODEL_RISK,
        severity="high" if due.tier == 1 else "medium", now=now,
    )  # fmt: skip
    if due.tier == 1 and due.overdue > GRACE.days:
        _suspend(due, now)


def _suspend(due: Due, now: datetime) -> None:
    """Whatever the packs say of pauses. Once: a person who resumes it has decided that it may run unreviewed."""
    before = Stop.objects.filter(scope=Stop.Scope.MODEL, target=due.name, stopped_by__isnull=True)
    if before.filter(stopped_at__date__gte=due.on).exists():
        return
    reason = f"Its review is overdue since {due.on}, and it is of tier 1."
    with contextlib.suppress(stopping.AlreadyStopped, stopping.UnknownTarget), transaction.atomic():
        stopping.stop_by_policy(scope=Stop.Scope.MODEL, target=due.name, reason=reason, now=now)
        transaction.on_commit(rebuild.announce)
