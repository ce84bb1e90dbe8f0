"""The steps that make the demo bank, in an order that lets the first decision be asked early; each can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from django.db import connection
from django.utils import timezone

from console.bank import changes, customers, events, first_night, history, past, staff
from console.bank.changes import Proposal
from console.bank.people import CHUNK
from console.bank.sessions import MOST_VISITORS
from console.demo_access import JOB
from decisioning import jobs, learn, rebuild, retraining, scoring
from decisioning.features import materialise
from decisioning.models import Customer, Job, ModelVersion, PrecomputedScore
from fairness import monitoring
from fairness.cube import record, units
from fairness.models import CubeCount, FairnessAudit
from fairness.scores import record as scores

_WARMED = 2_000  # customers at a time
_EARLY = 250  # sessions right after the first cards, so that no page is empty while the rest is seeded

Progress = Callable[[str, int, int], None]  # step, done, total


class AnotherSeed(ValueError):
    """The bank was begun with another seed: its customers would not fit together."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How large the bank becomes. `sessions` are asked before the model is trained, `later` after it is champion."""

    customers: int
    seed: int

    @property
    def sessions(self) -> int:
        return min(3_000, max(700, self.customers // 6))

    @property
    def months(self) -> int:
        """Before the bank opened. A small bank has few people to tell of, and its months are only there to be seen."""
        return 6 if self.customers >= 10_000 else 3

    @property
    def past(self) -> int:
        """Visits of each month before the bank opened."""
        return min(600, max(100, self.customers // 25))

    @property
    def later(self) -> int:
        return min(1_000, max(300, self.customers // 14))


def seed(plan: Plan, *, progress: Progress) -> None:
    """Make or complete the bank. Raises NotTheDemo, AnotherSeed or jobs.AlreadyRunning."""
    now = timezone.now()
    first = Job.objects.filter(kind=JOB).order_by("id").first()
    if first and first.argument["seed"] != plan.seed:
        raise AnotherSeed(f"this bank was begun with --seed {first.argument['seed']}")
    with _relaxed(), jobs.running(JOB, {"customers": plan.customers, "seed": plan.seed}, now) as job:
        job.total = plan.customers
        opened = first.started_at if first else job.started_at
        _first_light(plan, opened, job, progress)
        _load(plan, plan.customers, opened, job, progress)
        _warm(progress)
        _live(range(_EARLY, plan.sessions), plan, progress)
        _champion(progress)
        _score(progress)
        _changes("a new creative", changes.LATER, progress)
        _live(range(plan.sessions, plan.sessions + plan.later), plan, progress)
        _changes("changes in review", changes.OPEN, progress)
        _audit(progress)
        _first_night(progress)
        _audit_past(progress)


@contextmanager
def _relaxed() -> Iterator[None]:
    """Commits of this connection do not wait for the disk: what a crash of Postgres takes, the next run makes again."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit TO DEFAULT")


def _first_light(plan: Plan, opened: datetime, job: Job, progress: Progress) -> None:
    """People, keys, a first chunk of customers, 24 cards with all their rules: from here on the API can answer. What
    people agree on is dated before the months that follow; its evidence is of the customers as they are known today."""
    agreed = past.clock(opened, past.founded(opened, plan.months))
    progress("people and keys", 0, 1)
    staff.ensure(agreed())
    progress("people and keys", 1, 1)
    _load(plan, min(CHUNK, plan.customers), opened, job, progress)
    materialise.missing(_first_customers(CHUNK), timezone.now())
    _changes("first releases", changes.OPENING, progress, agreed)
    learn.run(timezone.now())  # the arms' priors
    if rebuild.is_cold():
        progress("redis", 0, 1)
        rebuild.rebuild()
        progress("redis", 1, 1)
    _past(plan, opened, progress)
    _live(range(_EARLY), Plan(min(CHUNK, plan.customers), plan.seed), progress)


def _past(plan: Plan, opened: datetime, progress: Progress) -> None:
    """The months before today. With the last of them comes the rule on travel cards: what it does to a group is seen in
    the trend."""
    months = past.months(opened, plan.months)
    for number, month in enumerate(months):
        if month == months[-1]:
            start = datetime.combine(month, time(8, tzinfo=UTC))
            _changes("rules and boosts", changes.GROWTH, progress, past.clock(opened, start))
        told = _after(number * plan.past, len(months) * plan.past, progress)
        past.live(month, seed=plan.seed, visits=plan.past, opened=opened, progress=told)


def _after(before: int, total: int, progress: Progress) -> Callable[[int], None]:
    return lambda done: progress("past months", before + done, total)


def _first_customers(count: int) -> list[int]:
    rows = Customer.objects.filter(source=events.SOURCE).order_by("id").values_list("id", flat=True)
    return list(rows[:count])


def _load(plan: Plan, count: int, opened: datetime, job: Job, progress: Progress) -> None:
    def tell(done: int) -> None:
        Job.objects.filter(pk=job.pk).update(done=done, total=plan.customers)
        job.done = done
        progress("customers", done, count)

    customers.load(count, seed=plan.seed, opened=opened, progress=tell)


def _warm(progress: Progress) -> None:
    """Those who come are in Redis before they come; the others follow with their scores."""
    ids = _first_customers(MOST_VISITORS)
    for start in range(0, len(ids), _WARMED):
        materialise.missing(ids[start : start + _WARMED], timezone.now())
        progress("profiles to redis", min(len(ids), start + _WARMED), len(ids))


def _changes(step: str, proposals: Sequence[Proposal], progress: Progress, clock: changes.Clock = timezone.now) -> None:
    for number, proposal in enumerate(proposals):
        progress(step, number, len(proposals))
        changes.carry(proposal, clock)
    progress(step, len(proposals), len(proposals))


def _live(numbers: range, plan: Plan, progress: Progress) -> None:
    size = len(numbers)
    progress("sessions", 0, size)
    history.live(
        numbers, seed=plan.seed, customers=plan.customers,
        progress=lambda number: progress("sessions", number - numbers.start, size),
    )  # fmt: skip


def _champion(progress: Progress) -> None:
    """A challenger trained on what has happened, then two people make it champion."""
    if changes.is_live(changes.CHAMPION):
        return
    progress("model", 0, 2)
    if not ModelVersion.objects.exists():
        retraining.retrain(timezone.now())
    progress("model", 1, 2)
    changes.carry(changes.CHAMPION)
    progress("model", 2, 2)


def _score(progress: Progress) -> None:
    """Precomputed scores for everybody, and a vector for whoever has none yet."""
    champion = ModelVersion.objects.filter(status=ModelVersion.Status.CHAMPION).first()
    scored: dict[str, Any] = {"layout__model": champion.name if champion else ""}
    if PrecomputedScore.objects.filter(**scored).count() < customers.present():
        scoring.score_population(timezone.now(), lambda done, total: progress("scores", done, total))


def _audit(progress: Progress) -> None:
    """AIF360 and the closed forms on what really happened this month. A quick machine has decided less than LAG ago,
    which the nightly task would leave for the next time; here no decision is on its way any more."""
    progress("fairness audit", 0, 1)
    if not FairnessAudit.objects.filter(source=record.SOURCE).exists():
        now = timezone.now()
        record.refresh(now + units.LAG)
        record.audit(record.due()[-1:], now)
    progress("fairness audit", 1, 1)


def _audit_past(progress: Progress) -> None:
    """The months before, last of all because each takes seconds; then what all of them call for, by rising month."""
    progress("audits of the past", 0, 1)
    if not Job.objects.filter(kind="audit", status=Job.Status.DONE).exists():
        now = timezone.now()
        with jobs.running("audit", {"source": record.SOURCE}, now):
            record.audit(record.due(), now)
            monitoring.raise_unlawful(now)
            for month in CubeCount.objects.order_by("month").values_list("month", flat=True).distinct():
                monitoring.raise_findings(month, now)
            scores.nightly(now)
    progress("audits of the past", 1, 1)


def _first_night(progress: Progress) -> None:
    progress("checks of the first night", 0, 1)
    if first_night.pending():
        first_night.run(timezone.now())
    progress("checks of the first night", 1, 1)
