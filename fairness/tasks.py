"""Celery entry points of evidence and audits, on the queue whose worker is thrown away after each task."""

from __future__ import annotations

import contextlib

from celery import shared_task
from django.utils import timezone

from decisioning import jobs
from decisioning.impact import Disagreement
from decisioning.models import Job
from fairness import audit, evidence, gate, proxies
from offers.catalog import InvalidContent
from offers.models import ChangeRequest, Release


def evidence_job(change_id: int) -> str:
    """The kind of the job row of a change's evidence: one at a time for each change, others beside it."""
    return f"evidence-{change_id}"


@shared_task(queue="fairness")
def compute_evidence(change_id: int) -> None:
    """The evidence of a change on the release in force. A candidate that cannot run, or a run that is not the engine's,
    ends the job with its faults."""
    now = timezone.now()
    with (
        contextlib.suppress(jobs.AlreadyRunning, InvalidContent, Disagreement),
        jobs.running(evidence_job(change_id), {"change": change_id}, now) as job,
    ):
        evidence.compute(ChangeRequest.objects.get(pk=change_id), now, jobs.reporter(job))


@shared_task(queue="default")
def publish_due() -> None:
    """Put live what was approved for a moment that has come; what the catalogue has overtaken is computed again first,
    once for each release."""
    live = Release.objects.order_by("-number").values_list("published_at", flat=True).first()
    for change_id in gate.publish_due(timezone.now()):
        job = Job.objects.filter(kind=evidence_job(change_id), started_at__gte=live).order_by("-id").first()
        if job is None:
            compute_evidence.delay(change_id)
        elif job.status == Job.Status.FAILED:
            gate.hold(change_id, f"its effect could not be computed: {job.message}"[:500], timezone.now())


@shared_task(queue="fairness")
def measure_proxies() -> int:
    """How much each attribute tells of each protected group; the number of figures."""
    return proxies.measure(timezone.now())


@shared_task(queue="fairness")
def audit_decisions(source: str = audit.DECISIONS) -> None:
    """Audit the bank's own decisions, or the history that a mapping loaded."""
    now = timezone.now()
    with contextlib.suppress(jobs.AlreadyRunning), jobs.running("audit", {"source": source}, now):
        audit.audit(now, source=source)
