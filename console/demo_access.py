"""Who may use the demo, for its supervisor: sign-ins, API keys and ten customers, as the seeder left them."""

from __future__ import annotations

import os
from typing import Any

from django.db.models import Count

from console.bank import events, staff
from decisioning import rebuild
from decisioning.models import Consent, Customer, Job
from offers.models import Release

JOB = "seed_demo"
DEFAULT_CUSTOMERS = 20_000
CHANNELS = ("mobile_app", "web", "email", "branch")
FIRST_CARDS = 4  # the release from which cards stand there with all their rules


def seeded() -> bool:
    """Whether the bank is complete, at the size that CUSTOMERS asks for."""
    wanted = int(os.environ.get("CUSTOMERS") or DEFAULT_CUSTOMERS)
    done = Job.objects.filter(kind=JOB, status=Job.Status.DONE).values_list("argument", flat=True)
    return any(argument["customers"] >= wanted for argument in done)


def access() -> dict[str, Any] | None:
    """`{"users", "keys", "customers"}`, or None until a first decision can be answered."""
    if not staff.is_demo() or rebuild.is_cold():
        return None
    kept = staff.read()
    chosen = _customers()
    if not kept["users"] or len(chosen) < 10 or not Release.objects.filter(pk__gte=FIRST_CARDS).exists():
        return None
    return {**kept, "customers": chosen}


def _customers() -> list[str]:
    """Ten customers of the bank who may be contacted on every channel that a script is likely to try."""
    willing = (
        Consent.objects.filter(purpose="marketing", channel__in=CHANNELS, granted=True)
        .values("customer_id")
        .annotate(channels=Count("channel"))
        .filter(channels=len(CHANNELS))
    )
    rows = Customer.objects.filter(source=events.SOURCE, suppressed=False, erased_at__isnull=True)
    chosen = rows.filter(id__in=willing.values("customer_id")).order_by("id")
    return [str(number) for number in chosen.values_list("external_id", flat=True)[:10]]
