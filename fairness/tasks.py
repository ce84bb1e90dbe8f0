"""Celery entry points of evidence and audits, on the queue whose worker is thrown away after each task."""

from __future__ import annotations

import contextlib
from datetime import date
from typing import Final

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connections
from django.utils import timezone

from decisioning import jobs
from decisioning.impact import Disagreement
from decisioning.models import Job, ModelVersion
from decisioning.propensity.dataset import NothingLogged
from decisioning.runtime import NoRelease
from fairness import audit, evidence, gate, monitoring, proxies
from fairness.alternatives import search
from fairness.causes import of_decisions, of_offers
from fairness.cube import record
from fairness.explanations import close_proxies
from fairness.governance import anchoring, inventory, measurement, replays, reviews
from fairness.governance.examiner import pack
from fairness.governance.examiner import scope as scopes
from fairness.individual import flip, neighbours, source, swap
from fairness.models import Search
from fairness.scores import record as scores
from offers.catalog import InvalidContent
from offers.models import ChangeRequest, Release

EVIDENCE_SECONDS: Final = 1_800  # a bank of a million takes half a minute; a day's worth of one is a fault

EXAMINER_PACK: Final = "examiner_pack"  # the kind of job
CAUSES: Final = "causes"  # likewise
INDIVIDUALS: Final = "individuals"  # likewise


def evidence_job(change_id: int) -> str:
    """The kind of the job row of a change's evidence: one at a time for each change, others beside it."""
    return f"evidence-{change_id}"


@shared_task(queue="fairness", soft_time_limit=EVIDENCE_SECONDS)
def compute_evidence(change_id: int) -> None:
    """The evidence of a change on the release in force. A candidate that cannot run, a run that is not the engine's, or
    one that takes too long ends the job with its faults, and without evidence nothing goes live."""
    now = timezone.now()
    with (
        contextlib.suppress(jobs.AlreadyRunning, InvalidContent, Disagreement, SoftTimeLimitExceeded),
        jobs.running(evidence_job(change_id), {"change": change_id}, now) as job,
    ):
        evidence.compute(ChangeRequest.objects.get(pk=change_id), now, jobs.reporter(job))


@shared_task(queue="default")
def publish_due() -> None:
    """Put live what was approved for a moment that has come; what the catalogue or the lines have overtaken is computed
    again first, once after that moment and for each release."""
    live = Release.objects.order_by("-number").values_list("published_at", flat=True).first()
    for change_id in gate.publish_due(timezone.now()):
        due = ChangeRequest.objects.values_list("go_live_at", flat=True).get(pk=change_id)
        since = max(moment for moment in (live, due) if moment is not None)
        job = Job.objects.filter(kind=evidence_job(change_id), started_at__gte=since).order_by("-id").first()
        if job is None:
            compute_evidence.delay(change_id)
        elif job.status == Job.Status.FAILED:
            gate.hold(change_id, f"its effect could not be computed: {job.message}"[:500], timezone.now())


def search_job(search_id: int) -> str:
    """The kind of the job row of a search for alternatives: one at a time for each, others beside it."""
    return f"search-{search_id}"


@shared_task(queue="fairness")
def search_alternatives(search_id: int) -> None:
    """Run a frozen protocol, once; what it cannot be run on ends the job with its reason."""
    now = timezone.now()
    wanted = Search.objects.filter(pk=search_id, run__isnull=True).first()
    with (
        contextlib.suppress(jobs.AlreadyRunning, search.NotSigned, LookupError, ValueError),
        jobs.running(search_job(search_id), {"search": search_id}, now) as job,
    ):
        if wanted is not None:
            search.run(wanted, now, jobs.reporter(job))


@shared_task(queue="fairness")
def check_individuals() -> None:
    """Every week: turn protected columns over, of the last loaded export if it is still there; compare people who are
    alike, swap what stands for a group."""
    now = timezone.now()
    with (
        contextlib.suppress(jobs.AlreadyRunning, ValueError, NoRelease),
        jobs.running(INDIVIDUALS, {}, now) as job,
    ):
        flip.check(now, export=source.last_loaded(), progress=jobs.reporter(job))
        neighbours.check(now)
        swap.check(now)


@shared_task(queue="fairness")
def measure_proxies() -> int:
    """How much each attribute tells of each protected group; the number of figures."""
    return proxies.measure(timezone.now())


@shared_task(queue="fairness")
def find_causes(offer: str = "") -> None:
    """What is behind every gap: in rules, inputs, exposure and steering; or in the rules and inputs of one offer."""
    now = timezone.now()
    with contextlib.suppress(jobs.AlreadyRunning), jobs.running(CAUSES, {"offer": offer}, now) as job:
        if offer:
            job.message = f"{of_offers.one(offer, now)} answers"
        else:
            job.message = f"{of_offers.nightly(now) + of_decisions.nightly(now)} answers"
            close_proxies.nightly(now)


@shared_task(queue="fairness")
def audit_decisions(source: str = audit.DECISIONS) -> None:
    """Audit the bank's own decisions and open findings on what fails, or audit the history that a mapping loaded."""
    now = timezone.now()
    with contextlib.suppress(jobs.AlreadyRunning), jobs.running("audit", {"source": source}, now):
        audited = audit.audit(now, source=source)
        if source == audit.DECISIONS:
            monitoring.raise_unlawful(now)
            for month in sorted({row.period_from.date() for row in audited}):
                monitoring.raise_findings(month, now)
            scores.nightly(now)


@shared_task(queue="fairness")
def count_units() -> None:
    """Bring the cube up to date with what was decided and answered since the last time."""
    now = timezone.now()
    with contextlib.suppress(jobs.AlreadyRunning), jobs.running("cube", {}, now):
        record.refresh(now)


@shared_task(queue="fairness")
def make_examiner_pack(first: str, last: str, campaign: str, by: str) -> None:
    """A pack from the first day to the last, for whoever asked; one at a time."""
    now = timezone.now()
    told: dict[str, object] = {"from": first, "to": last, "campaign": campaign, "by": by}
    with contextlib.suppress(jobs.AlreadyRunning), jobs.running(EXAMINER_PACK, told, now) as job:
        scope = scopes.of(date.fromisoformat(first), date.fromisoformat(last), campaign)
        with contextlib.closing(connections["default"].copy()) as beside:

            def report(done: int, total: int) -> None:
                """On a connection of its own: the pack reads in one transaction, which writes nothing."""
                job.done, job.total = done, total
                with beside.cursor() as cursor:
                    cursor.execute(
                        "UPDATE decisioning_job SET done = %s, total = %s WHERE id = %s", [done, total, job.pk]
                    )

            job.message = str(pack.make(scope, by=by, now=now, report=report))


def measurement_job(name: str) -> str:
    """The kind of the job row of a model's measurement."""
    return f"measure-{name}"[:30]


@shared_task(queue="fairness")
def measure_model(name: str, again: bool = False) -> None:
    """How a model does on what was decided and answered, and whether it can be trained once more."""
    now = timezone.now()
    with contextlib.suppress(jobs.AlreadyRunning), jobs.running(measurement_job(name), {"model": name}, now):
        measurement.measure(name, now, again=again)


@shared_task(queue="fairness")
def review_models() -> None:
    """Measure the champion; fill in the inventory of every model; see what calls for a review."""
    now = timezone.now()
    for model in ModelVersion.objects.filter(records__isnull=True).only("name"):
        inventory.keep(model.name, now)
    champion = ModelVersion.objects.filter(status=ModelVersion.Status.CHAMPION).only("name").first()
    if champion is not None:
        with contextlib.suppress(NothingLogged):
            measurement.measure(champion.name, now)
    reviews.look(now)


@shared_task(queue="fairness")
def replay_decisions() -> None:
    """A sample of all decisions, decided again."""
    now = timezone.now()
    with (
        contextlib.suppress(jobs.AlreadyRunning),
        jobs.running(replays.JOB, {}, now) as job,
    ):
        job.message = f"{replays.nightly(now)} decisions"


@shared_task(queue="long")
def anchor_audit() -> None:
    """Hold the audit trail against its anchors, then publish its head outside of the database."""
    now = timezone.now()
    if anchoring.check(now).broken_at is None:
        anchoring.publish(now)
