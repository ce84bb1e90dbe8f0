"""Celery entry points of fairness: they wake the domain and nothing else."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from fairness import evidence
from offers.models import ChangeRequest


def ask_for_evidence(change_id: int) -> bool:
    """Queue the evidence of a change; called after the commit of its submission. False: the queue does not answer, and
    the review page offers to ask again."""
    try:
        compute_evidence.delay(change_id)
    except OperationalError:
        return False
    return True


@shared_task(queue="fairness")
def compute_evidence(change_id: int) -> int:
    """Compute what an approver must see of a change, on the release in force now."""
    return evidence.compute(ChangeRequest.objects.get(pk=change_id), timezone.now()).pk
