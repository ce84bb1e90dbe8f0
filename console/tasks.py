"""Celery entry points of the demo; a bank sends its own exports."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from console.bank import feed


@shared_task(queue="long")
def bank_export() -> int:
    """What the demo bank's nightly export would bring."""
    return feed.send(timezone.now())
